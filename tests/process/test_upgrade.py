"""`sigctl upgrade DIR`: workers replaced one at a time with calls up, and back again when one of them is not well."""
import contextlib
import os
import signal
import tempfile
import threading

import harness
import sipp
from harness import KINDS, P, WORKERS, binary, run, wait_for
from programs import ALIEN, EXITS, HANGS, programs
from test_bridge import BridgeTest
from ua import Call, status

RATE = 10


class Load(contextlib.AbstractContextManager):
    """SIPp at RATE calls a second, from the first answered call until the block ends; then what came of it."""

    def __init__(self, stack):
        self.stack = stack

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="sig-sipp-")
        self.process = sipp.start(self.stack.sip_port, self.folder.name, calls=100000, rate=RATE, hold_ms=500, limit=1000,
                                  service="902121234567")
        before = len(self.stack.events.by_call())
        wait_for("calls come", 10, lambda: len(self.stack.events.by_call()) > before)
        return self

    def __exit__(self, kind, value, trace):
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGUSR1)  # no new calls; those that are up end
        self.result = sipp.finish(self.process, self.folder.name, 60)
        self.folder.cleanup()


class UpgradeTest(BridgeTest):
    settings = {"CALL_ACTORS": 2, "NO_ANSWER_S": 30}  # T1 is the standard's: that is how patient callers are

    def upgrade(self, directory, seconds=120):
        """Exit code and what sigctl said."""
        r = run(binary("sigctl"), "upgrade", directory, env={**os.environ, P + "RUNTIME_DIR": self.stack.runtime},
                timeout=seconds)
        return r.returncode, r.stdout + r.stderr

    def at(self, name, **bad):
        return programs(os.path.join(self.stack.dir, f"{name}-{len(os.listdir(self.stack.dir))}"), **bad)

    def running(self):
        """The directory each worker's program was started from."""
        return {w["name"]: os.path.dirname(os.readlink(f"/proc/{w['pid']}/exe"))
                for w in self.stack.ctl("status")["workers"] if w["pid"]}

    def under_load(self, what):
        """what() while callers come at RATE, one call is held and one is between two phones: none of them fails."""
        held = Call(self.ua)
        held.answered()
        self.stack.wait_established(held)
        call, rung = self.talks()
        with Load(self.stack) as load:
            value = what()
        self.assertEqual(load.result.failed, 0, load.result.text)
        self.assertGreater(load.result.ok, RATE)
        held.bye()
        self.ended_of(held)
        call.request("BYE")
        rung.phone.answer(rung.expect("BYE"))
        self.assertEqual(status(call.final(method="BYE")), 200)
        self.ended_of(call)
        self.stack.assert_clean()
        wrong = {i: keys for i, keys in self.stack.events.by_call().items() if keys != list(KINDS)}
        self.assertEqual(wrong, {})
        print(f"  {load.result.ok} calls beside it, {load.result.failed} failed", flush=True)
        return value

    def ended_of(self, call):
        bodies = self.stack.events.wait_ended(call.call_id)
        self.assertEqual((bodies[-1]["eventType"], bodies[-1]["reason"]), ("call.ended", "normal_clearing"))


class TestUpgrade(UpgradeTest):
    def test_there_and_back(self):
        """Workers come from the new directory then, also those that die later; and another upgrade leads back."""
        new = self.at("new")
        code, said = self.under_load(lambda: self.upgrade(new))
        self.assertEqual(code, 0, said)
        for name in ("sip-edge", "orchestrator", "publisher", "call-actor.0", "call-actor.1"):
            self.assertIn(f"{name}: new after ", said)
        self.assertEqual(set(self.running().values()), {new})
        self.assertEqual(self.stack.ctl("upgrade")["upgrade"]["state"], "done")
        self.stack.wait_restarted(self.stack.kill_worker("publisher"))
        self.assertEqual(set(self.running().values()), {new})
        self.stack.wait_ready()
        old = os.path.dirname(binary("supervisor"))
        back = self.at("old")
        code, said = self.upgrade(back)
        self.assertEqual(code, 0, said)
        self.assertEqual(set(self.running().values()), {back})
        self.assertNotIn(old, self.running().values())


