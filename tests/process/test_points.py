"""The kill points of every process: under calls of all kinds the process dies there, and nobody is worse off than by a repeated
request; some hang as well. FULL=1: every point, and the workers hang and are slow at all that traffic passes. POINT=text: only points
with that in "PROGRAM POINT"."""
import collections
import concurrent.futures
import contextlib
import itertools
import os
import re
import signal
import time
import unittest

import harness
from harness import KINDS, WORKERS, Broker, Pki, Stack, make, processes_of_session, wait_for
from killpoints import Orders
from traffic import Traffic
from ua import Call, Ua, status

ALONE = "deaths at a rate"
FULL = bool(os.environ.get("FULL"))
ONLY = os.environ.get("POINT", "")
PACE_S = 0.3 * harness.SLOW
CALM_S = 1.4 * harness.SLOW  # between two deaths of one worker: what dies within a second of being ready is started later
ALL_BACK_S = 2 * harness.SLOW  # between two deaths of the supervisor: whoever waits to say something again comes to it
REPLACED_S = 10  # how soon is measured by test_heart
REPEATS_MAX = 4  # of one request: 7.5 s. One is what there is when the machine is not busy
SLOW_MS = 120
RATE = 10 if harness.SLOW == 1 else 4

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
# An edge and an actor that die together lose an INVITE whose 100 was said before the actor came to it. That takes an actor that gets
# no CPU for 3/10 of T1, here 60 ms: FULL=1 or POINT, on a machine with nothing else to do.
if FULL or ONLY:
    BACK["sip-edge"] |= {"edge.actor.up": "call-actor", "edge.actor.asked": "call-actor"}
# With the supervisor all die; whoever started it starts it again.
SUPERVISOR = (*PLANE, "sup.start.bound", "sup.spawn.fork", "sup.spawn.forked", "sup.child.ready", "sup.child.died",
              "sup.child.beat", "sup.ctl.asked", "sup.ctl.answered", "sup.stop.begun")
AT_ITS_START = ("sup.start.bound", "sup.spawn.fork", "sup.spawn.forked", "sup.child.ready")
# In every run; FULL=1 has the others hang as well.
HANGS = (("sip-edge", "edge.request.opened"), ("call-actor", "store.commit"), ("orchestrator", "orch.allocate.answered"),
         ("publisher", "pub.confirm.read"))
# An AllocatePort is on its way, or its answer has come and nobody else has it: the number is known to nobody. The contract has no
# way to ask (docs/killpoints.md).
MAY_LOSE_A_PORT = "orchestrator"


def chosen(program, point):
    return ONLY in f"{program} {point}"


class KillStack(Stack):
    """The programs of `make kill`, and orders to them."""

    def __init__(self, broker=None, **settings):
        super().__init__(broker=broker, SIP_T1_MS=200, NO_ANSWER_S=20, DRAIN_S=10, LOG_LEVEL="warn", **settings)
        self.orders_path = os.path.join(self.dir, "orders")
        self.orders = Orders(self.orders_path)
        self.program = os.path.join(harness.BUILD, "kill/bin/supervisor")
        self.env["KILL_POINTS"] = self.orders_path


