"""One party of a call between people is joined to somebody else: what each of the three, the broker and the asker see."""
import re
import unittest

import peers
from callee import Callee
from harness import KINDS, wait_for
from test_bridge import BridgeTest
from ua import OFFER, header, status

STARTED, COMPLETED, FAILED = "call.transfer.started", "call.transfer.completed", "call.transfer.failed"


def origin(sdp):
    """Session id and version of its o= line."""
    return re.search(r"^o=\S+ (\S+) (\S+) ", sdp, re.M).groups()


class Side:
    """The caller or the callee, once they talk."""

    def __init__(self, test, call=None, rung=None):
        self.test, self.call, self.rung = test, call, rung
        self.call_id = rung.call_id if rung else call.call_id
        self.phone = rung.phone if rung else call.ua
        self.said = OFFER.format(port=call.rtp_port) if call else rung.sdp()
        self.heard = rung.request.body if rung else None  # last session description it was told
        self.party = "callee" if rung else "caller"

    def offered(self):
        """Our next re-INVITE, no repeat of an earlier one."""
        seen = getattr(self, "cseqs", set())
        m = self.phone.expect(f"re-INVITE of the {self.party}", 5, lambda m: m.first.startswith("INVITE ") and ";tag=" in header(m, "To")
                              and header(m, "Call-ID") == self.call_id and header(m, "CSeq") not in seen)
        self.cseqs = seen | {header(m, "CSeq")}
        if self.heard:
            (was, before), (now, after) = origin(self.heard), origin(m.body)
            self.test.assertEqual(now, was, "another session")
            same = m.body.split("\r\n")[2:] == self.heard.split("\r\n")[2:]
            self.test.assertTrue(int(after) >= int(before) if same else int(after) > int(before), (before, after))
        self.heard = m.body
        return m

    def say(self, m, code="200 OK", sdp=None):
        sdp = sdp or self.said
        kept = [f"{n}: {v}" for n, v in m.headers if n.lower() in ("via", "from", "to", "call-id", "cseq", "record-route")]
        more = [f"Contact: <sip:x@127.0.0.1:{self.phone.port}>", "Content-Type: application/sdp"] if code.startswith("2") else []
        body = sdp if more else ""
        self.phone.send("\r\n".join([f"SIP/2.0 {code}", *kept, *more, f"Content-Length: {len(body)}", "", body]))
        return self

    def take(self, m=None, **how):
        m = m or self.offered()
        self.say(m, **how)
        cseq = header(m, "CSeq").split()[0]
        self.phone.expect("ACK", 5, lambda a: a.first.startswith("ACK ") and header(a, "Call-ID") == self.call_id
                          and header(a, "CSeq").split()[0] == cseq)

    def bye(self):
        self.test.assertEqual(status(self.rung.bye() if self.rung else self.call.bye()), 200)

    def expect_bye(self, seconds=5):
        return (self.rung or self.call).expect_bye(seconds)

    def assert_silent(self):
        while (m := self.phone.receive(0.3)) is not None:
            self.test.assertIsNotNone(status(m), m.first)


