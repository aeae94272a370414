"""Who stays refuses the target's media but takes REFER: he is asked to call the target himself (RFC 3515, RFC 5589)."""
import unittest

from harness import wait_for
from test_transfer_bridged import COMPLETED, FAILED, BridgedTest, Side
from ua import header, status

TAKES_REFER = "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, REFER, NOTIFY"


class TestSentOff(BridgedTest):
    def begin(self):
        """The caller has refused the re-INVITE. Returns both sides and the REFER."""
        self.call, rung = self.calls(extra=[TAKES_REFER])
        rung.ring().pick_up()
        answer = self.call.final()
        rung.expect_ack()
        self.call.ack(answer)
        self.stack.wait_established(self.call)
        caller, callee = Side(self, call=self.call), Side(self, rung=rung)
        target = self.rings(caller).pick_up()
        target.expect_ack()
        caller.take(code="488 Not Acceptable Here")
        target.expect_bye()
        self.bob.unread.clear()
        refer = self.ua.expect_request("REFER", self.call)
        self.assertRegex(header(refer, "Refer-To"), rf"^<sip:bob@127\.0\.0\.1:{self.stack.sip_port}>$")
        return caller, callee, refer

    def accept(self, refer):
        self.ua.answer(refer, "202 Accepted")

    def notify(self, line, state):
        self.call.cseq += 1
        body = line + "\r\n"
        text = self.call.text("NOTIFY", self.call.cseq, f"z9hG4bKnotify{self.call.cseq}", body,
                              ["Event: refer", f"Subscription-State: {state}"], "message/sipfrag;version=2.0")
        self.ua.send(text)
        return status(self.call.final(5, "NOTIFY"))

    def test_he_gets_there(self):
        caller, callee, refer = self.begin()
        self.accept(refer)
        for line in ("SIP/2.0 100 Trying", "SIP/2.0 180 Ringing"):
            self.assertEqual(self.notify(line, "active;expires=60"), 200)
        wait_for("sent off", 5, lambda: self.stack.ctl("call", self.call.call_id)["transfer"]["state"] == "sent_off")
        self.assertEqual(self.notify("SIP/2.0 200 OK", "terminated;reason=noresource"), 200)
        caller.expect_bye()
        callee.expect_bye()
        self.books("platform")

    def stays(self, caller, callee, reason, code):
        self.finished(FAILED)
        callee.assert_silent()
        callee.bye()
        caller.expect_bye()
        failed = self.books("callee", FAILED)
        self.assertEqual((failed["reason"], failed["sipCode"]), (reason, code))

    def test_the_target_is_busy(self):
        caller, callee, refer = self.begin()
        self.accept(refer)
        self.assertEqual(self.notify("SIP/2.0 486 Busy Here", "terminated;reason=noresource"), 200)
        self.stays(caller, callee, "busy", 486)

    def test_no_last_word(self):
        caller, callee, refer = self.begin()
        self.accept(refer)
        self.assertEqual(self.notify("SIP/2.0 100 Trying", "terminated;reason=timeout"), 200)
        self.stays(caller, callee, "failure", 488)

    def test_he_declines(self):
        caller, callee, refer = self.begin()
        self.ua.answer(refer, "603 Decline")
        self.stays(caller, callee, "not_accepted", 488)

    def test_killed_meanwhile(self):
        for name in ("call-actor", "sip-edge"):
            with self.subTest(name):
                for phone in (self.bob, self.alice, self.ua):
                    phone.unread.clear()
                caller, callee, refer = self.begin()
                self.stack.wait_restarted(self.stack.kill_worker(name))
                self.stack.wait_ready()
                self.accept(refer)
                self.assertEqual(self.notify("SIP/2.0 200 OK", "terminated;reason=noresource"), 200)
                caller.expect_bye(10)
                callee.expect_bye(10)
                self.finished(COMPLETED)

    def test_a_notify_nobody_asked_for(self):
        self.call, rung = self.talks()
        self.assertEqual(self.notify("SIP/2.0 200 OK", "terminated"), 405)
        rung.bye()
        self.call.expect_bye()


if __name__ == "__main__":
    unittest.main()