class Deaths:
    """Has workers die one after the other, each not too soon after its last death."""

    def __init__(self, stack):
        self.stack, self.last = stack, collections.defaultdict(float)
        self.log = []  # (what, wall time)

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

    def order(self, program, point, how="die", kill=None, **more):
        """Until it is carried out. kill: who is killed so that it comes to it"""
        orders = self.stack.orders
        slot = orders.give(program, point, how, **more)
        if kill:
            self.stack.kill_worker(kill)
        wait_for(f"{program} passes {point}", 30, lambda: orders.done(slot))
        orders.take_back(slot)
        self.note(f"{program}: {point} {how}" + (f", {kill} killed" if kill else ""), *{program, kill or program})

    def between(self, begin, end):
        return [what for what, at in self.log if begin - 3 <= at <= end]

    # --- one after the other ---

    def at_each(self, todo):
        """todo: {program: [(point, who is killed for it or None)]}"""
        n = 0
        while any(todo.values()):
            program = min((p for p in todo if todo[p]), key=self.due)
            point, kill = todo[program].pop(0)
            self.wait_calm(*{program, kill or program})
            self.order(program, point, kill=kill, nth=1 if kill else 1 + n % 3)
            n += 1
            time.sleep(PACE_S)
        self.wait_calm(*WORKERS)

    def two_at_once(self):
        for pair in itertools.combinations(WORKERS, 2):
            self.wait_calm(*pair)
            for name in pair:
                self.stack.kill_worker(name)
            self.note(" and ".join(pair) + " killed", *pair)
        self.wait_calm(*WORKERS)

    def hang_at(self, points):
        """Whoever hangs is replaced."""
        for program, point in points:
            self.wait_calm(program)
            old = self.stack.worker(program)
            self.order(program, point, "hang")
            begin = time.monotonic()
            self.stack.wait_restarted(old, REPLACED_S)
            self.note(f"{program}: replaced after {time.monotonic() - begin:.1f} s", program)
        self.wait_calm(*WORKERS)

    def slow_at(self, points):
        """Nobody is replaced for it."""
        for program, point in points:
            self.wait_calm(program)
            old = self.stack.worker(program)
            self.order(program, point, "slow", ms=SLOW_MS, times=5)
            time.sleep(PACE_S)
            assert self.stack.worker(program)["pid"] == old["pid"], f"{program} was replaced: {point}"

    # --- the supervisor, and with it everybody ---

    def start_again(self):
        self.stack.process.wait(10)
        wait_for("all workers are gone", 5, lambda: not processes_of_session(self.stack.process.pid))
        self.stack.spawn()

    def of_supervisor(self, points):
        triggers = {"sup.child.died": lambda: self.stack.kill_worker("publisher"),
                    "sup.ctl.asked": lambda: self.stack.ctl_raw("calls"),
                    "sup.ctl.answered": lambda: self.stack.ctl_raw("calls")}
        for point in points:
            time.sleep(ALL_BACK_S)
            slot = self.stack.orders.give("supervisor", point, "die")
            if point in AT_ITS_START:
                self.stack.process.kill()
                self.start_again()
            triggers.get(point, lambda: None)()
            self.start_again()
            assert self.stack.orders.done(slot), f"the supervisor died of something else than {point}"
            self.stack.orders.take_back(slot)
            self.note(f"orchestrator and all others: supervisor died at {point}", *WORKERS)
            self.stack.wait_ready()


class Part:
    """A stack of its own, what is done to it, and what came of it."""

    def __init__(self, what, do, may_refuse=False):
        self.what, self.do, self.may_refuse = what, do, may_refuse
        self.wrong = []

    def run(self, broker):
        stack, good = None, False
        try:
            stack = KillStack(broker)
            rpcs = ("FindUserByContact", "ResolveDialplan", "AllocatePort", "ReleasePort")
            # Backends that take a moment, so that deaths find something under way, and longer than until the 100 that a CANCEL
            # waits for.
            stack.start().platform.faults(**{r: {"delay_ms": 0, "delay_max_ms": 100} for r in rpcs})
            deaths = Deaths(stack)
            with Traffic(stack, RATE, self.may_refuse) as traffic:
                self.do(deaths)
            self.check(stack, traffic, deaths)
            good = not self.wrong
        except Exception as e:  # pylint: disable=broad-except
            self.wrong.append(f"{type(e).__name__}: {e}")
        finally:
            if stack:
                stack.close(failed=not good)
        return self

    def check(self, stack, traffic, deaths):
        """What all those concerned have seen, in the end."""
        stack.wait_ready()
        wrong = traffic.wrong() + self.left_over(stack, traffic) + traffic.check_events() + traffic.check_registered()
        lost = self.ports_lost(stack, deaths)
        resent = traffic.resent()
        answered = sum(c.answered for c in traffic.calls)
        print(f"  {self.what}: {len(deaths.log)} among {len(traffic.calls)} calls ({answered} answered): {len(wrong)} wrong; "
              f"requests repeated {dict(sorted(resent.items()))}; events sent twice {stack.events.repeats()}; ports lost with "
              f"their orchestrator {lost}", flush=True)
        self.wrong += [f"{text}\n    meanwhile: {deaths.between(begin, end) if end else '?'}" for text, begin, end in wrong]
        if max(resent, default=0) > REPEATS_MAX:
            self.wrong.append(f"a caller had to repeat himself {max(resent)} times")

    def left_over(self, stack, traffic):
        """Calls that the service holds though everybody has hung up."""
        with contextlib.suppress(AssertionError):
            stack.wait_no_calls(15)
        return [(f"still there: {c}", *traffic.times(c["call_id"])) for c in stack.calls()]

    def ports_lost(self, stack, deaths):
        """Ports that nobody gave back: none but those whose answer died with an orchestrator. Each was given back by the call
        that had it."""
        out = {}
        for line in stack.platform.ledger():
            if line["event"] == "allocate":
                out[line["port"]] = line
            elif line["event"] == "release" and line["port"] in out:
                call = out.pop(line["port"])
                if line["trace"] not in (call["trace"], ""):
                    self.wrong.append(f"given back by another call: {line}")
        reported = sum(int(n) for n in re.findall(r'"at_most":(\d+)', stack.log()))
        if len(out) > reported:
            self.wrong.append(f"{len(out)} ports are lost, {reported} reported")
        for port, line in out.items():
            if not [what for what, t in deaths.log if abs(t - line["t_ms"] / 1000) < 1.5 and MAY_LOSE_A_PORT in what]:
                self.wrong.append(f"port {port} is lost, and no orchestrator died then")
        return len(out)


