"""Callers who change their minds, at a rate: tests/bench/cancel_load.c, backends that take 0 to 50 ms, and the books.

FULL=1: 10,000 calls at 200/s; else 1,000."""
import collections
import json
import os
import subprocess
import time
import unittest

import harness
from harness import KINDS, Stack, WORKERS

ALONE = "a rate of calls"
FULL = bool(os.environ.get("FULL"))
SAN = harness.SLOW > 1
RPCS = ("FindUserByContact", "ResolveDialplan", "AllocatePort", "ReleasePort", "PlayAudio")
ALL_ANSWERED = 200  # calls that nobody cancels, to learn how long an answer takes
TO_CALLEE, CALLEE_OF_THE_PLAN = "902121230011", "sip:service@127.0.0.1:5070"
UNANSWERED = ("call.started", "call.ended")


class Load:
    def __init__(self, port, **options):
        harness.make("{}/bin/cancel_load")
        options = [text for name, value in options.items() for text in (f"--{name}", str(value))]
        self.process = subprocess.Popen([*harness.WITH_US, harness.binary("cancel_load"), "--port", str(port), *options],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)

    def finish(self, seconds):
        """What it counted, and what it complains of."""
        out, complaints = self.process.communicate(timeout=seconds * harness.SLOW)
        return json.loads(out), complaints


