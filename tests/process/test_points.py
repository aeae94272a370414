"""Every kill point of every process: under calls of all kinds the process dies there (hangs, is slow), and nobody is worse off
than by a repeated request. FULL=1: hang and slow at every point, and each death looked at by itself. POINT=text: only points
with that in "PROGRAM POINT"."""
import collections
import contextlib
import os
import time
import unittest

import harness
from harness import WORKERS, Stack, make, wait_for
from killpoints import Orders
from traffic import GIVE_UP, Traffic
from ua import Ua

ALONE = "deaths at a rate"
FULL = bool(os.environ.get("FULL"))
ONLY = os.environ.get("POINT", "")
PACE_S = 0.3 * harness.SLOW
CALM_S = 1.4 * harness.SLOW  # between two deaths of one worker: what dies within a second of being ready is started later
NOTICED_S = 3  # a hang is seen within this time
SLOW_MS = 120
RATE = 25 if harness.SLOW == 1 else 8

# Passed with every message between processes.
PLANE = ("plane.read", "plane.handled", "plane.send", "plane.sent")
# Passed by calls and registrations.
BUSY = {
    "sip-edge": (*PLANE, "edge.udp.read", "edge.udp.send", "edge.udp.sent", "edge.request.opened", "edge.cancel.taken",
                 "edge.ack.taken", "edge.response.taken", "edge.request.queued", "edge.reply.taken", "edge.stream.read",
                 "edge.stream.written"),
    "call-actor": (*PLANE, "actor.request.read", "actor.step.decide", "actor.step.decided", "actor.step.applied",
                   "actor.timer.fired", "actor.response.read", "actor.job.ask", "actor.job.read", "actor.terminate.read",
                   "actor.call.forget", "actor.turn.pumped", "store.commit", "store.committed", "outbox.added",
                   "outbox.told", "outbox.confirmed", "registrar.taken", "registrar.bound"),
    "orchestrator": (*PLANE, "orch.job.begun", "orch.job.cancel", "orch.rpc.answered", "orch.allocate.send",
                     "orch.allocate.sent", "orch.allocate.answered", "orch.release.send", "orch.release.sent",
                     "orch.release.answered", "orch.answer.kept", "orch.serve.asked", "orch.serve.answer"),
    "publisher": (*PLANE, "pub.event.taken", "pub.event.published", "pub.broker.written", "pub.confirm.read",
                  "pub.confirm.noted", "pub.confirm.told", "pub.command.read", "pub.command.asked", "pub.command.answered",
                  "pub.command.settled"),
}
# Passed when a process comes back: which one has to be killed for that.
BACK = {
    "sip-edge": {"edge.start.bound": "sip-edge", "edge.start.known": "sip-edge"},
    "call-actor": {"recover.loaded": "call-actor", "recover.asked": "call-actor", "actor.edge.up": "sip-edge",
                   "actor.edge.asked": "sip-edge", "actor.orch.up": "orchestrator", "actor.pub.up": "publisher"},
    "orchestrator": {"orch.start.served": "orchestrator", "orch.actor.up": "call-actor"},
    "publisher": {"pub.broker.up": "publisher", "pub.actor.up": "call-actor"},
}
BOTH = {"edge.actor.up": "call-actor", "edge.actor.asked": "call-actor"}
# With the supervisor all die; whoever started it starts it again.
SUPERVISOR = (*PLANE, "sup.start.bound", "sup.spawn.fork", "sup.spawn.forked", "sup.child.ready", "sup.child.died",
              "sup.child.beat", "sup.ctl.asked", "sup.ctl.answered", "sup.stop.begun")
# An AllocatePort is on its way, or its answer has come and nobody else has it: the number is known to nobody. The contract has no
# way to ask (docs/killpoints.md).
MAY_LOSE_A_PORT = "orchestrator"


def chosen(program, point):
    return ONLY in f"{program} {point}"


class KillStack(Stack):
    """The programs of `make kill`, and orders to them."""

    def __init__(self, **settings):
        make("kill")
        super().__init__(SIP_T1_MS=100, NO_ANSWER_S=20, DRAIN_S=10, LOG_LEVEL="warn", **settings)
        self.orders_path = os.path.join(self.dir, "orders")
        self.orders = Orders(self.orders_path)
        self.program = os.path.join(harness.BUILD, "kill/bin/supervisor")
        self.env["KILL_POINTS"] = self.orders_path

    def pid(self, program):
        return self.worker(program)["pid"]


