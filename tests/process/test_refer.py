"""REFER of one of two who talk: what both, the target, the platform and the broker see. docs/transfer.md"""
import unittest

from callee import Rung
from harness import wait_for
from referring import Party, answer_with
from test_route import RouteTest
from ua import header, status

JOINED = ("call.started", "call.answered", "call.transfer.started", "call.transfer.completed", "call.ended")
STAYED = ("call.started", "call.answered", "call.transfer.started", "call.transfer.failed", "call.ended")
ONLY = ("call.started", "call.answered", "call.ended")


class ReferTest(RouteTest):
    """Alice calls bob; one of them refers the other to carol."""

    settings = {"NO_ANSWER_S": 20}
    CAROL = "<sip:1003@sentiric_demo>"

    def setUp(self):
        super().setUp()
        self.bob = self.callee("bob")
        self.carol = self.callee("1003")
        self.had = set()  # Call-IDs of the INVITEs there were: repeats of older ones may still come
        self.start()

    def rings(self, phone, name=None, seconds=5):
        """The INVITE that is new to this phone."""
        invite = phone.expect(f"INVITE to {phone.user}", seconds, lambda m: m.first.startswith("INVITE ") and
                              ";tag=" not in header(m, "To") and header(m, "Call-ID") not in self.had)
        self.had.add(header(invite, "Call-ID"))
        return Rung(phone, invite, name or phone.user)

    def start(self, who=None):
        call = self.dial(who or self.user(), "bob")
        rung = self.rings(self.bob)
        rung.ring().pick_up()
        answer = call.final()
        self.assertEqual(status(answer), 200)
        call.ack(answer)
        rung.expect_ack()
        self.stack.wait_established(call)
        self.call, self.rung = call, rung
        self.pair = {"caller": Party(call), "callee": Party(rung)}

    def roles(self):
        """Each of the two as transferor, in a call of its own."""
        yield self.pair["caller"], self.pair["callee"]
        self.start()
        yield self.pair["callee"], self.pair["caller"]

    def refers(self, transferor, to=None, extra=(), code=202):
        answer = transferor.refer(to or self.CAROL, extra)
        self.assertEqual(status(answer), code, answer.first)
        return answer

    def rung_by(self, transferor, **how):
        self.refers(transferor, **how)
        return self.rings(self.carol, "carol")

    def joined(self, transferor, stays, **how):
        """The target answers, and who stays takes it."""
        carol = self.rung_by(transferor, **how)
        carol.ring().pick_up()
        carol.expect_ack()
        offer = stays.take_offer()
        self.assertIn("a=x-of:carol", offer.body)
        return carol

    def over(self, keys, by=None):
        bodies = self.stack.events.wait_ended(self.call.call_id)
        self.assertEqual([b["eventType"] for b in bodies], list(keys))
        if by:
            self.assertEqual(bodies[-1]["endedBy"], by)
        self.stack.assert_clean()
        return bodies

    def end(self, one, other, keys):
        """They talk: one hangs up, the other is told."""
        self.assertEqual(one.hang_up(), 200)
        other.expect_bye()
        return self.over(keys)

    def not_rung(self):
        m = self.carol.receive(0.3)
        self.assertIsNone(m, m and m.first)