class TestCancelLoad(unittest.TestCase):
    def slow_backends(self, stack):
        """How long an answer takes then: the 99th percentile, in milliseconds."""
        stack.platform.faults(**{rpc: {"delay_ms": 0, "delay_max_ms": 50} for rpc in RPCS})
        counted, complaints = Load(stack.sip_port, count=ALL_ANSWERED, rate=100, within=0, seed=7).finish(60)
        self.assertEqual((counted["finals"], complaints), ({"200": ALL_ANSWERED}, ""))
        return int(counted["answer_p99_ms"])

    def check_answers(self, r, complaints, calls):
        self.assertEqual(complaints, "")
        self.assertEqual((r["without_final"], r["without_answer"], r["conflicts"]), (0, 0, 0), r)
        self.assertEqual(sum(r["finals"].values()), calls, r)

    def check_events(self, stack, r):
        """Each event once, in order: three for each answered call, none for who gave up before."""
        answered = r["finals"].get("200", 0) + ALL_ANSWERED
        stack.wait_no_calls(60)
        stack.wait_outbox_empty(60)
        harness.wait_for("all events", 30, lambda: len(stack.events.all()) >= 3 * answered)
        orders = collections.Counter(tuple(keys) for keys in stack.events.by_call().values())
        return orders, answered

    def test_at_random_moments(self):
        calls, rate = (300, 30) if SAN else (10000, 200) if FULL else (1000, 200)
        with Stack(LOG_LEVEL="warn").start() as stack:
            answer_ms = self.slow_backends(stack)
            before = stack.events.repeats()
            r, complaints = Load(stack.sip_port, count=calls, rate=rate, within=answer_ms, seed=int(time.time())).finish(200)
            self.check_answers(r, complaints, calls)
            self.assertEqual(set(r["finals"]), {"200", "487"}, r)
            self.assertEqual(r["cancel_answers"], {"200": r["cancels"]}, r)
            orders, answered = self.check_events(stack, r)
            self.assertEqual(orders, {KINDS: answered})
            s = stack.platform.wait_balanced(30)
            self.assertEqual(stack.events.repeats(), before)
            self.assertGreater(s["allocated"], answered, "a port came too late for somebody, and went back")
            print(f"  {calls} calls at {rate}/s, each cancelled within {answer_ms} ms (backends 0-50 ms each): finals "
                  f"{r['finals']}, {r['cancels']} CANCELs, {r['crossed']} crossed a 200; {s['allocated']} ports taken and "
                  f"given back; {answered} x 3 events, each once and in order", flush=True)

    def test_somebody_else_is_called(self):
        """Who is called rings and answers at a random moment, so that CANCELs and answers cross on his side as well."""
        calls, rate = (300, 30) if SAN else (10000, 200) if FULL else (1000, 200)
        port = harness.free_sip_port()
        with Stack(LOG_LEVEL="warn") as stack:
            for plan in stack.platform.config["plans"]:
                if plan.get("data", {}).get("target") == CALLEE_OF_THE_PLAN:
                    plan["data"]["target"] = f"sip:callee@127.0.0.1:{port}"
            stack.platform.write_config()
            stack.start()
            stack.platform.faults(**{rpc: {"delay_ms": 0, "delay_max_ms": 50} for rpc in RPCS})
            r, complaints = Load(stack.sip_port, count=calls, rate=rate, within=200, seed=int(time.time()), to=TO_CALLEE,
                                 callee=port, linger=2000).finish(200)
            self.check_answers(r, complaints, calls)
            self.assertEqual(set(r["finals"]), {"200", "487"}, r)
            self.assertEqual((r["callee"]["without_ack"], r["callee"]["without_bye"]), (0, 0), r)
            self.assertEqual(r["callee"]["answered"] + r["callee"]["cancelled"], r["callee"]["invites"], r)
            stack.assert_clean(60)
            rung = r["callee"]["invites"]  # call.started comes with the INVITE to him
            answered = r["finals"]["200"]
            harness.wait_for("all events", 30, lambda: len(stack.events.all()) >= 2 * rung + answered)
            orders = collections.Counter(tuple(keys) for keys in stack.events.by_call().values())
            self.assertEqual(orders, {KINDS: answered, UNANSWERED: rung - answered})
            self.assertEqual(stack.platform.status()["allocated"], 0)
            print(f"  {calls} calls to somebody else at {rate}/s: finals {r['finals']}, of {rung} who were rung "
                  f"{r['callee']['answered']} answered (each had ACK and BYE; {r['callee']['answered'] - answered} crossed "
                  f"the CANCEL), {r['callee']['cancelled']} cancelled; events {dict(orders)}", flush=True)

    def test_while_workers_are_killed(self):
        """No INVITE without a final response, whoever dies."""
        calls, rate = (300, 20) if SAN else (3000, 200) if FULL else (1000, 100)
        with Stack(LOG_LEVEL="warn").start() as stack:
            answer_ms = self.slow_backends(stack)
            load = Load(stack.sip_port, count=calls, rate=rate, within=answer_ms, seed=int(time.time()), linger=3000)
            killed = {}
            for name in WORKERS:
                seen = len(stack.events.all())
                harness.wait_for("some more events", 30, lambda: len(stack.events.all()) > seen + 60)
                killed[name] = time.time() * 1000
                stack.wait_restarted(stack.kill_worker(name))
                stack.wait_ready()
            self.assertIsNone(load.process.poll(), "the load ended before the last kill")
            r, complaints = load.finish(200)
            self.check_answers(r, complaints, calls)
            orders, answered = self.check_events(stack, r)
            self.assertLessEqual(set(orders), {KINDS, UNANSWERED})
            self.assertGreaterEqual(orders[KINDS], answered)
            s = stack.platform.status()
            out = self.ports_out(stack)
            print(f"  each worker killed at {rate} calls/s: finals {r['finals']}, {r['resent']} requests repeated; events "
                  f"{dict(orders)}; ports {s['allocated']} taken, {s['released']} given back", flush=True)
            for port in out:
                self.assertLess(abs(port["t_ms"] - killed["orchestrator"]), 1000, "not lost with the orchestrator")

    def ports_out(self, stack):
        """Allocated and never given back: only those whose answer died with the orchestrator may be."""
        out = {}
        for line in stack.platform.ledger():
            if line["event"] == "allocate":
                out[line["port"]] = line
            elif line["event"] == "release":
                out.pop(line["port"], None)
        return list(out.values())


if __name__ == "__main__":
    unittest.main()