def points_of(program, only_half=None):
    """(point, who is killed for it) of a program, or every second of them."""
    points = [(p, None) for p in BUSY[program]] + list(BACK[program].items())
    points = points[only_half::2] if only_half is not None else points
    return [(p, kill) for p, kill in points if chosen(program, p)]


class TestKillPoints(unittest.TestCase):
    def at_once(self, *parts):
        rooms, _ = Broker.get().rooms(len(parts)), Pki.get()  # one for all of them
        with concurrent.futures.ThreadPoolExecutor(len(parts)) as pool:
            done = list(pool.map(Part.run, parts, rooms))
        wrong = [f"{p.what}: {w}" for p in done for w in p.wrong]
        self.assertEqual(wrong, [], "\n".join(wrong))

    def test_all(self):
        """Each process at each of its points, two at once, and some that hang: among calls that go on."""
        make("kill")
        one = {"sip-edge": points_of("sip-edge"), "call-actor": points_of("call-actor", 0)}
        two = {"orchestrator": points_of("orchestrator"), "publisher": points_of("publisher"),
               "call-actor": points_of("call-actor", 1)}
        top = [p for p in SUPERVISOR if chosen("supervisor", p) and p != "sup.stop.begun"]
        parts = [Part("deaths of edge and actor", lambda d: d.at_each(one)) if any(one.values()) else None,
                 Part("deaths of orchestrator, publisher and actor", lambda d: d.at_each(two)) if any(two.values()) else None,
                 Part("deaths of the supervisor", lambda d: d.of_supervisor(top)) if top else None]
        if not ONLY:
            parts.append(Part("two at once", Deaths.two_at_once))
            parts.append(Part("hangs", lambda d: d.hang_at(HANGS), may_refuse=True))
        self.at_once(*filter(None, parts))

    def test_each_hangs_and_is_slow(self):
        if not FULL and not ONLY:
            return
        make("kill")
        points = [(program, p) for program in WORKERS for p in BUSY[program] if chosen(program, p)]
        self.at_once(*(Part(f"hangs {i}", lambda d, i=i: d.hang_at(points[i::3]), may_refuse=True) for i in range(3)),
                     Part("slow", lambda d: d.slow_at(points)))

    def test_the_supervisor_dies_while_it_stops(self):
        """The call that is up goes on when the service is started again."""
        if not chosen("supervisor", "sup.stop.begun"):
            return
        make("kill")
        with KillStack().start() as stack, Ua(stack.sip_port) as ua:
            call = Call(ua)
            call.answered()
            stack.wait_established(call)
            slot = stack.orders.give("supervisor", "sup.stop.begun", "die")
            for signo in (signal.SIGTERM, signal.SIGINT):  # two of one kind may count as one
                stack.process.send_signal(signo)
            Deaths(stack).start_again()
            self.assertEqual(stack.orders.done(slot), 1)
            stack.orders.take_back(slot)
            stack.wait_ready()
            self.assertEqual(status(call.bye()), 200)
            stack.events.wait_ended(call.call_id)
            self.assertEqual(stack.events.keys_of_call(call.call_id), list(KINDS))
            stack.assert_clean()


if __name__ == "__main__":
    unittest.main()
