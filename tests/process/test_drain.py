"""On the way out: what is refused, what goes on, who is told, and how long it takes, also when workers die meanwhile."""
import signal
import time
import unittest

import harness
from harness import KINDS, WORKERS, Stack, wait_for
from ua import Call, Ua, header, status


def is_refused(answer):
    """503, and when to come back."""
    return status(answer) == 503 and int(header(answer, "Retry-After")) > 0


class TestDrain(unittest.TestCase):
    def test_a_kill_of_each_worker_changes_nothing(self):
        """Whoever is started again is told that the service drains."""
        with Stack().start() as stack, Ua(stack.sip_port) as ua, Ua(stack.sip_port) as other:
            call = Call(ua)
            call.answered()
            stack.wait_established(call)
            stack.ctl("drain")
            for worker in WORKERS:
                with self.subTest(worker=worker):
                    stack.wait_restarted(stack.kill_worker(worker))
                    wait_for("all workers are up", 10, lambda: all(
                        w["state"] == "running" for w in stack.ctl("status")["workers"]))
                    self.assertTrue(is_refused(other.ask("OPTIONS")))
                    self.assertTrue(is_refused(Call(other).invite().final()))
                    self.assertEqual([c["call_id"] for c in stack.calls()], [call.call_id])
            self.assertEqual(status(call.bye()), 200)
            stack.events.wait_ended(call.call_id)
            stack.ctl("drain", "off")
            stack.wait_ready()
            again = Call(ua)
            again.answered()
            again.bye()
            stack.events.wait_ended(again.call_id)
            stack.assert_clean()


class TestTerm(unittest.TestCase):
    """TERM with calls that do not end: at the end of DRAIN_S they get BYE, and all is told before the service is gone."""

    def stragglers(self, kill, drain_s=4, shards=1):
        with Stack(DRAIN_S=drain_s, CALL_ACTORS=shards).start() as stack, Ua(stack.sip_port) as ua:
            stack.wait_dependency("rabbitmq", "ready")
            calls = [Call(ua) for _ in range(6)]
            for call in calls:
                call.answered()
                stack.wait_established(call)
            stack.process.send_signal(signal.SIGTERM)
            began = time.monotonic()
            wait_for("it drains", 5, lambda: stack.ctl("status")["draining"])
            self.assertTrue(is_refused(Call(ua).invite().final()))
            for worker in kill:
                stack.wait_restarted(stack.kill_worker(worker))
            for call in calls:
                call.expect_bye(20)
            stack.process.wait(20 * harness.SLOW)
            self.assertEqual(stack.process.returncode, 0)
            self.assertGreaterEqual(time.monotonic() - began, drain_s)
            self.assertLess(time.monotonic() - began, (drain_s + 14) * harness.SLOW)
            for call in calls:
                bodies = stack.events.wait_ended(call.call_id)
                self.assertEqual(stack.events.keys_of_call(call.call_id), list(KINDS))
                self.assertEqual(bodies[-1]["reason"], "system_terminated")
            stack.platform.wait_balanced()

    def test_stragglers(self):
        self.stragglers(())

    def test_stragglers_of_a_killed_actor(self):
        self.stragglers(("call-actor",))

    def test_stragglers_when_all_others_were_killed(self):
        self.stragglers(("publisher", "orchestrator", "sip-edge"))

    def test_an_actor_that_is_starting_when_the_time_is_over(self):
        """Killed at the last moment: it is waited for, as without it nobody would say BYE."""
        with Stack(DRAIN_S=2).start() as stack, Ua(stack.sip_port) as ua:
            stack.wait_dependency("rabbitmq", "ready")
            call = Call(ua)
            call.answered()
            stack.wait_established(call)
            stack.process.send_signal(signal.SIGTERM)
            wait_for("it drains", 5, lambda: stack.ctl("status")["draining"])
            old = stack.kill_worker("call-actor")
            wait_for("its death is known", 5, lambda: stack.worker("call-actor")["pid"] != old["pid"])
            stack.process.send_signal(signal.SIGTERM)  # asked again: not waiting for calls
            call.expect_bye(10)
            stack.process.wait(20 * harness.SLOW)
            self.assertEqual(stack.process.returncode, 0)
            stack.events.wait_ended(call.call_id)
            stack.platform.wait_balanced()

    def test_asked_twice(self):
        """The second TERM does not wait for calls; they get BYE all the same."""
        with Stack(DRAIN_S=600).start() as stack, Ua(stack.sip_port) as ua:
            stack.wait_dependency("rabbitmq", "ready")
            call = Call(ua)
            call.answered()
            stack.wait_established(call)
            stack.process.send_signal(signal.SIGTERM)
            wait_for("it drains", 5, lambda: stack.ctl("status")["draining"])
            stack.process.send_signal(signal.SIGTERM)
            call.expect_bye(10)
            stack.process.wait(20 * harness.SLOW)
            self.assertEqual(stack.process.returncode, 0)
            stack.events.wait_ended(call.call_id)
            stack.platform.wait_balanced()