class Deaths:
    """Has workers die one after the other, each not too soon after its last death."""

    def __init__(self, stack):
        self.stack, self.last = stack, collections.defaultdict(float)
        self.log = []  # (program point, wall time)

    def due(self, program):
        return self.last[program] + CALM_S

    def wait_calm(self, *programs):
        for p in programs:
            time.sleep(max(0, self.due(p) - time.monotonic()))
            wait_for(f"{p} runs", 15, lambda p=p: self.stack.worker(p)["state"] == "running")

    def note(self, what, *programs):
        self.log.append((what, time.time()))
        for p in programs:
            self.last[p] = time.monotonic()

    def order(self, program, point, how="die", kill=None, nth=1, ms=0, seconds=10):
        """Until it is carried out."""
        orders = self.stack.orders
        slot = orders.give(program, point, how, nth=nth, ms=ms)
        if kill:
            self.stack.kill_worker(kill)
        wait_for(f"{program} passes {point}", seconds, lambda: orders.done(slot))
        orders.take_back(slot)
        self.note(f"{program} {point} {how}", *{program, kill or program})

    def between(self, begin, end):
        return [what for what, at in self.log if begin - 3 <= at <= end]


class TestKillPoints(unittest.TestCase):
    def setUp(self):
        self.stack = KillStack()
        self.addCleanup(lambda: self.stack.close(failed=self.failed))
        self.failed = True

    def begin(self):
        """Backends that take a moment, so that deaths find something under way."""
        rpcs = ("FindUserByContact", "ResolveDialplan", "AllocatePort", "ReleasePort")
        self.stack.start().platform.faults(**{r: {"delay_ms": 0, "delay_max_ms": 30} for r in rpcs})
        return Deaths(self.stack)

    def check(self, traffic, deaths, repeats_max=2):
        """What all those concerned have seen, in the end."""
        stack = self.stack
        stack.wait_ready()
        wrong = traffic.wrong() + self.left_over(traffic)
        wrong += traffic.check_events() + traffic.check_registered()
        lost = self.ports_lost(deaths)
        resent = traffic.resent()
        answered = sum(c.answered for c in traffic.calls)
        print(f"  {len(deaths.log)} deaths under {len(traffic.calls)} calls ({answered} answered): {len(wrong)} wrong; requests "
              f"repeated {dict(sorted(resent.items()))}; events sent twice {stack.events.repeats()}; ports lost with their "
              f"orchestrator {lost}", flush=True)
        told = "\n".join(f"{text}\n    meanwhile: {deaths.between(begin, end) if end else '?'}" for text, begin, end in wrong)
        self.assertEqual(wrong, [], told)
        self.assertLessEqual(max(resent, default=0), repeats_max, "a caller had to repeat himself too often")
        self.failed = False

    def left_over(self, traffic):
        """Calls that the service holds though everybody has hung up."""
        with contextlib.suppress(AssertionError):
            self.stack.wait_no_calls(15)
        return [(f"still there: {c}", *traffic.times(c["call_id"])) for c in self.stack.calls()]

    def ports_lost(self, deaths):
        """Ports that nobody gave back: none but those whose answer died with an orchestrator. Each was given back by the call
        that had it."""
        out = {}
        for line in self.stack.platform.ledger():
            if line["event"] == "allocate":
                out[line["port"]] = line
            elif line["event"] == "release" and line["port"] in out:
                self.assertEqual(line["trace"], out.pop(line["port"])["trace"], "given back by another call")
        for port, line in out.items():
            near = [what for what, t in deaths.log if abs(t - line["t_ms"] / 1000) < 1 and MAY_LOSE_A_PORT in what]
            self.assertTrue(near, f"port {port} is lost, and no orchestrator died then")
        return len(out)

    def test_deaths(self):
        """Each worker at each of its points, one after the other, among calls that go on."""
        deaths = self.begin()
        todo = {p: [(point, None) for point in BUSY[p] if chosen(p, point)] +
                   [(point, kill) for point, kill in BACK[p].items() if chosen(p, point)] for p in WORKERS}
        with Traffic(self.stack, RATE) as traffic, Ua(self.stack.sip_port):
            n = 0
            while any(todo.values()):
                program = min((p for p in todo if todo[p]), key=deaths.due)
                point, kill = todo[program].pop(0)
                deaths.wait_calm(*{program, kill or program})
                deaths.order(program, point, kill=kill, nth=1 if kill else 1 + n % 3)
                n += 1
                time.sleep(PACE_S)
            deaths.wait_calm(*WORKERS)
        self.check(traffic, deaths)


if __name__ == "__main__":
    unittest.main()