class TestBlind(ReferTest):
    def test_joined(self):
        for transferor, stays in self.roles():
            carol = self.joined(transferor, stays, extra=["Referred-By: <sip:somebody@sentiric_demo>;cid=\"x@y\""])
            self.assertEqual(header(carol.request, "Referred-By"), "<sip:somebody@sentiric_demo>")
            transferor.told(100, 180, 200)
            self.assertTrue(transferor.notified[0][1].startswith("active;expires="))
            self.assertEqual(transferor.notified[-1][1], "terminated;reason=noresource")
            self.assertEqual({event for *_, event in transferor.notified}, {"refer"})
            self.assertEqual(transferor.hang_up(), 200)
            self.assertEqual(status(carol.bye()), 200)
            stays.expect_bye()
            done = self.over(JOINED)[3]
            self.assertEqual(done["target"], self.CAROL)
            self.assertEqual(done["askedBy"], "refer:caller" if transferor.called else "refer:callee")

    def test_the_202_comes_first_and_cseq_grows(self):
        transferor = self.pair["caller"]
        transferor.request("REFER", [f"Refer-To: {self.CAROL}"])
        first = transferor.ua.expect("202 or NOTIFY", 5, lambda m: m.first.startswith("NOTIFY ") or status(m) == 202)
        self.assertEqual(status(first), 202)
        self.assertTrue(header(first, "Contact"))
        carol = self.rings(self.carol, "carol")
        carol.ring()
        transferor.told(100, 180)
        carol.say("486 Busy Here", contact=False)
        carol.expect_ack()
        transferor.told(100, 180, 486)
        numbers = [int(c.split()[0]) for c in sorted(transferor.heard, key=lambda c: int(c.split()[0]))]
        self.assertEqual(len(set(numbers)), len(numbers))
        self.end(transferor, self.pair["callee"], STAYED)

    def test_the_target_refuses_and_they_talk_on(self):
        for transferor, stays in self.roles():
            for code, reason in (("486 Busy Here", "busy"), ("603 Decline", "busy"), ("404 Not Found", "failure")):
                carol = self.rung_by(transferor)
                carol.say(code, contact=False)
                carol.expect_ack()
                transferor.notified.clear()
                transferor.told(100, int(code[:3]))
            held = self.stack.ctl("call", self.call.call_id)
            self.assertEqual(held["state"], "established")
            transferor.request("INFO")
            answer_with(stays.ua, stays.next("INFO"))
            self.assertEqual(status(transferor.final("INFO")), 200)
            failed = self.end(transferor, stays, ("call.started", "call.answered", *STAYED[2:4] * 3, "call.ended"))
            self.assertEqual([b["reason"] for b in failed if b["eventType"] == STAYED[3]], ["busy", "busy", "failure"])

    def test_the_id_of_later_refers(self):
        transferor, stays = self.pair["caller"], self.pair["callee"]
        for n in range(2):
            carol = self.rung_by(transferor)
            refer_cseq = self.call.cseq
            transferor.notified.clear()
            carol.say("486 Busy Here", contact=False)
            carol.expect_ack()
            transferor.told(100, 486)
            self.assertEqual({event for *_, event in transferor.notified}, {f"refer;id={refer_cseq}" if n else "refer"})
        self.end(transferor, stays, ("call.started", "call.answered", *STAYED[2:4] * 2, "call.ended"))

    def test_the_target_is_away(self):
        transferor, stays = self.pair["caller"], self.pair["callee"]
        self.refers(transferor, "<sip:alice@sentiric_demo>")
        transferor.told(100, 480)
        self.end(transferor, stays, STAYED)

    def test_who_stays_does_not_take_it(self):
        for transferor, stays in self.roles():
            carol = self.rung_by(transferor)
            carol.pick_up()
            carol.expect_ack()
            stays.take_offer("488 Not Acceptable Here")
            carol.expect_bye()
            transferor.told(100, 488)
            self.end(transferor, stays, STAYED)

    def test_the_target_hangs_up_while_they_are_joined(self):
        transferor, stays = self.pair["caller"], self.pair["callee"]
        carol = self.rung_by(transferor)
        carol.pick_up()
        carol.expect_ack()
        offer = stays.next("INVITE")
        self.assertEqual(status(carol.bye()), 200)
        answer_with(stays.ua, offer, body=stays.dialog.sdp(), contact=stays.dialog.phone.contact)
        stays.next("ACK")
        back = stays.take_offer()
        self.assertIn(f"m=audio {self.call.rtp_port} ", back.body)
        transferor.told(100, 487)
        self.end(transferor, stays, STAYED)


class TestHangsUp(ReferTest):
    """Who hangs up, and when (RFC 5589 §6)."""

    def test_the_transferor_at_once(self):
        for transferor, stays in self.roles():
            carol = self.rung_by(transferor)
            self.assertEqual(transferor.hang_up(), 200)
            carol.ring().pick_up()
            carol.expect_ack()
            stays.take_offer()
            transferor.told(100, 180, 200)
            self.assertEqual(status(carol.bye()), 200)
            stays.expect_bye()
            self.over(JOINED)

    def test_the_transferor_at_once_and_the_target_is_busy(self):
        for transferor, stays in self.roles():
            carol = self.rung_by(transferor)
            self.assertEqual(transferor.hang_up(), 200)
            carol.say("486 Busy Here", contact=False)
            carol.expect_ack()
            stays.expect_bye()
            transferor.told(100, 486)
            self.over(STAYED)

    def test_the_transferor_never(self):
        for transferor, stays in self.roles():
            carol = self.joined(transferor, stays)
            transferor.told(100, 180, 200)
            transferor.expect_bye(10)
            self.assertEqual(stays.hang_up(), 200)
            carol.expect_bye()
            self.over(JOINED)

    def test_byes_cross(self):
        transferor, stays = self.pair["caller"], self.pair["callee"]
        carol = self.joined(transferor, stays)
        ours = transferor.next("BYE", 10)
        self.assertEqual(transferor.hang_up(), 200)
        transferor.answer(ours)
        transferor.told(100, 180, 200)
        wait_for("they talk on", 5, lambda: self.stack.calls())
        self.assertEqual(stays.hang_up(), 200)
        carol.expect_bye()
        self.over(JOINED)

    def test_who_stays(self):
        for transferor, stays in self.roles():
            carol = self.rung_by(transferor)
            carol.ring()
            transferor.told(100, 180)
            self.assertEqual(stays.hang_up(), 200)
            carol.expect_cancel()
            transferor.expect_bye()
            transferor.told(100, 180, 487)
            self.over(STAYED)

    def test_an_operator(self):
        transferor, stays = self.pair["caller"], self.pair["callee"]
        carol = self.rung_by(transferor)
        carol.ring()
        transferor.told(100, 180)
        self.stack.ctl("hangup", self.call.call_id)
        carol.expect_cancel()
        transferor.expect_bye()
        stays.expect_bye()
        transferor.told(100, 180, 487)
        self.over(STAYED)


