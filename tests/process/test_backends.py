"""Each backend down, slow, or failing with each status of the contract: what caller, ports and events show."""
import time
import unittest

import harness
from harness import KINDS, Stack
from ua import Call, Ua, header, status

ALL = list(KINDS)
OK, BUSY, FORBIDDEN, ERROR = (200,), (503,), (403, 433), (500, 503)

# RPC, fault, what the caller may get
FAULTS = [
    ("FindUserByContact", {"delay_ms": 2000}, OK),
    ("FindUserByContact", {"hang": True}, OK),
    ("FindUserByContact", {"status": "NOT_FOUND"}, OK),
    ("FindUserByContact", {"status": "INTERNAL"}, OK),
    ("FindUserByContact", {"status": "UNAVAILABLE"}, OK),
    ("FindUserByContact", {"status": "DEADLINE_EXCEEDED"}, OK),
    ("ResolveDialplan", {"delay_ms": 2000}, OK),
    ("ResolveDialplan", {"hang": True}, BUSY),
    ("ResolveDialplan", {"status": "UNAVAILABLE"}, BUSY),
    ("ResolveDialplan", {"status": "DEADLINE_EXCEEDED"}, BUSY),
    ("ResolveDialplan", {"status": "PERMISSION_DENIED"}, FORBIDDEN),
    ("ResolveDialplan", {"status": "INTERNAL"}, ERROR),
    ("ResolveDialplan", {"status": "UNKNOWN"}, ERROR),
    ("AllocatePort", {"delay_ms": 2000}, OK),
    ("AllocatePort", {"hang": True}, BUSY),
    ("AllocatePort", {"status": "RESOURCE_EXHAUSTED"}, BUSY),
    ("AllocatePort", {"status": "UNAVAILABLE"}, BUSY),
    ("AllocatePort", {"status": "DEADLINE_EXCEEDED"}, BUSY),
    ("AllocatePort", {"status": "INTERNAL"}, ERROR),
    ("AllocatePort", {"status": "UNAVAILABLE", "when": "after"}, BUSY),
    ("PlayAudio", {"delay_ms": 2000}, OK),
    ("PlayAudio", {"hang": True}, OK),
    ("PlayAudio", {"status": "NOT_FOUND"}, OK),
    ("PlayAudio", {"status": "INTERNAL"}, OK),
    ("PlayAudio", {"status": "INVALID_ARGUMENT"}, OK),
    ("ReleasePort", {"delay_ms": 2000}, OK),
    ("ReleasePort", {"status": "UNAVAILABLE", "count": 2}, OK),
    ("ReleasePort", {"hang": True, "count": 1}, OK),
]


def row(*cells):
    print("  | {:<18} | {:<28} | {:<16} | {:<14} | {:<24} |".format(*cells), flush=True)


class TestFaults(unittest.TestCase):
    lost = 0

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(SETUP_S=4, USER_DEADLINE_MS=3000, DIALPLAN_DEADLINE_MS=3000, MEDIA_DEADLINE_MS=3000).start()
        row("RPC", "fault", "the caller gets", "ports in use", "events")

    @classmethod
    def tearDownClass(cls):
        cls.stack.close()

    def released(self):
        """Until every port that can be given back is: how many beyond those lost earlier are still in use (0)."""
        harness.wait_for("every port is released", 15, lambda: self.stack.platform.status()["in_use"] == self.lost)
        return 0

    def one(self, rpc, fault, wanted):
        self.stack.platform.faults(**{rpc: fault})
        lost = fault.get("when") == "after"
        with Ua(self.stack.sip_port) as ua:
            call = Call(ua).invite()
            answer = call.final(20)
            code = status(answer)
            if code == 200:
                call.ack(answer)
                call.bye()
                self.stack.events.wait_ended(call.call_id, 15)
        self.stack.wait_no_calls()
        self.stack.wait_outbox_empty()
        events = self.stack.events.keys_of_call(call.call_id)
        # A port whose answer is kept from us cannot be given back: the contract has no way to ask which one it was.
        held = self.stack.platform.status()["in_use"] - self.lost if lost else self.released()
        type(self).lost += held
        shown = " ".join(f"{k}={v}" for k, v in fault.items())
        after = f" after {header(answer, 'Retry-After')} s" if header(answer, "Retry-After") else ""
        row(rpc, shown, f"{code}{after}", held, "+".join(k[5:] for k in events) or "none")
        self.assertIn(code, wanted)
        if code == 503:
            self.assertIsNotNone(header(answer, "Retry-After"))
        self.assertEqual(events, ALL if code == 200 else [])

    def test_every_fault(self):
        for rpc, fault, wanted in FAULTS:
            with self.subTest(rpc=rpc, **fault):
                try:
                    self.one(rpc, fault, wanted)
                finally:
                    self.stack.platform.faults()


