"""What is done to the service while calls go on. Each disturbance is noted with the wall clock: who reads the books knows what was when."""
import collections
import contextlib
import os
import signal
import time

import harness
from harness import WORKERS

# began, ended: time.time(); refuses: new calls may get 503 meanwhile, for what they need is not there
Disturbance = collections.namedtuple("Disturbance", "kind victims began ended refuses")
FILL_CHUNK = bytes(1 << 20)


class Monkey:
    """One stack, one seeded generator of random numbers, and a book."""

    def __init__(self, stack, rng, shards=1, victims=None):
        self.stack, self.rng, self.book = stack, rng, []
        actors = ["call-actor"] if shards == 1 else [f"call-actor.{i}" for i in range(shards)]
        self.workers = [*(name for name in WORKERS if name != "call-actor"), *actors]
        if victims:
            self.workers = [name for name in self.workers if name.split(".")[0] in victims.split(",")]

    def note(self, kind, victims, began, refuses=False):
        self.book.append(Disturbance(kind, victims, began, time.time(), refuses))

    def pids(self):
        status = self.stack.ctl("status", check=False)
        return {w["name"]: w["pid"] for w in status["workers"] if w["pid"]} if status else {}

    def signal(self, names, signo):
        pids = self.pids()
        victims = [name for name in names if name in pids]
        began = time.time()
        for name in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pids[name], signo)
        return victims, began

    # --- the workers ---

    def kill(self, cnt=1):
        """kill -9 of so many random workers at the same moment."""
        victims, began = self.signal(self.rng.sample(self.workers, min(cnt, len(self.workers))), signal.SIGKILL)
        self.note("kill", victims, began)

    def kill_two(self):
        self.kill(2)

    def freeze(self):
        """SIGSTOP: nobody tells the supervisor; the watchdog has to find out."""
        name = self.rng.choice(self.workers)
        before = self.stack.worker(name)
        victims, began = self.signal([name], signal.SIGSTOP)
        self.stack.wait_restarted(before, 20)
        self.note("freeze", victims, began)

    def kill_supervisor(self):
        """And started again as systemd does it: a tenth of a second later, until it stays."""
        old, began = self.stack.process, time.time()
        old.kill()
        old.wait()
        deadline = time.monotonic() + 20 * harness.SLOW
        while True:
            time.sleep(0.1)
            self.stack.spawn()
            while self.stack.process.poll() is None and not (self.stack.ctl("status", check=False) or {}).get("ready"):
                time.sleep(0.02)
            if self.stack.process.poll() is None:
                break
            if time.monotonic() > deadline:
                raise AssertionError("the supervisor does not start again: " + self.stack.log()[-600:])
        self.note("kill", ["supervisor"], began)

    # --- what they stand on ---

    def stop_broker(self, seconds=3):
        began = time.time()
        self.stack.broker.stop()
        time.sleep(seconds)
        self.stack.broker.start()
        self.note("stop", ["broker"], began)

    def stop_platform(self, name, seconds=2):
        """user- and dialplan-service end and start again. Media-service's books are what we check ours against: it is held up."""
        platform, began = self.stack.platforms[name], time.time()
        if name == "media":
            platform.pause()
            time.sleep(seconds)
            platform.resume()
        else:
            platform.stop()
            time.sleep(seconds)
            platform.start()
            self.stack.wait_dependency(name + "-service", "ready", 20)
        self.note("stop", [name + "-service"], began, refuses=name != "user")

    def stop_user(self):
        self.stop_platform("user")

    def stop_dialplan(self):
        self.stop_platform("dialplan")

    def stop_media(self):
        self.stop_platform("media")

    def step_clock(self, seconds=1):
        """An hour ahead and back, two hours and back, with a call-actor killed in each: what it numbers by the clock has to grow still.
        Never behind the present: the certificates are as old as the test."""
        began = time.time()
        for hours in (1, 0, 2, 0):
            self.stack.set_clock(hours * 3600 * 1000)
            time.sleep(seconds)
            self.signal([name for name in self.workers if name.startswith("call-actor")], signal.SIGKILL)
            time.sleep(seconds)
        self.note("clock set", ["wall clock", "call-actor"], began)

    def fill_disk(self, seconds=2):
        """Nothing more fits into the state directory, a file system of its own."""
        began = time.time()
        path = os.path.join(self.stack.state, "filler")
        with open(path, "wb", buffering=0) as f, contextlib.suppress(OSError):
            while f.write(FILL_CHUNK) == len(FILL_CHUNK):
                pass
        time.sleep(seconds)
        os.remove(path)
        self.stack.wait_ready(30)
        self.note("disk full", ["state directory"], began, refuses=True)


# Not each of them can be had everywhere.
NEEDS = {"fill_disk": "mounted", "step_clock": "clock"}
KILLS = {"kill": 9, "kill_two": 1}
OTHERS = ("freeze", "kill_supervisor", "stop_broker", "stop_user", "stop_dialplan", "stop_media", "fill_disk", "step_clock")


def run_kills(monkey, seconds, every, choices):
    """One of `choices` (name: how often) so often, at a random moment of each interval, for so long."""
    began, n = time.monotonic(), 0
    names, weights = list(choices), list(choices.values())
    while (n + 1) * every <= seconds:
        due = began + (n + monkey.rng.random()) * every
        time.sleep(max(0, due - time.monotonic()))
        getattr(monkey, monkey.rng.choices(names, weights)[0])()
        n += 1
    time.sleep(max(0, began + seconds - time.monotonic()))


def run_others(monkey, calm, names):
    """Each of them once, in random order, with so much calm behind each. The clock is set first: what waits by it shows later."""
    names = list(names)
    monkey.rng.shuffle(names)
    names.sort(key=lambda name: name != "step_clock")
    for name in names:
        getattr(monkey, name)()
        time.sleep(calm)
