"""One call from INVITE to the end, on every path it can take."""
import json
import os
import socket
import unittest

import harness
import peers
import sipp
from harness import KINDS, Stack
from ua import OFFER, Call, Ua, echo_test, header, rtp_port_of, status


class OneCall(unittest.TestCase):
    """A stack that all tests of the class share: each leaves it clean."""

    settings = {}

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(**cls.settings).start()

    @classmethod
    def tearDownClass(cls):
        cls.stack.close()

    def setUp(self):
        self.ua = Ua(self.stack.sip_port)
        self.addCleanup(self.leave_clean)

    def leave_clean(self):
        """One test that went wrong must not spoil the next: whatever it left goes with its stack."""
        self.ua.sock.close()
        if self.stack.process.poll() is not None or self.stack.calls() or self.stack.platform.status()["in_use"]:
            self.stack.close(failed=True)
            type(self).setUpClass()

    def ended(self, call, reason, keys=KINDS):
        """The call's events in order and with the reason given; nothing is left of it."""
        bodies = self.stack.events.wait_ended(call.call_id)
        self.assertEqual([b["eventType"] for b in bodies], list(keys))
        self.assertEqual(bodies[-1]["reason"], reason)
        self.stack.assert_clean()
        return bodies


class TestNormal(OneCall):
    def test_sipp_call(self):
        """SIPp's own caller, one call: the independent peer for the plain path."""
        r = sipp.call(self.stack.sip_port, calls=3, rate=3, hold_ms=300, service="902121234567")
        self.assertEqual((r.ok, r.failed), (3, 0), r.text)
        self.stack.assert_clean()

    def test_events_tell_the_call(self):
        call = Call(self.ua, to="902121234567", caller="905551234567")
        answer = call.answered()
        port, types = rtp_port_of(answer)

        def established():
            return [c for c in self.stack.calls() if c["call_id"] == call.call_id and c["state"] == "established"]

        held = harness.wait_for("the call is established", 5, established)[0]
        self.assertEqual(held["rtp_port"], port)
        self.assertEqual(status(call.bye()), 200)
        started, answered, ended = self.ended(call, "normal_clearing")
        self.assertEqual({started["callId"], answered["callId"], ended["callId"]}, {call.call_id})
        self.assertEqual({started["traceId"], answered["traceId"], ended["traceId"]}, {held["trace_id"]})
        self.assertEqual(started["fromUri"], call.from_value)
        self.assertEqual(started["toUri"], "<sip:902121234567@127.0.0.1>")
        self.assertEqual(started["from"], started["fromUri"])
        self.assertEqual(started["mediaInfo"], {"callerRtpAddr": f"127.0.0.1:{call.rtp_port}", "serverRtpPort": port})
        self.assertEqual(started["media"], {"caller_rtp_addr": f"127.0.0.1:{call.rtp_port}", "server_rtp_port": port})
        plan = started["dialplanResolution"]
        self.assertEqual((plan["dialplanId"], plan["action"]["action"]), ("DP_DEMO_AI", "START_AI_CONVERSATION"))
        self.assertEqual(plan["action"]["actionData"]["data"]["language"], "tr")
        for e in self.stack.events.of_call(call.call_id):
            self.assertTrue(e.persistent)
            self.assertEqual(e.content_type, "application/json")
            self.assertRegex(json.loads(e.body)["timestamp"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")

    def test_answer_is_a_good_one(self):
        call = Call(self.ua).invite()
        trying = call.response(100)
        ringing = call.response(180)
        answer = call.final()
        self.assertEqual(status(answer), 200)
        self.assertNotIn("tag=", header(trying, "To"))
        self.assertIn("tag=", header(answer, "To"))
        self.assertEqual(header(ringing, "To"), header(answer, "To"))
        self.assertRegex(header(answer, "Contact"), rf"^<sip:[^>]*127\.0\.0\.1:{self.stack.sip_port}")
        self.assertIn(f"rport={self.ua.port}", header(answer, "Via"))
        self.assertEqual(header(answer, "Content-Type"), "application/sdp")
        port, types = rtp_port_of(answer)
        self.assertEqual(types, [0, 8, 101])
        self.assertNotIn("a=rtcp:", answer.body)
        call.ack(answer)
        call.bye()
        self.ended(call, "normal_clearing")

    def test_voice_comes_back(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("127.0.0.1", 0))
            rtp = s.getsockname()[1]
        call = Call(self.ua, rtp_port=rtp)
        port, _ = rtp_port_of(call.answered())
        self.assertEqual(echo_test(port, 20, rtp), 20)
        call.bye()
        self.ended(call, "normal_clearing")

    def test_number_forms_are_one_number(self):
        for to in ("902121234567", "+902121234567", "02121234567", "2121234567"):
            with self.subTest(to=to):
                call = Call(self.ua, to=to)
                call.answered()
                call.bye()
                started = self.ended(call, "normal_clearing")[0]
                self.assertEqual(started["dialplanResolution"]["dialplanId"], "DP_DEMO_AI")

    def test_unknown_destination_gets_the_guest_plan(self):
        """What a stranger's `sipp -sn uac` asks for, and a number that nobody serves."""
        for to in ("service", "905559990000"):
            with self.subTest(to=to):
                call = Call(self.ua, to=to)
                call.answered()
                call.bye()
                started = self.ended(call, "normal_clearing")[0]
                self.assertEqual(started["dialplanResolution"]["dialplanId"], "DP_SYSTEM_AI_GUEST")

    def test_unknown_and_withheld_callers_go_on_as_guests(self):
        for caller in ("905559998888", "anonymous"):
            with self.subTest(caller=caller):
                call = Call(self.ua, caller=caller)
                call.answered()
                call.bye()
                self.ended(call, "normal_clearing")

    def test_a_repeated_invite_is_one_call(self):
        before = self.stack.platform.status()["allocated"]
        call = Call(self.ua).invite()
        for _ in range(3):
            call.repeat()
        call.ack(call.final())
        call.bye()
        self.ended(call, "normal_clearing")
        self.assertEqual(self.stack.platform.status()["allocated"], before + 1)

    def test_answer_is_repeated_until_ack(self):
        call = Call(self.ua).invite()
        call.final()
        again = call.final(3)
        self.assertEqual(status(again), 200)
        call.ack(again)
        call.bye()
        self.ended(call, "normal_clearing")

    def test_delayed_offer(self):
        call = Call(self.ua).invite(offer=None)
        answer = call.final()
        self.assertEqual(status(answer), 200)
        port, types = rtp_port_of(answer)
        self.assertIn(0, types)
        sdp = OFFER.format(port=call.rtp_port).replace("0 8 101", "0")
        call.uri = header(answer, "Contact").strip("<>").split(">")[0]
        self.ua.send(call.text("ACK", call.cseq, "z9hG4bK" + os.urandom(6).hex(), sdp))
        self.assertEqual(echo_test(port, 3), 3)
        call.bye()
        self.ended(call, "normal_clearing")

    def test_bye_for_an_unknown_call_gets_481(self):
        call = Call(self.ua)
        call.to_value += ";tag=nobody"
        self.assertEqual(status(call.bye()), 481)

    def test_cancel_before_the_answer(self):
        self.stack.platform.faults(ResolveDialplan={"delay_ms": 3000})
        try:
            call = Call(self.ua).invite()
            call.response(100)
            self.ua.send(call.text("CANCEL", call.cseq, call.branch))
            self.assertEqual(status(call.final(5, "CANCEL")), 200)
            self.assertEqual(status(call.final(5)), 487)
        finally:
            self.stack.platform.faults()
        self.stack.assert_clean()

    def test_cancel_for_nothing_gets_481(self):
        call = Call(self.ua)
        call.request("CANCEL")
        self.assertEqual(status(call.final(5, "CANCEL")), 481)


class TestRefused(OneCall):
    def test_no_common_codec_gets_488(self):
        call = Call(self.ua).invite(offer=OFFER.replace("0 8 101", "18"))
        self.assertEqual(status(call.final()), 488)
        self.stack.assert_clean()
        self.assertEqual(self.stack.events.of_call(call.call_id), [])

    def test_anonymous_caller_blocked_by_the_route_gets_403(self):
        call = Call(self.ua, to="902121230006", caller="anonymous").invite()
        self.assertEqual(status(call.final()), 403)
        self.stack.assert_clean()
        self.assertEqual(self.stack.events.of_call(call.call_id), [])

    def test_no_port_left_gets_503(self):
        self.stack.platform.faults(AllocatePort={"status": "RESOURCE_EXHAUSTED"})
        try:
            answer = Call(self.ua).invite().final()
        finally:
            self.stack.platform.faults()
        self.assertEqual(status(answer), 503)
        self.assertIsNotNone(header(answer, "Retry-After"))
        self.stack.assert_clean()


class TestShortTimers(OneCall):
    settings = {"SIP_T1_MS": 50}

    def test_no_ack_ends_the_call_with_bye(self):
        """64*T1 without ACK (RFC 3261 §13.3.1.4)."""
        call = Call(self.ua).invite()
        self.assertEqual(status(call.final()), 200)
        call.expect_bye(8)
        bodies = self.stack.events.wait_ended(call.call_id)
        self.assertEqual([b["eventType"] for b in bodies], ["call.started", "call.ended"])
        self.assertEqual(bodies[-1]["reason"], "failure")
        self.stack.assert_clean()

    def test_a_caller_that_never_answers_our_bye(self):
        call = Call(self.ua)
        call.answered()
        self.stack.ctl("hangup", call.call_id)
        for _ in range(4):
            self.ua.expect_request("BYE", call, 3)
        self.ended(call, "system_terminated")


class TestEndedByOthers(OneCall):
    """The service ends the call: BYE to the caller, system_terminated, the port back, once."""

    def end_by(self, ask):
        call = Call(self.ua)
        call.answered()
        ask(call)
        call.expect_bye()
        bodies = self.ended(call, "system_terminated")
        return call, bodies

    def test_sigctl_hangup(self):
        self.end_by(lambda call: self.stack.ctl("hangup", call.call_id))

    def test_sigctl_hangup_of_an_unknown_call(self):
        r = self.stack.ctl_raw("hangup", "nobody@nowhere")
        self.assertEqual(r.returncode, 1, r.stdout + r.stderr)

    def test_grpc_terminate_call(self):
        def ask(call):
            r = peers.terminate(self.stack, call.call_id, "completed_by_user_request")
            self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
        call, _ = self.end_by(ask)
        again = peers.terminate(self.stack, call.call_id, "again")
        self.assertIn("NOT_FOUND", again.stdout + again.stderr)

    def test_amqp_requests(self):
        for how in (("--format", "json"), ("--format", "protobuf"), ("--format", "protobuf", "--where", "trace")):
            with self.subTest(how=how):
                self.end_by(lambda call: peers.amqp_terminate(self.stack, call.call_id, *how))

    def test_amqp_rubbish_changes_nothing(self):
        call = Call(self.ua)
        call.answered()
        for body in (b"", b"{", b"[]", b'{"callId": 5}', b"\xff" * 100, b'{"callId":"' + b"x" * 70000 + b'"}'):
            peers.publish(self.stack.broker, "call.terminate.request", body)
        peers.publish(self.stack.broker, "call.terminate.request", json.dumps({"callId": "nobody@nowhere"}).encode())
        self.assertTrue(self.stack.is_ready())
        self.assertEqual(len(self.stack.calls()), 1)
        call.bye()
        self.ended(call, "normal_clearing")


class TestEventFormats(unittest.TestCase):
    def test_both_formats(self):
        with Stack(EVENT_FORMAT="both").start() as stack, Ua(stack.sip_port) as ua:
            call = Call(ua)
            call.answered()
            call.bye()
            harness.wait_for("six events", 10, lambda: len(stack.events.received) >= 6)
            kinds = sorted((e.key, e.content_type) for e in stack.events.received)
            self.assertEqual(kinds, sorted((k, t) for k in KINDS for t in ("application/json", "application/protobuf")))
            self.assertEqual(len({e.message_id for e in stack.events.received}), 6)
            for e in stack.events.received:
                if e.content_type == "application/protobuf":
                    self.assertIn(call.call_id.encode(), e.body)
            stack.assert_clean()


if __name__ == "__main__":
    unittest.main()
