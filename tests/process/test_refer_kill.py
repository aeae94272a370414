"""kill -9 of each worker while a transfer by REFER is at each of its steps: nothing is lost, nothing is done twice."""
import unittest

from test_refer import JOINED, STAYED, ReferTest
from ua import header, status

WORKERS = ("call-actor", "sip-edge", "orchestrator", "publisher")


class TestKilled(ReferTest):
    def each(self, workers=WORKERS):
        """A fresh call for each worker, alternately with the caller and the callee as transferor."""
        for i, name in enumerate(workers):
            if i:
                self.start()
            roles = ("caller", "callee") if i % 2 == 0 else ("callee", "caller")
            yield name, self.pair[roles[0]], self.pair[roles[1]]

    def killed(self, name):
        self.stack.wait_restarted(self.stack.kill_worker(name))
        self.stack.wait_ready()

    def goes_well(self, transferor, stays, carol):
        """From the target's answer to the end."""
        carol.pick_up()
        carol.expect_ack(10)
        stays.take_offer(seconds=10)
        transferor.told(100, 180, 200)
        self.ends(transferor, stays, carol)

    def ends(self, transferor, stays, carol):
        self.assertEqual(transferor.hang_up(), 200)
        self.assertEqual(status(carol.bye(10)), 200)
        stays.expect_bye(10)
        self.over(JOINED)

    def test_while_the_100_is_not_heard(self):
        for name, transferor, stays in self.each():
            carol = self.rung_by(transferor)
            first = transferor.expect_notify(answer=None)
            self.killed(name)
            again = transferor.ua.expect("the NOTIFY once more", 10, lambda m: m.first.startswith("NOTIFY ") and
                                         header(m, "CSeq") == header(first, "CSeq"))
            self.assertEqual(again.body, first.body)
            transferor.answer(again)
            carol.ring()
            self.goes_well(transferor, stays, carol)

    def test_the_refer_comes_again(self):
        """Its 202 was lost, and whoever knew of it is gone: it is answered as before, and nobody is rung twice."""
        for i, name in enumerate(("sip-edge", "call-actor")):
            if i:
                self.start()
            transferor, stays = self.pair["caller"], self.pair["callee"]
            carol = self.rung_by(transferor)
            transferor.told(100)
            self.killed(name)
            self.call.repeat()
            self.assertEqual(status(transferor.final("REFER")), 202)
            carol.ring()
            self.goes_well(transferor, stays, carol)
            self.not_rung_anew()

    def not_rung_anew(self):
        while (m := self.carol.receive(0.2)) is not None:
            self.assertFalse(m.first.startswith("INVITE ") and header(m, "Call-ID") not in self.had, m.first)

    def test_while_the_target_rings(self):
        for name, transferor, stays in self.each():
            carol = self.rung_by(transferor)
            carol.ring()
            transferor.told(100, 180)
            self.killed(name)
            self.goes_well(transferor, stays, carol.ring())

    def test_while_the_target_rings_and_it_refuses(self):
        for name, transferor, stays in self.each():
            carol = self.rung_by(transferor)
            carol.ring()
            transferor.told(100, 180)
            self.killed(name)
            carol.say("486 Busy Here", contact=False)
            carol.expect_ack(10)
            transferor.told(100, 180, 486)
            self.end(transferor, stays, STAYED)

    def test_while_the_transferor_is_gone(self):
        for name, transferor, stays in self.each():
            carol = self.rung_by(transferor)
            transferor.told(100)
            self.assertEqual(transferor.hang_up(), 200)
            self.killed(name)
            carol.ring().pick_up()
            carol.expect_ack(10)
            stays.take_offer(seconds=10)
            transferor.told(100, 180, 200)
            self.assertEqual(status(carol.bye(10)), 200)
            stays.expect_bye(10)
            self.over(JOINED)

    def test_while_they_are_joined(self):
        for name, transferor, stays in self.each():
            carol = self.rung_by(transferor)
            carol.ring().pick_up()
            carol.expect_ack()
            offer = stays.next("INVITE")
            self.killed(name)
            stays.heard.discard(header(offer, "CSeq"))
            stays.take_offer(seconds=10)
            transferor.told(100, 180, 200)
            self.ends(transferor, stays, carol)

    def test_while_the_last_word_is_not_heard(self):
        for name, transferor, stays in self.each():
            carol = self.joined(transferor, stays)
            last = transferor.expect_notify(answer=None)
            while "SIP/2.0 200" not in last.body:
                transferor.answer(last)
                last = transferor.expect_notify(answer=None)
            self.killed(name)
            again = transferor.ua.expect("the NOTIFY once more", 10, lambda m: m.first.startswith("NOTIFY ") and
                                         header(m, "CSeq") == header(last, "CSeq"))
            transferor.answer(again)
            self.ends(transferor, stays, carol)

    def test_while_our_bye_is_out(self):
        for name, transferor, stays in self.each():
            carol = self.joined(transferor, stays)
            transferor.told(100, 180, 200)
            bye = transferor.next("BYE", 10)
            self.killed(name)
            transferor.heard.discard(header(bye, "CSeq"))
            transferor.expect_bye(10)
            self.assertEqual(stays.hang_up(), 200)
            carol.expect_bye(10)
            self.over(JOINED)

    def test_while_the_dialplan_is_asked(self):
        for name, transferor, stays in self.each():
            self.stack.platform.faults(ResolveDialplan={"delay_ms": 1000})
            self.refers(transferor, "<sip:902121230003@sentiric_demo>")
            transferor.told(100)
            self.killed(name)
            self.stack.platform.faults(ResolveDialplan={})
            second = self.rings(self.bob, "bob's other line", 10)
            second.say("486 Busy Here", contact=False)
            second.expect_ack(10)
            transferor.told(100, 486)
            self.end(transferor, stays, STAYED)


if __name__ == "__main__":
    unittest.main()