class TestGoesBack(UpgradeTest):
    def fails(self, worker, why, replaced, **bad):
        before = self.running()
        code, said = self.under_load(lambda: self.upgrade(self.at("bad", **bad)))
        self.assertEqual(code, 1, said)
        self.assertRegex(said, f"failed: {worker}: {why}.*; all workers are as before")
        self.stack.wait_ready()
        self.assertEqual(self.running(), before)
        for name in replaced:
            self.assertIn(f"{name}: back after ", said)
        u = self.stack.ctl("upgrade")["upgrade"]
        self.assertEqual((u["state"], u["worker"]), ("failed", worker))

    def test_one_that_exits(self):
        self.fails("call-actor.0", "it died: exit 3", ("sip-edge", "orchestrator", "publisher"), call_actor=EXITS)

    def test_one_that_hangs(self):
        self.fails("orchestrator", "no Hello in time", ("sip-edge",), orchestrator=HANGS)

    def test_the_edge_hangs(self):
        """Callers repeat, and what they say waits in the socket."""
        self.fails("sip-edge", "no Hello in time", (), sip_edge=HANGS)

    def test_one_of_another_plane(self):
        self.fails("publisher", "it speaks a message plane", ("sip-edge", "orchestrator"), publisher=ALIEN)

    def test_the_service_stops_meanwhile(self):
        with harness.Stack().start() as stack:
            directory = programs(os.path.join(stack.dir, "bad"), sip_edge=HANGS)
            asked = threading.Thread(target=lambda: run(
                binary("sigctl"), "upgrade", directory, env={**os.environ, P + "RUNTIME_DIR": stack.runtime}), daemon=True)
            asked.start()
            wait_for("it is under way", 10, lambda: stack.ctl("upgrade")["upgrade"]["state"] == "replacing")
            r = stack.ctl_raw("restart", "publisher")
            self.assertEqual((r.returncode, "an upgrade is under way" in r.stderr), (1, True), r.stderr)
            self.assertEqual(stack.stop()[0], 0)
            asked.join(10)


class TestRefused(UpgradeTest):
    """Nothing is touched when the directory is not what it must be."""

    def refused(self, directory, why):
        pids = {w["name"]: w["pid"] for w in self.stack.ctl("status")["workers"]}
        code, said = self.upgrade(directory)
        self.assertEqual(code, 1, said)
        self.assertRegex(said, why)
        self.assertEqual({w["name"]: w["pid"] for w in self.stack.ctl("status")["workers"]}, pids)

    def says(self, name, text):
        """A directory in which that worker's --version is this."""
        directory = self.at("says")
        path = os.path.join(directory, name)
        os.unlink(path)  # not written over: it may be the program of a process
        with open(path, "w", encoding="ascii") as f:
            f.write(f"#!/bin/sh\n{text}\n")
        os.chmod(path, 0o755)
        return directory

    def test_the_directory(self):
        self.refused("/nowhere", "No such file")
        for name in WORKERS:
            with self.subTest(missing=name):
                directory = self.at("less")
                os.unlink(os.path.join(directory, name))
                self.refused(directory, f"{name}: No such file")
        directory = self.at("plain")
        os.chmod(os.path.join(directory, "publisher"), 0o644)
        self.refused(directory, "no program that we may start")
        os.chmod(os.path.join(directory, "publisher"), 0o775)
        self.refused(directory, "publisher: can be written by others")
        os.chmod(os.path.join(directory, "publisher"), 0o755)
        os.chmod(directory, 0o777)
        self.refused(directory, "can be written by others")

    def test_a_strangers(self):
        if os.geteuid() != 0:
            self.skipTest("only root can give files away")
        directory = self.at("strange")
        os.chown(os.path.join(directory, "orchestrator"), 65534, 65534)
        self.refused(directory, "orchestrator: belongs neither to root nor")

    def test_what_they_say(self):
        for name, text, why in (
                ("sip-edge", "exit 1", "sip-edge --version: it fails"),
                ("sip-edge", "exec sleep 100", "no answer in time"),
                ("publisher", "echo publisher 0.0.1", "too old to be upgraded to"),
                ("publisher", "echo orchestrator 9; echo plane 1 1", "not that of such a worker"),
                ("orchestrator", "echo orchestrator 9.9; echo plane 9 9", "orchestrator 9.9 speaks message plane 9"),
                ("call-actor", "echo call-actor 9.9; echo plane 1 1; echo store 99", "store of schema 99.*no way back")):
            with self.subTest(says=text):
                self.refused(self.says(name, text), why)