class TestSubscription(ReferTest):
    """RFC 3515 §2.4.4-§2.4.7, RFC 4488, RFC 6665 §4.2."""

    def busy(self, carol):
        carol.say("486 Busy Here", contact=False)
        carol.expect_ack()
        wait_for("failed", 5, lambda: STAYED[3] in self.stack.events.keys_of_call(self.call.call_id))

    def test_none_is_wanted(self):
        transferor, stays = self.pair["caller"], self.pair["callee"]
        answer = self.refers(transferor, extra=["Refer-Sub: false", "Supported: norefersub"])
        self.assertEqual(header(answer, "Refer-Sub"), "false")
        self.busy(self.rings(self.carol, "carol"))
        self.end(transferor, stays, STAYED)
        self.assertFalse([m for m in transferor.ua.seen if m.first.startswith("NOTIFY ")])

    def test_nobody_listens(self):
        transferor, stays = self.pair["caller"], self.pair["callee"]
        for answer in ("481 Call/Transaction Does Not Exist", "500 Server Internal Error", "489 Bad Event"):
            carol = self.rung_by(transferor)
            transferor.expect_notify(answer=answer)
            carol.ring().pick_up()
            carol.expect_ack()
            stays.take_offer("488 Not Acceptable Here")
            carol.expect_bye()
            self.assertIsNone(next((m for m in iter(lambda: transferor.ua.receive(0.3), None)
                                    if m.first.startswith("NOTIFY ") and header(m, "CSeq") not in transferor.heard), None))
        self.end(transferor, stays, ("call.started", "call.answered", *STAYED[2:4] * 3, "call.ended"))

    def test_no_answer_to_a_notify(self):
        transferor, stays = self.pair["caller"], self.pair["callee"]
        carol = self.rung_by(transferor)
        transferor.expect_notify(answer=None)
        carol.ring().pick_up()
        carol.expect_ack()
        stays.take_offer()
        self.assertEqual(transferor.hang_up(), 200)
        self.assertEqual(status(carol.bye()), 200)
        stays.expect_bye()
        self.over(JOINED)

    def subscribes(self, transferor, expires, event="refer"):
        return transferor.ask("SUBSCRIBE", [f"Event: {event}", f"Expires: {expires}"])

    def test_longer_and_no_longer(self):
        transferor, stays = self.pair["caller"], self.pair["callee"]
        carol = self.rung_by(transferor)
        carol.ring()
        transferor.told(100, 180)
        answer = self.subscribes(transferor, 300)
        self.assertEqual((status(answer), header(answer, "Expires")), (200, "300"))
        again = transferor.expect_notify()
        self.assertIn("SIP/2.0 180", again.body)
        self.assertRegex(header(again, "Subscription-State"), "active;expires=(300|299)$")
        self.assertEqual(status(self.subscribes(transferor, 60, "presence")), 489)
        self.assertEqual(status(self.subscribes(transferor, 60, "refer;id=999")), 481)
        self.assertEqual(status(self.subscribes(transferor, 0)), 200)
        self.assertEqual(header(transferor.expect_notify(), "Subscription-State"), "terminated;reason=timeout")
        self.assertEqual(status(self.subscribes(transferor, 60)), 481)
        self.busy(carol)
        self.end(transferor, stays, STAYED)
        self.assertEqual(len(transferor.notified), 4)

    def test_it_expires(self):
        transferor, stays = self.pair["callee"], self.pair["caller"]
        carol = self.rung_by(transferor)
        transferor.told(100)
        self.assertEqual(status(self.subscribes(transferor, 1)), 200)
        transferor.expect_notify()
        last = transferor.expect_notify()
        self.assertEqual(header(last, "Subscription-State"), "terminated;reason=timeout")
        self.busy(carol)
        self.end(transferor, stays, STAYED)

    def test_after_the_bye(self):
        """The subscription keeps the dialog (RFC 5057 §4)."""
        transferor, stays = self.pair["caller"], self.pair["callee"]
        carol = self.rung_by(transferor)
        transferor.told(100)
        self.assertEqual(transferor.hang_up(), 200)
        self.assertEqual(status(self.subscribes(transferor, 120)), 200)
        self.assertIn("SIP/2.0 100", transferor.expect_notify().body)
        self.busy(carol)
        stays.expect_bye()
        self.assertIn("SIP/2.0 486", transferor.expect_notify().body)
        self.over(STAYED)


if __name__ == "__main__":
    unittest.main()