class BridgedTest(BridgeTest):
    settings = {"SIP_T1_MS": 100, "NO_ANSWER_S": 60}

    def setUp(self):
        super().setUp()
        self.bob = Callee(self.stack.sip_port, "bob")
        self.addCleanup(self.bob.sock.close)
        self.assertEqual(status(self.bob.register(["*"], ["Expires: 0"])), 200)
        self.assertEqual(status(self.bob.register()), 200)

    def sides(self, stays):
        """Who stays, and whom he talks to."""
        call, rung = self.talks()
        self.call = call
        caller, callee = Side(self, call=call), Side(self, rung=rung)
        caller.heard = rung.sdp()
        return (caller, callee) if stays == "caller" else (callee, caller)

    def transfer(self, stays, to="bob", **how):
        r = peers.b2bua(self.stack, "transfer", stays.call_id, to, **how)
        self.assertEqual(r["status"], "OK", r)

    def rings(self, stays, **how):
        self.transfer(stays, **how)
        rung = self.bob.rung()
        self.assertEqual(re.search(r"m=audio (\d+)", rung.request.body)[1], re.search(r"m=audio (\d+)", stays.said)[1])
        self.assertEqual(origin(rung.request.body), origin(stays.said))
        return rung.ring()

    def finished(self, key):
        wait_for(key, 8, lambda: key in self.stack.events.keys_of_call(self.call.call_id))

    def books(self, by, outcome=COMPLETED, reason="normal_clearing"):
        bodies = self.over(self.call, reason, by, (*KINDS[:-1], STARTED, outcome, "call.ended"))
        return bodies[3]

    def assert_as_it_was(self, stays, other, reason, code=None):
        """The transfer has failed, and the two still talk."""
        self.finished(FAILED)
        other.phone.unread.clear()
        other.assert_silent()
        asked = stays if stays.rung else other
        self.call.invite(offer=OFFER.replace("o=- 1 1", "o=- 1 2"))  # the caller, who is one of them
        again = asked.offered()
        asked.say(again)
        self.assertEqual(status(self.call.final()), 200)
        self.ua.send(self.call.text("ACK", self.call.cseq, "z9hG4bK" + self.call.call_id.split("@")[0]))
        other.bye()
        stays.expect_bye()
        failed = self.books(other.party, FAILED)
        self.assertEqual((failed["reason"], failed.get("sipCode")), (reason, code))


