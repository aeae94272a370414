"""kill -9 of each worker: a call that is up lives on, ends well, its port comes back once, its events exactly once."""
import tempfile
import time
import unittest

import sipp
from harness import KINDS, Stack, WORKERS, wait_for
from test_call import OneCall
from ua import Call, Ua, echo_test, rtp_port_of, status


class TestKillEstablished(OneCall):
    def killed(self, name):
        stack = self.stack
        call = Call(self.ua)
        port, _ = rtp_port_of(call.answered())
        stack.wait_established(call)
        # Wait until started and answered are out: what comes twice or never now is the kill's doing.
        stack.wait_outbox_empty()
        before = stack.platform.status()
        stack.wait_restarted(stack.kill_worker(name))
        stack.wait_ready()
        self.assertEqual(echo_test(port, 3), 3)
        held = stack.calls()
        self.assertEqual([c["call_id"] for c in held], [call.call_id])
        return call, before

    def finished(self, call, before, reason="normal_clearing"):
        bodies = self.ended(call, reason)
        after = self.stack.platform.status()
        self.assertEqual(after["released"] - before["released"], 1)
        self.assertEqual(after["allocated"], before["allocated"])
        return bodies

    def test_then_the_caller_hangs_up(self):
        for name in WORKERS:
            with self.subTest(worker=name):
                call, before = self.killed(name)
                self.assertEqual(status(call.bye()), 200)
                self.finished(call, before)

    def test_then_the_service_hangs_up(self):
        for name in WORKERS:
            with self.subTest(worker=name):
                call, before = self.killed(name)
                self.stack.ctl("hangup", call.call_id)
                call.expect_bye()
                self.finished(call, before, "system_terminated")

    def test_a_call_after_the_kill(self):
        for name in WORKERS:
            with self.subTest(worker=name):
                self.stack.wait_restarted(self.stack.kill_worker(name))
                self.stack.wait_ready()
                call = Call(self.ua)
                call.answered()
                call.bye()
                self.ended(call, "normal_clearing")

    def test_bye_while_the_worker_is_away(self):
        """BYE is sent at the moment of the kill and repeated as by any caller (timer E)."""
        for name in ("sip-edge", "call-actor"):
            with self.subTest(worker=name):
                call = Call(self.ua)
                call.answered()
                self.stack.wait_established(call)
                self.stack.kill_worker(name)
                call.request("BYE")
                deadline = time.monotonic() + 10
                answer = None
                while answer is None and time.monotonic() < deadline:
                    try:
                        answer = call.final(0.5, "BYE")
                    except AssertionError:
                        call.repeat()
                self.assertEqual(status(answer), 200)
                self.stack.wait_ready()
                self.ended(call, "normal_clearing")


class TestKillDuringSetUp(unittest.TestCase):
    """The dialplan takes a second; the worker dies in it. The caller has its 100 and repeats nothing (RFC 3261
    §17.1.1.2): one answer comes of itself."""

    def test_each_worker(self):
        with Stack().start() as stack, Ua(stack.sip_port) as ua:
            stack.platform.faults(ResolveDialplan={"delay_ms": 1000})
            for name in WORKERS:
                with self.subTest(worker=name):
                    call = Call(ua).invite()
                    call.response(100)
                    old = stack.kill_worker(name)
                    answer = call.final(20)
                    self.assertIn(status(answer), (200, 503))
                    stack.wait_restarted(old)
                    stack.wait_ready()
                    if status(answer) == 200:
                        call.ack(answer)
                        call.bye()
                        stack.events.wait_ended(call.call_id)
                    stack.wait_no_calls()
                    stack.wait_outbox_empty()
                    keys = tuple(stack.events.keys_of_call(call.call_id))
                    self.assertIn(keys, (KINDS,) if status(answer) == 200 else ((), ("call.started", "call.ended")))
                    # The port of an AllocatePort whose answer died with the orchestrator is known to nobody.
                    if name != "orchestrator":
                        stack.platform.wait_balanced()
                    print(f"  {name} killed during set-up: {status(answer)}, events {len(keys)}, ports in use "
                          f"{stack.platform.status()['in_use']}", flush=True)


class TestKillUnderLoad(unittest.TestCase):
    def test_the_orchestrator(self):
        """Its channels have to be connected again each time: set-ups wait for that, none is refused."""
        calls, kills = 250, 4
        with Stack().start() as stack, tempfile.TemporaryDirectory(prefix="sig-sipp-") as folder:
            load = sipp.start(stack.sip_port, folder, calls=calls, rate=50, hold_ms=200, service="902121234567")
            for i in range(kills):
                wait_for("calls go on", 10, lambda: len(stack.events.by_call()) > calls * (i + 0.5) / (kills + 1))
                stack.wait_restarted(stack.kill_worker("orchestrator"))
            r = sipp.finish(load, folder, 60)
            self.assertEqual((r.ok, r.failed), (calls, 0), r.text)
            stack.wait_no_calls()
            stack.wait_outbox_empty()


class TestRestartByOperator(OneCall):
    def test_graceful_and_kill(self):
        call = Call(self.ua)
        call.answered()
        for name in WORKERS:
            for how in ((), ("--kill",)):
                with self.subTest(worker=name, how=how):
                    old = self.stack.worker(name)
                    self.stack.ctl("restart", name, *how)
                    self.stack.wait_restarted(old)
                    self.stack.wait_ready()
        call.bye()
        self.ended(call, "normal_clearing")

    def test_a_restart_doubles_no_event(self):
        """Whoever leaves in peace says before it goes what it knows: also of the events of the moment."""
        for name in WORKERS:
            with self.subTest(worker=name):
                before = self.stack.events.repeats()
                calls = [Call(self.ua) for _ in range(5)]
                for call in calls:
                    call.answered()
                    call.bye()
                old = self.stack.worker(name)
                self.stack.ctl("restart", name)
                self.stack.wait_restarted(old)
                self.stack.wait_ready()
                for call in calls:
                    self.ended(call, "normal_clearing")
                self.assertEqual(self.stack.events.repeats(), before)

    def test_a_worker_that_hangs_is_replaced(self):
        """SIGSTOP: the loop no longer turns; the watchdog notices."""
        import signal
        old = self.stack.kill_worker("publisher", signal.SIGSTOP)
        self.stack.wait_restarted(old, 20)
        self.stack.wait_ready()
