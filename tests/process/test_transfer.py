"""A caller who talks to the platform is joined to somebody else: what he, the target, the ledger, the broker and the asker see."""
import re
import unittest

import peers
from callee import Rung
from harness import wait_for
from test_control import OURS, DialTest
from ua import OFFER, Call, header, status


class TestTransfer(DialTest):
    """TransferCall of a caller who talks to the platform."""

    MOVED = ("call.started", "call.answered", "call.transfer.started", "call.transfer.completed", "call.ended")
    STAYED = ("call.started", "call.answered", "call.transfer.started", "call.transfer.failed", "call.ended")

    def setUp(self):
        super().setUp()
        self.call = Call(self.ua, to=OURS)
        answer = self.call.answered()
        self.port = int(re.search(r"m=audio (\d+) ", answer.body)[1])
        self.stack.wait_established(self.call)

    def transfer(self, to="sip:alice@sentiric.cloud", **how):
        r = peers.b2bua(self.stack, "transfer", self.call.call_id, to, **how)
        self.assertEqual(r["status"], "OK", r)
        return self.alice.expect("INVITE", 5, lambda m: m.first.startswith("INVITE "))

    def rung(self, **how):
        return Rung(self.alice, self.transfer(**how), "alice")

    def offered(self, after=None):
        """The caller's re-INVITE, no repeat of an earlier one."""
        return self.ua.expect("re-INVITE", 5, lambda m: m.first.startswith("INVITE ") and
                              header(m, "Call-ID") == self.call.call_id and
                              (after is None or header(m, "CSeq") != header(after, "CSeq")))

    def take(self, offer, code="200 OK", port=None):
        body = OFFER.format(port=port or self.call.rtp_port) if code.startswith("2") else ""
        kept = [f"{n}: {v}" for n, v in offer.headers if n.lower() in ("via", "from", "to", "call-id", "cseq", "record-route")]
        more = [f"Contact: <sip:c@127.0.0.1:{self.ua.port}>", "Content-Type: application/sdp"] if body else []
        self.ua.send("\r\n".join([f"SIP/2.0 {code}", *kept, *more, f"Content-Length: {len(body)}", "", body]))
        self.ua.expect("ACK", 5, lambda m: m.first.startswith("ACK "))

    def stays(self, reason, code=None):
        """Nothing has changed for the caller."""
        wait_for("the transfer has failed", 5, lambda: "call.transfer.failed" in self.stack.events.keys_of_call(self.call.call_id))
        held = self.stack.ctl("call", self.call.call_id)
        self.assertEqual((held["state"], held["rtp_port"], held["port_state"]), ("established", self.port, "held"))
        self.assertEqual(status(self.call.bye()), 200)
        failed = self.over(self.call.call_id, "normal_clearing", "caller", self.STAYED)[3]
        self.assertEqual((failed["reason"], failed.get("sipCode")), (reason, code))
        return failed

    def test_moved(self):
        rung = self.rung(key="k")
        self.assertIn(f"m=audio {self.call.rtp_port} ", rung.request.body)
        rung.ring().pick_up()
        rung.expect_ack()
        offer = self.offered()
        self.assertIn("m=audio 41000 ", offer.body)
        self.take(offer)
        wait_for("the port is back", 5, lambda: self.stack.ctl("call", self.call.call_id).get("port_state") == "released")
        self.assertEqual(peers.b2bua(self.stack, "transfer", self.call.call_id, "sip:alice@sentiric.cloud", key="k")["status"], "OK")
        self.alice.assert_not_rung_again(rung)
        self.assertEqual(status(self.call.bye()), 200)
        rung.expect_bye()
        done = self.over(self.call.call_id, "normal_clearing", "caller", self.MOVED)[3]
        self.assertEqual((done["target"], done["askedBy"], done["idempotencyKey"]),
                         ("<sip:alice@sentiric.cloud>", "grpc:agent-service", "k"))

    def test_moved_and_the_target_hangs_up(self):
        rung = self.rung()
        rung.pick_up()
        rung.expect_ack()
        self.take(self.offered())
        self.assertEqual(status(rung.bye()), 200)
        self.call.expect_bye()
        self.over(self.call.call_id, "normal_clearing", "callee", self.MOVED)

    def test_busy_and_once_more(self):
        rung = self.rung()
        rung.say("486 Busy Here", contact=False)
        rung.expect_ack()
        wait_for("failed", 5, lambda: "call.transfer.failed" in self.stack.events.keys_of_call(self.call.call_id))
        self.alice.unread.clear()
        rung = self.rung()
        rung.pick_up()
        rung.expect_ack()
        self.take(self.offered())
        rung.bye()
        self.call.expect_bye()
        self.over(self.call.call_id, "normal_clearing", "callee", (
            *self.STAYED[:4], "call.transfer.started", "call.transfer.completed", "call.ended"))

    def test_busy(self):
        rung = self.rung()
        rung.say("486 Busy Here", contact=False)
        rung.expect_ack()
        self.stays("busy", 486)

    def test_not_there(self):
        r = peers.b2bua(self.stack, "transfer", self.call.call_id, "sip:1002@sentiric.cloud")
        self.assertEqual(r["status"], "OK")
        self.stays("no_answer", 480)

    def test_the_caller_does_not_take_it(self):
        rung = self.rung()
        rung.pick_up()
        rung.expect_ack()
        self.take(self.offered(), "488 Not Acceptable Here")
        rung.expect_bye()
        self.stays("not_accepted", 488)

    def test_the_caller_hangs_up_meanwhile(self):
        rung = self.rung()
        rung.ring()
        wait_for("alice rings", 5, lambda: any(
            leg["state"] == "ringing" for leg in self.stack.ctl("call", self.call.call_id)["legs"]))
        self.assertEqual(status(self.call.bye()), 200)
        rung.expect_cancel()
        self.over(self.call.call_id, "normal_clearing", "caller", self.STAYED)

    def test_the_target_hangs_up_meanwhile(self):
        rung = self.rung()
        rung.pick_up()
        rung.expect_ack()
        offer = self.offered()
        self.assertEqual(status(rung.bye()), 200)
        self.take(offer)
        back = self.offered(offer)
        self.assertIn(f"m=audio {self.port} ", back.body)
        self.take(back)
        self.stays("target_hung_up")

    def test_refused(self):
        for code, *what in (("NOT_FOUND", "nobody", "sip:alice@sentiric.cloud"),
                            ("INVALID_ARGUMENT", self.call.call_id, "sip:"),
                            ("FAILED_PRECONDITION", self.call.call_id, "905551112233")):
            r = peers.b2bua(self.stack, "transfer", *what)
            self.assertEqual(r["status"], code, r)
        r = peers.b2bua(self.stack, "transfer", self.call.call_id, "alice", cert="bad/wrong-name")
        self.assertIn("SIP_SIGNALING_SERVICE_GRPC_MAY_TRANSFER", r["message"])
        self.call.bye()
        self.over(self.call.call_id, "normal_clearing")

    def test_by_an_operator(self):
        self.stack.ctl("transfer", self.call.call_id, "alice")
        rung = Rung(self.alice, self.alice.expect("INVITE", 5, lambda m: m.first.startswith("INVITE ")), "alice")
        rung.say("603 Decline", contact=False)
        rung.expect_ack()
        self.assertEqual(self.stays("busy", 603)["askedBy"], "sigctl")

    def test_killed_meanwhile(self):
        for name in ("call-actor", "sip-edge"):
            with self.subTest(name):
                rung = self.rung()
                rung.ring()
                wait_for("alice rings", 5, lambda: any(
                    leg["state"] == "ringing" for leg in self.stack.ctl("call", self.call.call_id)["legs"]))
                failed = self.stack.events.keys_of_call(self.call.call_id).count("call.transfer.failed")
                self.stack.wait_restarted(self.stack.kill_worker(name))
                self.stack.wait_ready()
                rung.say("486 Busy Here", contact=False)
                rung.expect_ack(10)
                wait_for("failed", 5, lambda: self.stack.events.keys_of_call(
                    self.call.call_id).count("call.transfer.failed") > failed)
                self.alice.unread.clear()
        self.assertEqual(status(self.call.bye()), 200)
        self.stack.events.wait_ended(self.call.call_id)
        self.stack.assert_clean()


if __name__ == "__main__":
    unittest.main()