class Moved:
    """stays: whose class it is mixed into."""

    def test_moved(self):
        stays, other = self.sides(self.stays)
        rung = self.rings(stays).pick_up()
        rung.expect_ack()
        offer = stays.offered()
        self.assertIn("m=audio 41000 ", offer.body)
        stays.take(offer)
        other.expect_bye()
        self.finished(COMPLETED)
        # they talk: what the target says of his session is told in the session that the other one knows
        rung.ask("INVITE", rung.sdp(41010).replace("o=callee 5 5", "o=callee 5 6"))
        again = stays.offered()
        self.assertIn("m=audio 41010 ", again.body)
        stays.say(again)
        self.assertEqual(status(rung.final("INVITE")), 200)
        rung.ack()
        stays.bye()
        rung.expect_bye()
        done = self.books(stays.party)
        self.assertEqual((done["askedBy"], done["target"]), ("grpc:agent-service", "<sip:bob@127.0.0.1>"))

    def test_moved_and_the_target_hangs_up(self):
        stays, other = self.sides(self.stays)
        rung = self.rings(stays).pick_up()
        rung.expect_ack()
        stays.take()
        other.expect_bye()
        self.assertEqual(status(rung.bye()), 200)
        stays.expect_bye()
        self.books("callee")

    def test_moved_twice(self):
        stays, other = self.sides(self.stays)
        rung = self.rings(stays).pick_up()
        rung.expect_ack()
        stays.take()
        other.expect_bye()
        self.finished(COMPLETED)
        bob = Side(self, rung=rung)  # now he stays, and alice is rung
        self.alice.unread.clear()
        self.transfer(bob, "alice")
        third = self.alice.rung(name="alice again").ring().pick_up()
        third.expect_ack()
        bob.take()
        stays.expect_bye()
        third.bye()
        bob.expect_bye()
        self.over(self.call, "normal_clearing", "callee", (*KINDS[:-1], STARTED, COMPLETED, STARTED, COMPLETED, "call.ended"))

    def test_busy(self):
        stays, other = self.sides(self.stays)
        rung = self.rings(stays)
        rung.say("486 Busy Here", contact=False)
        rung.expect_ack()
        self.assert_as_it_was(stays, other, "busy", 486)

    def test_declines(self):
        stays, other = self.sides(self.stays)
        rung = self.rings(stays)
        rung.say("603 Decline", contact=False)
        rung.expect_ack()
        self.assert_as_it_was(stays, other, "busy", 603)

    def test_nobody_there(self):
        stays, other = self.sides(self.stays)
        self.transfer(stays, "1003")
        self.finished(FAILED)
        other.bye()
        stays.expect_bye()
        self.assertIn(self.books(other.party, FAILED)["reason"], ("no_answer", "failure"))

    def test_the_other_hangs_up_meanwhile(self):
        stays, other = self.sides(self.stays)
        rung = self.rings(stays)
        other.bye()
        stays.assert_silent()
        rung.pick_up()
        rung.expect_ack()
        stays.take()
        stays.bye()
        rung.expect_bye()
        self.books(stays.party)

    def test_the_other_hangs_up_and_the_target_is_busy(self):
        stays, other = self.sides(self.stays)
        rung = self.rings(stays)
        other.bye()
        stays.assert_silent()
        rung.say("486 Busy Here", contact=False)
        rung.expect_ack()
        stays.expect_bye()
        self.assertEqual(self.books("callee", FAILED, "busy")["reason"], "busy")

    def test_who_stays_hangs_up_meanwhile(self):
        stays, other = self.sides(self.stays)
        rung = self.rings(stays)
        wait_for("bob rings", 5, lambda: any(
            leg["state"] == "ringing" for leg in self.stack.ctl("call", self.call.call_id)["legs"]))
        stays.bye()
        other.expect_bye()
        rung.expect_cancel()
        self.assertEqual(self.books(stays.party, FAILED)["reason"], "call_ended")

    def test_the_target_hangs_up_while_they_are_joined(self):
        stays, other = self.sides(self.stays)
        rung = self.rings(stays).pick_up()
        rung.expect_ack()
        offer = stays.offered()
        self.assertEqual(status(rung.bye()), 200)
        stays.take(offer)
        back = stays.offered()
        self.assertIn(re.search(r"m=audio \d+", other.said)[0], back.body)
        stays.take(back)
        self.assert_as_it_was(stays, other, "target_hung_up")

    def test_who_stays_does_not_take_it(self):
        stays, other = self.sides(self.stays)
        rung = self.rings(stays).pick_up()
        rung.expect_ack()
        stays.take(code="488 Not Acceptable Here")
        rung.expect_bye()
        self.assert_as_it_was(stays, other, "not_accepted", 488)

    def test_the_other_hangs_up_while_they_are_joined(self):
        stays, other = self.sides(self.stays)
        rung = self.rings(stays).pick_up()
        rung.expect_ack()
        offer = stays.offered()
        other.bye()
        stays.take(offer)
        rung.bye()
        stays.expect_bye()
        self.books("callee")

    def test_both_others_hang_up_while_they_are_joined(self):
        for first in ("other", "target"):
            with self.subTest(first):
                self.bob.unread.clear()
                stays, other = self.sides(self.stays)
                rung = self.rings(stays).pick_up()
                rung.expect_ack()
                stays.offered()
                for who in ((other, rung) if first == "other" else (rung, other)):
                    who.bye()
                stays.expect_bye()
                self.assertEqual(self.books("callee" if first == "other" else other.party, FAILED)["reason"], "call_ended")


class NoAnswer:
    settings = {"SIP_T1_MS": 100, "NO_ANSWER_S": 2}

    def test_no_answer(self):
        stays, other = self.sides(self.stays)
        rung = self.rings(stays)
        rung.expect_cancel(10)
        self.assert_as_it_was(stays, other, "no_answer", 408)

    def test_unreachable(self):
        stays, other = self.sides(self.stays)
        self.bob.sock.close()
        self.transfer(stays)
        self.finished(FAILED)
        self.assert_as_it_was(stays, other, "no_answer", 408)


class TestCallerStaysNoAnswer(NoAnswer, BridgedTest):
    stays = "caller"


class TestCalleeStaysNoAnswer(NoAnswer, BridgedTest):
    stays = "callee"


class TestCallerStays(Moved, BridgedTest):
    stays = "caller"


class TestCalleeStays(Moved, BridgedTest):
    stays = "callee"


if __name__ == "__main__":
    unittest.main()
