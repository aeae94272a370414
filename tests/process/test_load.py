"""SIPp at a rate, and the books afterwards: every call answered, every port back, every event once and in order.

FULL=1: the whole of `sipp -sn uac ... -r 200 -m 4000 -d 1000`; else a quarter of it."""
import collections
import os
import tempfile
import unittest

import harness
import sipp
from harness import KINDS, Stack, WORKERS

ALONE = "a rate of calls"
FULL = bool(os.environ.get("FULL"))
SAN = harness.SLOW > 1


class TestLoad(unittest.TestCase):
    def books(self, stack, calls):
        """Everything adds up to that many calls."""
        s = stack.assert_clean(30)
        self.assertEqual((s["allocated"], s["released"]), (calls, calls))
        harness.wait_for("all events", 30, lambda: len(stack.events.all()) >= 3 * calls)
        orders = collections.Counter(tuple(keys) for keys in stack.events.by_call().values())
        self.assertEqual(orders, {KINDS: calls})

    def test_stranger(self):
        """What a stranger types: sipp -sn uac, user `service`."""
        rate, calls = (20, 100) if SAN else (200, 4000) if FULL else (200, 1000)
        with Stack(LOG_LEVEL="warn").start() as stack:
            r = sipp.call(stack.sip_port, seconds=90, calls=calls, rate=rate, hold_ms=1000)
            self.assertEqual((r.ok, r.failed), (calls, 0), r.text)
            self.books(stack, calls)
            print(f"  {calls} calls at {rate}/s, 1 s each: 0 failed, {calls} of each event in order, "
                  f"{calls} ports taken and given back, outbox 0", flush=True)

    def test_workers_killed_under_load(self):
        """Each worker is killed once while calls run: no call that was up is lost, nothing is told twice or not."""
        rate, calls = (10, 150) if SAN else (50, 1000)
        with Stack(LOG_LEVEL="warn").start() as stack, tempfile.TemporaryDirectory(prefix="sig-sipp-") as folder:
            load = sipp.start(stack.sip_port, folder, calls=calls, rate=rate, hold_ms=1500, service="902121234567",
                              limit=2000)
            for name in WORKERS:
                seen = len(stack.events.all())
                harness.wait_for("some more events", 20, lambda: len(stack.events.all()) > seen + 100)
                stack.wait_restarted(stack.kill_worker(name))
                stack.wait_ready()
            r = sipp.finish(load, folder, 120)
            stack.wait_no_calls(40)
            stack.wait_outbox_empty(30)
            orders = collections.Counter(tuple(keys) for keys in stack.events.by_call().values())
            status = stack.platform.status()
            print(f"  each worker killed at {rate} calls/s: {r.ok} of {calls} calls went well, {r.failed} failed; "
                  f"events {dict(orders)}; ports {status['allocated']} taken, {status['released']} given back", flush=True)
            if r.failed:
                told = [x[:160] for x in r.text.split("\n") if "Aborting" in x or x.startswith("SIP/2.0")]
                print("\n".join("  " + x for x in told), flush=True)
            for keys in orders:
                self.assertIn(keys, (KINDS, ("call.started", "call.ended")))
            self.assertGreaterEqual(orders[KINDS], r.ok)
            self.assertLessEqual(status["in_use"], 50, "only ports whose answer died with the orchestrator")
            self.assertGreater(r.ok, calls * 0.9)
