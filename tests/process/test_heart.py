"""Deaf is dead: a worker that does not do its work is found within 3 s and replaced, and nobody else is."""
import os
import shutil
import signal
import subprocess
import sys
import time
import unittest

import harness
from harness import WORKERS, Stack, wait_for
from test_call import OneCall
from ua import Call, Ua

ALONE = "measures how soon a worker is replaced"
FOUND_S = 3  # promised in docs/operations.md
TRIES = 3    # a machine that does not let the supervisor run for a while counts that against nobody


def is_gone(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            return f.read().rsplit(") ", 1)[1][0] == "Z"
    except FileNotFoundError:
        return True


class Saboteur:
    """A stack whose workers take orders from files (saboteur.c)."""

    def __init__(self, **settings):
        self.stack = Stack(**settings)
        library = os.path.join(self.stack.dir, "saboteur.so")
        harness.make("{}/test/saboteur.so")
        shutil.copy(os.path.join(harness.BUILD, "test/saboteur.so"), library)
        self.stack.env["LD_PRELOAD"] = library

    def order(self, name, text):
        path = os.path.join(self.stack.dir, name)
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(path + ".new", path)
        return path


@unittest.skipIf(harness.SLOW > 1, "the sanitizers' own library has to be the first")
class TestDeaf(unittest.TestCase):
    """Loops that turn, and heartbeats that come: only who talks to such a worker notices."""

    @classmethod
    def setUpClass(cls):
        cls.saboteur = Saboteur()
        cls.stack = cls.saboteur.stack.start()

    @classmethod
    def tearDownClass(cls):
        cls.stack.close()

    def found_in(self, victim, link):
        """Seconds from when it is deaf on links like that until it is killed."""
        old = self.stack.worker(victim)
        order = self.saboteur.order("deaf." + victim, link)
        wait_for("it is deaf", 5, lambda: not os.path.exists(order))
        begin = time.monotonic()
        wait_for(f"{victim} is killed", 20, lambda: is_gone(old["pid"]))
        took = time.monotonic() - begin
        new = self.stack.wait_restarted(old)
        self.stack.wait_ready()
        return took, new["deaths"][0]["why"]

    def check(self, victim, link, why):
        others = [w for w in WORKERS if w != victim]
        before = {w: self.stack.worker(w)["pid"] for w in others}
        tries = []
        while not tries or min(tries) > FOUND_S and len(tries) < TRIES:
            took, cause = self.found_in(victim, link)
            self.assertIn(why, cause)
            tries.append(took)
        self.assertLess(min(tries), FOUND_S)
        self.assertEqual({w: self.stack.worker(w)["pid"] for w in others}, before, "only the deaf one is replaced")
        with Ua(self.stack.sip_port) as ua:
            call = Call(ua)
            call.answered()
            call.bye()
            self.stack.events.wait_ended(call.call_id)
        self.stack.assert_clean()

    def test_to_its_neighbours(self):
        for victim in WORKERS:
            with self.subTest(worker=victim):
                self.check(victim, "/plane/call", "deaf")

    def test_to_the_supervisor(self):
        self.check("publisher", "/plane/sup-", "no heartbeat")


class TestStopped(OneCall):
    """SIGSTOP, and what only looks like it."""

    def pids(self):
        return {w["name"]: w["pid"] for w in self.stack.ctl("status")["workers"]}

    def assert_nobody_replaced(self, before, seconds):
        """Longer than it takes to find out."""
        until = time.monotonic() + seconds * harness.SLOW
        while time.monotonic() < until:
            self.assertEqual(self.pids(), before)
            time.sleep(0.2)
        self.assertNotIn("worker died", self.stack.log()[self.log_begin:])

    def setUp(self):
        super().setUp()
        self.log_begin = len(self.stack.log())

    def test_each_worker(self):
        for victim in WORKERS:
            with self.subTest(worker=victim):
                tries = []
                while not tries or min(tries) > FOUND_S and len(tries) < TRIES:
                    begin = time.monotonic()
                    old = self.stack.kill_worker(victim, signal.SIGSTOP)
                    wait_for(f"{victim} is killed", 20, lambda: is_gone(old["pid"]))
                    tries.append(time.monotonic() - begin)
                    self.stack.wait_restarted(old)
                    self.stack.wait_ready()
                self.assertLess(min(tries), FOUND_S * harness.SLOW)

    def test_long_turns(self):
        """Half a second without a turn, again and again, is slow and not deaf."""
        before = self.pids()
        pid = self.stack.worker("call-actor")["pid"]
        for _ in range(8):
            os.kill(pid, signal.SIGSTOP)
            time.sleep(0.5)
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.05)
        self.assert_nobody_replaced(before, 1)

    def test_the_machine_stands_still(self):
        """Suspended and woken up again: whoever is woken later has not been silent."""
        before = self.pids()
        for seconds in (1.8, 4):
            everybody = [self.stack.process.pid, *before.values()]
            for pid in everybody:
                os.kill(pid, signal.SIGSTOP)
            time.sleep(seconds)
            for pid in everybody:
                os.kill(pid, signal.SIGCONT)
                time.sleep(0.02)
            self.assert_nobody_replaced(before, 3)

    def test_no_cpu(self):
        """Others take all of it: whoever is not let run is not deaf."""
        before = self.pids()
        for pid in before.values():
            os.setpriority(os.PRIO_PROCESS, pid, 19)
        burners = [subprocess.Popen([*harness.WITH_US, sys.executable, "-c", "while True: pass"]) for _ in range(8)]
        try:
            self.assert_nobody_replaced(before, 6)
        finally:
            for b in burners:
                b.kill()
                b.wait()
            for name in before:  # nobody but root may raise it again
                old = self.stack.worker(name)
                self.stack.ctl("restart", name)
                self.stack.wait_restarted(old)
            self.stack.wait_ready()
