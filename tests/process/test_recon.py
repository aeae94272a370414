"""What deaths leave open: ports whose answer was lost, ports without a call, a supervisor that is killed."""
import os
import signal
import tempfile
import unittest

import harness
import sipp
from harness import KINDS, Stack, wait_for
from ua import Call, Ua, status


def hang_after_taking(stack):
    """AllocatePort takes a port and is never answered."""
    stack.platform.faults(AllocatePort={"when": "after", "hang": True})


def kill_hard(stack, *names):
    """All of them in one moment."""
    old = [stack.worker(name) for name in names]
    for w in old:
        os.kill(w["pid"], signal.SIGKILL)
    for w in old:
        stack.wait_restarted(w)


class TestPortWhoseAnswerWasLost(unittest.TestCase):
    def lose_one(self, stack, ua):
        """Two calls that are up; behind the second one a port that nobody knows."""
        first = Call(ua)
        first.answered()
        stack.wait_established(first)
        hang_after_taking(stack)
        second = Call(ua).invite()
        second.response(100)
        wait_for("AllocatePort", 5, lambda: len(stack.platform.ledger("allocate")) == 2)
        old = stack.kill_worker("orchestrator")
        stack.platform.faults()
        stack.wait_restarted(old)
        answer = second.final(20)
        self.assertEqual(status(answer), 200)
        second.ack(answer)
        stack.wait_established(second)
        self.assertEqual(stack.platform.status()["in_use"], 3)
        return first, second

    def unanswered(self, stack):
        text = stack.ctl("metrics")["metrics"]
        return [line.split()[-1] for line in text.splitlines() if line.startswith("sip_signaling_ports_unanswered{")]

    def test_it_is_given_back_where_nobody_else_takes_ports(self):
        with Stack(MEDIA_EXCLUSIVE="on").start() as stack, Ua(stack.sip_port) as ua:
            calls = self.lose_one(stack, ua)
            self.assertEqual(self.unanswered(stack), ["1"])
            wait_for("the port is given back", 30, lambda: stack.platform.status()["in_use"] == 2)
            wait_for("nothing is open any more", 10, lambda: self.unanswered(stack) == ["0"])
            for call in calls:
                call.bye()
            stack.assert_clean()

    def test_it_is_left_alone_where_it_may_be_another_clients(self):
        with Stack().start() as stack, Ua(stack.sip_port) as ua:
            calls = self.lose_one(stack, ua)
            wait_for("it is found", 30, lambda: "ports are taken at media-service that no call of ours has" in stack.log())
            self.assertEqual(stack.platform.status()["in_use"], 3)
            for call in calls:
                call.bye()
            stack.wait_no_calls()
            wait_for("the calls' ports are given back", 10, lambda: stack.platform.status()["in_use"] == 1)


class TestPortsUnderLoad(unittest.TestCase):
    def test_both_who_know_of_a_port_die_at_once(self):
        """The orchestrator has read it, call-actor has not committed it."""
        calls, kills = 300, 4
        with Stack(MEDIA_EXCLUSIVE="on").start() as stack, tempfile.TemporaryDirectory(prefix="sig-sipp-") as folder:
            load = sipp.start(stack.sip_port, folder, calls=calls, rate=50, hold_ms=200, service="902121234567")
            for i in range(kills):
                wait_for("calls go on", 20, lambda: len(stack.events.by_call()) > calls * (i + 0.5) / (kills + 1))
                kill_hard(stack, "orchestrator", "call-actor")
            r = sipp.finish(load, folder, 60)
            self.assertEqual((r.ok, r.failed), (calls, 0), r.text)
            stack.wait_no_calls()
            stack.wait_outbox_empty()
            s = wait_for("every port is given back", 60, lambda: (s := stack.platform.status())["in_use"] == 0 and s)
            self.assertEqual(s["allocated"], s["released"])
            # A ReleasePort that was out when its process died has to be repeated: once a death, at most a few.
            self.assertLessEqual(s["released_unknown"], kills)


class TestLostStore(unittest.TestCase):
    def test_ports_of_calls_that_nobody_knows_any_more(self):
        """The store was taken away: the calls are gone, and their ports are found by the orchestrator's book."""
        with Stack().start() as stack, Ua(stack.sip_port) as ua:
            for _ in range(3):
                Call(ua).answered()
            wait_for("three calls", 5, lambda: len(stack.calls()) == 3)
            self.assertEqual(stack.platform.status()["in_use"], 3)
            stack.process.send_signal(signal.SIGKILL)
            stack.process.wait()
            wait_for("all workers are gone", 5, lambda: not harness.processes_of_session(stack.process.pid))
            for name in os.listdir(stack.state):
                if name.startswith("shard"):
                    os.unlink(os.path.join(stack.state, name))
            stack.spawn().wait_ready()
            stack.platform.wait_balanced(20)


if __name__ == "__main__":
    unittest.main()
