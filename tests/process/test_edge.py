"""What sip-edge answers by itself, and what it makes of bytes that are no SIP."""
import os
import unittest

import harness
from harness import Stack
from test_call import OneCall
from ua import Call, Ua, header, status

NOT_BUILT = ("INFO", "MESSAGE", "NOTIFY", "PRACK", "PUBLISH", "REGISTER", "SUBSCRIBE", "UPDATE")


class TestAnswers(OneCall):
    def test_options_is_answered_when_ready(self):
        answer = self.ua.ask("OPTIONS")
        self.assertEqual(status(answer), 200)
        allow = {m.strip() for m in header(answer, "Allow").split(",")}
        self.assertLessEqual({"INVITE", "ACK", "BYE", "CANCEL", "OPTIONS"}, allow)
        self.assertIn("application/sdp", header(answer, "Accept"))
        self.assertIsNotNone(header(answer, "Supported"))
        self.assertIn("tag=", header(answer, "To"))

    def test_methods_not_built_get_405_with_allow(self):
        allow = header(self.ua.ask("OPTIONS"), "Allow")
        for method in NOT_BUILT:
            if method in [m.strip() for m in allow.split(",")]:
                continue
            with self.subTest(method=method):
                answer = self.ua.ask(method)
                self.assertEqual(status(answer), 405)
                self.assertEqual(header(answer, "Allow"), allow)

    def test_malformed_requests_get_400_that_says_why(self):
        good = Call(self.ua)
        bad = {
            "CSeq method": lambda t: t.replace("CSeq: 1 OPTIONS", "CSeq: 1 INVITE"),
            "CSeq number": lambda t: t.replace("CSeq: 1 OPTIONS", "CSeq: 99999999999 OPTIONS"),
            "two Call-IDs": lambda t: t.replace("Max-Forwards: 70", "Max-Forwards: 70\r\nCall-ID: another@host"),
            "Content-Length": lambda t: t.replace("Content-Length: 0", "Content-Length: 500"),
            "From": lambda t: t.replace("From: ", "From: <<<"),
        }
        for name, spoil in bad.items():
            with self.subTest(name=name):
                self.ua.send(spoil(good.text("OPTIONS", 1, "z9hG4bK" + os.urandom(6).hex())))
                answer = self.ua.expect("400", 3, lambda m: status(m) is not None)
                self.assertEqual(status(answer), 400, answer.first)
                self.assertGreater(len(answer.first), len("SIP/2.0 400 Bad Request") - 1, answer.first)

    def test_max_forwards_0_and_required_extension(self):
        call = Call(self.ua)
        text = call.text("OPTIONS", 1, "z9hG4bK" + os.urandom(6).hex(), extra=["Require: nonsense"])
        self.ua.send(text)
        answer = self.ua.expect("420", 3, lambda m: status(m) is not None)
        self.assertEqual((status(answer), header(answer, "Unsupported")), (420, "nonsense"))

    def test_rubbish_changes_nothing(self):
        call = Call(self.ua)
        whole = call.text("INVITE", 1, "z9hG4bKrubbish").encode()
        for n in (*range(0, 12), *range(12, len(whole), 17)):
            self.ua.send(whole[:n])
        for _ in range(200):
            self.ua.send(os.urandom(1 + os.urandom(1)[0] * 5))
        for data in (b"\0" * 1000, b"\r\n" * 500, b"INVITE " + b"a" * 60000, b"A" * 65000,
                     b"SIP/2.0 200 OK\r\n" + b"Via: x\r\n" * 3000 + b"\r\n"):
            self.ua.send(data)
        pids = {w["name"]: w["restarts"] for w in self.stack.ctl("status")["workers"]}
        with Ua(self.stack.sip_port) as other:
            self.assertEqual(status(other.ask("OPTIONS")), 200)
        self.assertEqual({w["name"]: w["restarts"] for w in self.stack.ctl("status")["workers"]}, pids)
        self.stack.assert_clean()

    def test_keep_alives_are_taken(self):
        for data in (b"\r\n\r\n", b"\r\n", b"\0\0\0\0"):
            self.ua.send(data)
        self.assertEqual(status(self.ua.ask("OPTIONS")), 200)


class TestNotReady(unittest.TestCase):
    def test_backends_absent(self):
        with Stack(platform=False, events=False).spawn() as stack, Ua(stack.sip_port) as ua:
            harness.wait_for("the control socket", 10, lambda: stack.ctl("status", check=False))
            stack.wait_dependency("media-service", "connecting")
            options = ua.ask("OPTIONS")
            self.assertEqual(status(options), 503)
            invite = Call(ua).invite().final()
            self.assertEqual(status(invite), 503)
            self.assertGreater(int(header(invite, "Retry-After")), 0)
            self.assertFalse(stack.is_ready())
            self.assertEqual(stack.stop()[0], 0)

    def test_ready_when_the_backends_come(self):
        with Stack().spawn() as stack, Ua(stack.sip_port) as ua:
            harness.wait_for("the control socket", 10, lambda: stack.ctl("status", check=False))
            self.assertEqual(status(ua.ask("OPTIONS")), 503)
            stack.platform.start()
            stack.wait_ready(20)
            self.assertEqual(status(ua.ask("OPTIONS")), 200)
            call = Call(ua)
            call.answered()
            call.bye()
            stack.events.wait_ended(call.call_id)
            stack.assert_clean()
