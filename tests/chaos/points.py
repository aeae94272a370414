"""Every named kill point of every process once, in turn, under the load: what the random kills of `run` leave to chance.

The list is what the programs of `make kill` say themselves (--kill-points). Each point has so long to be passed by what the load does; after that
workers are killed one after the other, for what is only passed when somebody comes back. A point that nothing of this passes is named.
"""
import collections
import dataclasses
import os
import signal
import time
import zlib

import books
import disturb
import harness
import mover
import ours
from killpoints import Orders
from traffic import Traffic

PASSED_S = 1.5 * harness.SLOW  # by what goes on anyway; heartbeats come twice a second
BACK_S = 2.5 * harness.SLOW  # by somebody who comes back
CALM_S = 1.4 * harness.SLOW  # what dies within a second of being ready is started later
BEFORE_S = 0.2  # who has spoken so long before a death may have to do with it

PROGRAMS = (*harness.WORKERS, "supervisor")
STOP = "SIGTERM"  # to the supervisor, in the place of who is killed for a point


@dataclasses.dataclass
class Row:
    program: str
    point: str
    how: str  # "load", or who was killed for it; None: not passed
    death: disturb.Disturbance
    gap_ms: int = None  # without a capture
    again: int = 0  # requests said again whose first sending was around this death, and before the next


class Ender(mover.Mover):
    """agent-service, which ends calls over gRPC, and asks again until it is told that the call ends, or hears that it has."""

    def __init__(self, stack):
        self.events, self.agent = stack.events, Traffic(stack)
        super().__init__(stack.runtime, ())

    def ask(self, call_id):
        has_ended = "call.ended" in self.events.calls.get(call_id, ())
        return {"ends": True} if has_ended or self.agent.terminate(call_id) else {"error": "asked again"}


class Service(ours.Service):
    """The same service of other programs, and orders to them. Half of the calls that the platform ends it ends over gRPC."""

    def __init__(self, *args, **settings):
        super().__init__(*args, **settings)
        self.program = os.path.join(harness.BUILD, "kill/bin/supervisor")
        self.env["KILL_POINTS"] = os.path.join(self.dir, "orders")
        self.orders = Orders(self.env["KILL_POINTS"])
        self.ender = None

    def start(self):
        super().start()
        self.ender = Ender(self)
        self.events.command = self.command
        return self

    def command(self, channel, call_id):
        if call_id.startswith("p-") and zlib.crc32(call_id.encode()) % 2:
            self.ender.todo.put(call_id)
        else:
            books.Queue.command(self.events, channel, call_id)

    def close(self, failed=False):
        if self.ender:
            self.ender.finish()
        super().close(failed)


def listed(program):
    """What points it has, by its own word."""
    return harness.run(os.path.join(harness.BUILD, "kill/bin", program), "--kill-points").stdout.split()