class TestDown(unittest.TestCase):
    def test_platform_dies_and_comes_back(self):
        with Stack().start() as stack, Ua(stack.sip_port) as ua:
            held = Call(ua)
            held.answered()
            stack.platform.stop()
            stack.wait_dependency("dialplan-service", "connecting", 20)
            self.assertEqual(status(Call(ua).invite().final()), 503)
            self.assertEqual(status(ua.ask("OPTIONS")), 503)
            self.assertEqual(status(held.bye()), 200)
            bodies = stack.events.wait_ended(held.call_id)
            self.assertEqual([b["eventType"] for b in bodies], ALL)
            stack.platform.start()
            stack.wait_ready(30)
            call = Call(ua)
            call.answered()
            call.bye()
            stack.events.wait_ended(call.call_id)
            stack.wait_no_calls()
            stack.wait_outbox_empty()

    def test_platform_stops_answering(self):
        """A frozen peer: connections stay open and nothing comes."""
        with Stack(SETUP_S=3).start() as stack, Ua(stack.sip_port) as ua:
            stack.platform.pause()
            answer = Call(ua).invite().final(10)
            self.assertEqual(status(answer), 503)
            self.assertIsNotNone(header(answer, "Retry-After"))
            stack.platform.resume()
            stack.wait_ready(30)
            call = Call(ua)
            call.answered(20)
            call.bye()
            stack.events.wait_ended(call.call_id)
            stack.assert_clean(20)


class TestMediaRestart(unittest.TestCase):
    """media-service comes back without its memory, and gives the same numbers again."""

    def setUp(self):
        self.stack = Stack().start()
        self.addCleanup(self.stack.close)
        self.ua = Ua(self.stack.sip_port)
        self.addCleanup(self.ua.__exit__)

    def answered(self):
        call = Call(self.ua)
        call.answered()
        return call

    def port_events(self, since):
        """What the platform did with ports since that line of its ledger: ["allocate 20000", "release 20000"]."""
        words = ("allocate", "release", "release_unknown")
        return [f"{line['event']} {line['port']}" for line in self.stack.platform.ledger()[since:] if line["event"] in words]

    def stop_media(self):
        self.stack.platform.stop()
        self.stack.wait_dependency("media-service", "connecting", 20)
        return len(self.stack.platform.ledger())

    def start_media(self):
        self.stack.platform.start()
        self.stack.wait_ready(30)

    def test_waiting_release_goes_first(self):
        first = self.answered()
        port = harness.wait_for("its port in the ledger", 5, lambda: self.port_events(0))[0].split()[1]
        since = self.stop_media()
        first.bye()
        time.sleep(3)  # tries have failed, and the pause between them has grown
        self.start_media()
        second = self.answered()
        time.sleep(4)  # longer than that pause
        self.assertEqual(self.port_events(since), [f"release_unknown {port}", f"allocate {port}"])
        second.bye()
        self.stack.events.wait_ended(second.call_id)
        self.stack.wait_no_calls()
        harness.wait_for("its own release", 10, lambda: self.port_events(since)[2:] == [f"release {port}"])

    def test_call_that_lived_through_it_releases_nothing(self):
        first = self.answered()
        port = harness.wait_for("its port in the ledger", 5, lambda: self.port_events(0))[0].split()[1]
        since = self.stop_media()
        self.start_media()
        second = self.answered()
        harness.wait_for("the same port", 5, lambda: self.port_events(since) == [f"allocate {port}"])
        first.bye()
        self.stack.events.wait_ended(first.call_id)
        harness.wait_for("the first call is gone", 10, lambda: len(self.stack.calls()) == 1)
        second.bye()
        self.stack.events.wait_ended(second.call_id)
        self.stack.wait_no_calls()
        self.stack.platform.wait_balanced()
        self.assertEqual(self.port_events(since), [f"allocate {port}", f"release {port}"])


class TestRestartWhileReleasing(unittest.TestCase):
    def test_a_graceful_restart_waits_for_releases_under_way(self):
        """Asked for twice, a release could hit whoever has the port by then."""
        with Stack().start() as stack, Ua(stack.sip_port) as ua:
            stack.platform.faults(ReleasePort={"delay_ms": 400, "when": "after"})
            calls = [Call(ua) for _ in range(5)]
            for call in calls:
                call.answered()
            for call in calls:
                call.bye()
            harness.wait_for("the releases are under way", 5, lambda: stack.platform.status()["released"] == 5)
            old = stack.worker("orchestrator")
            stack.ctl("restart", "orchestrator")
            stack.wait_restarted(old)
            stack.assert_clean()
            self.assertEqual(stack.platform.status()["released_unknown"], 0)


class TestLayouts(unittest.TestCase):
    """Both wire shapes of DialplanAction and both layouts of PlayAudio."""

    def test_shapes(self):
        for shape, layout in (("old", "1.8"), ("new", "1.13")):
            with self.subTest(shape=shape, layout=layout):
                stack = Stack()
                stack.platform.config.update(dialplan_action=shape, play_audio_layout=layout)
                stack.platform.write_config()
                with stack.start(), Ua(stack.sip_port) as ua:
                    call = Call(ua)
                    call.answered()
                    harness.wait_for("the hole punch", 5, lambda: [
                        r for r in stack.platform.ledger("rpc") if r["rpc"] == "PlayAudio" and r["status"] == "OK"])
                    call.bye()
                    started = stack.events.wait_ended(call.call_id)[0]
                    action = started["dialplanResolution"]["action"]
                    self.assertEqual(action["action"], "START_AI_CONVERSATION")
                    self.assertEqual(action["actionData"]["data"]["welcome_announcement_id"], "ANNOUNCE_SYSTEM_WELCOME")
                    stack.assert_clean()