class Tour:
    """The points of all programs, one after the other, a random order of each program's; at least `every` seconds between two deaths."""

    def __init__(self, rng, every):
        self.every, self.rows, self.last = every, [], collections.defaultdict(float)  # last: when who died last, monotonic
        self.monkey = self.stack = None
        self.todo = {program: listed(program) for program in PROGRAMS}
        for points in self.todo.values():
            rng.shuffle(points)

    def run(self, monkey):
        """Of the workers, who has been left alone longest is next; what was not passed has a second chance (a call is forgotten 32 s behind its
        end). With the supervisor all die: it comes last."""
        self.monkey, self.stack = monkey, monkey.stack
        while any(self.todo[p] for p in harness.WORKERS):
            program = min((p for p in harness.WORKERS if self.todo[p]), key=lambda p: self.last[p])
            self.visit(program, self.todo[program].pop())
        again = [row for row in self.rows if not row.death]
        self.rows = [row for row in self.rows if row.death]
        for row in again:
            self.visit(row.program, row.point)
        for point in self.todo["supervisor"]:
            self.visit("supervisor", point)

    def visit(self, program, point):
        """Has it die there: by the load, or when one of the victims comes back."""
        victims = [program, *(w for w in harness.WORKERS if w != program)]
        if program == "supervisor":
            victims = [STOP] if point == "sup.stop.begun" else ["publisher", "supervisor"]
        self.wait_calm(program)
        slot = self.stack.orders.give(program, point, "die")
        how = next((victim or "load" for victim in [None, *victims] if self.comes_there(program, slot, victim)), None)
        died_at = self.stack.orders.read(slot)[-1] / 1000
        self.stack.orders.take_back(slot)
        death = disturb.Disturbance("kill", [program], died_at, died_at, how == STOP) if how else None
        self.rows.append(Row(program, point, how, death))
        if death:
            self.monkey.book.append(death)
            self.last[program] = time.monotonic()

    def comes_there(self, program, slot, victim):
        if victim:
            self.wait_calm(victim)
            self.kill(victim)
        deadline = time.monotonic() + (BACK_S if victim else PASSED_S)
        while not (done := self.stack.orders.done(slot)) and time.monotonic() < deadline:
            time.sleep(0.01)
        if victim == STOP or (done and program == "supervisor" and victim != "supervisor"):
            self.monkey.kill_supervisor()  # it is dead, and started again
        return done

    def kill(self, victim):
        if victim == STOP:
            for signo in (signal.SIGTERM, signal.SIGINT):  # the second: it does not wait for calls
                self.stack.process.send_signal(signo)
        elif victim == "supervisor":
            self.monkey.kill_supervisor()
        else:
            killed, began = self.monkey.signal([victim], signal.SIGKILL)
            self.monkey.note("kill", killed, began)
        self.last[victim] = time.monotonic()

    def wait_calm(self, program):
        calm_at = max(self.last[program] + CALM_S, max(self.last.values(), default=0) + self.every)
        time.sleep(max(0, calm_at - time.monotonic()))
        if program in ("supervisor", STOP):
            self.stack.wait_ready()
        else:
            harness.wait_for(f"{program} runs", 15, lambda: self.stack.worker(program)["state"] == "running")

    # --- what came of it ---

    def finish(self, r):
        """Fills in what the wire has seen around each death."""
        r["points"] = [self.seen(row, r["wire"]) for row in self.rows]
        again = sorted(us / 1e6 for us in (r["wire"] or {}).get("again_us", ()))
        deaths = sorted((row for row in self.rows if row.death), key=lambda row: row.death.began)
        for row, after in zip(deaths, [*deaths[1:], None]):
            until = after.death.began - BEFORE_S if after else float("inf")
            row.again = sum(row.death.began - BEFORE_S <= t < until for t in again)

    def seen(self, row, wire):
        if row.death and wire:
            row.gap_ms = round(books.recovery_ms([row.death], wire, self.stack.events)[row.program][0])
        return row


def show(rows):
    """As docs/killpoints.md has it."""
    print("  | process | point | passed by | gap, ms | requests said again |\n  | --- | --- | --- | ---: | ---: |")
    for row in sorted(rows, key=lambda row: (PROGRAMS.index(row.program), row.point)):
        if row.death:
            print(f"  | {row.program} | `{row.point}` | {row.how} | {row.gap_ms} | {row.again} |")
    print(f"  {len(rows)} points, not passed by this load: {', '.join(missed(rows)) or 'none'}", flush=True)


def missed(rows):
    return sorted(f"{row.program} {row.point}" for row in rows if not row.death)


def run(args):
    """What ours.run returns, with "points", and the check that all were passed."""
    harness.make("kill")
    tour = Tour(args.rng, args.every)
    r = ours.run(args, tour.run, Service)
    tour.finish(r)
    left = missed(r["points"])
    r["ok"].append(("every kill point was passed", not left, ", ".join(left)))
    return r
