"""Provisionals that must not be lost (RFC 3262), over real sockets: as callers and callees see them."""
import subprocess
import tempfile
import unittest

import harness
import sipp
from callee import Callee
from harness import WITH_US
from test_bridge import TO_ALICE, UNANSWERED, BridgeTest, answer_with, cancel
from ua import OFFER, Call, header, status

REQUIRES, SUPPORTS = ["Require: 100rel"], ["Supported: 100rel"]
PLATFORM = "902121234567"
NEW = OFFER.replace("s=-", "s=new")


def rseq_of(message):
    assert header(message, "Require") == "100rel", message.headers
    return int(header(message, "RSeq"))


def is_plain(message):
    return header(message, "RSeq") is None and header(message, "Require") is None


class PrackTest(BridgeTest):
    """T1 is 100 ms: 64*T1 are 6.4 s."""

    def begin(self, extra, to=TO_ALICE, **how):
        return Call(self.ua, to=to).invite(extra=extra, **how)

    def rings(self, extra, **how):
        call = self.begin(extra, **how)
        return call, self.alice.rung()

    def reliably(self, rung, n, code="183 Session Progress", body=None, **how):
        body = rung.sdp(41002) if body is None else body
        return rung.say(code, body, extra=["Require: 100rel", f"RSeq: {n}"], **how)

    def prack(self, call, provisional, body="", rseq=None):
        """The caller's PRACK; its answer is not waited for."""
        call.to_value = header(provisional, "To")
        call.uri = header(provisional, "Contact").strip("<>").split(">")[0]
        cseq = getattr(call, "invite_cseq", None) or call.cseq
        call.invite_cseq = cseq
        call.request("PRACK", body, [f"RAck: {rseq or rseq_of(provisional)} {cseq} INVITE"])

    def pracked(self, call, provisional, **how):
        self.prack(call, provisional, **how)
        return call.final(5, "PRACK")

    def takes(self, rung, n, code="200 OK", body=""):
        """The callee's PRACK comes, and is answered."""
        prack = rung.expect("PRACK")
        self.assertEqual(header(prack, "RAck"), f"{n} {header(rung.request, 'CSeq').split()[0]} INVITE")
        self.assertIn(f";tag={rung.tag}", header(prack, "To"))
        rung.say(code, body, request=prack, contact=False)
        return prack

    def talk_and_end(self, call, answer, rung=None):
        call.cseq, cseq = getattr(call, "invite_cseq", call.cseq), call.cseq
        call.ack(answer)
        call.cseq = cseq
        self.stack.wait_established(call)
        call.request("BYE")
        if rung is not None:
            rung.expect_bye()
        self.assertEqual(status(call.final(5, "BYE")), 200)

    def repeats(self, call, first, count):
        """Says when the same came again, in units of T1 since the first."""
        at = []
        for _ in range(count):
            again = call.response(status(first), 10)
            self.assertEqual((again.headers, again.body), (first.headers, first.body))
            at.append((again.at - first.at) / 0.1)
        return at


class TestPlatform(PrackTest):
    """Calls that we answer ourselves."""

    def test_the_200_follows_the_prack(self):
        call = self.begin(REQUIRES, to=PLATFORM)
        ringing = call.response(180)
        rseq_of(ringing)
        self.assertEqual(ringing.body, "")
        self.assertEqual(status(self.pracked(call, ringing)), 200)
        answer = call.final()
        self.assertEqual(status(answer), 200)
        self.assertTrue(is_plain(answer))
        self.talk_and_end(call, answer)
        self.ended(call, "normal_clearing")

    def test_it_is_repeated_until_its_prack(self):
        call = self.begin(REQUIRES, to=PLATFORM)
        ringing = call.response(180)
        times = self.repeats(call, ringing, 3)
        for came, due in zip(times, (1, 3, 7)):
            self.assertAlmostEqual(came, due, delta=0.7 * harness.SLOW)
        self.assertEqual(status(self.pracked(call, ringing)), 200)
        answer = call.final()
        self.ua.unread.clear()
        self.talk_and_end(call, answer)
        self.ended(call, "normal_clearing")

    def test_without_prack_it_gets_504(self):
        call = self.begin(REQUIRES, to=PLATFORM)
        call.response(180)
        answer = call.final(10)
        self.assertEqual(status(answer), 504)
        self.ended(call, "failure", UNANSWERED)

    def test_a_wrong_prack_gets_481_and_a_repeated_one_its_200(self):
        call = self.begin(REQUIRES, to=PLATFORM)
        ringing = call.response(180)
        self.assertEqual(status(self.pracked(call, ringing, rseq=rseq_of(ringing) + 1)), 481)
        self.assertEqual(status(self.pracked(call, ringing)), 200)
        call.repeat()
        self.assertEqual(status(call.final(5, "PRACK")), 200)
        answer = call.final()
        self.talk_and_end(call, answer)
        self.ended(call, "normal_clearing")

    def test_a_cancel_instead(self):
        call = self.begin(REQUIRES, to=PLATFORM)
        call.response(180)
        cancel(call)
        self.assertEqual(status(call.final()), 487)
        self.ended(call, "cancelled", UNANSWERED)

    def test_a_bye_instead(self):
        call = self.begin(REQUIRES, to=PLATFORM)
        ringing = call.response(180)
        call.to_value = header(ringing, "To")
        branch, cseq = call.branch, call.cseq
        call.request("BYE")
        self.assertEqual(status(call.final(5, "BYE")), 200)
        call.branch, call.cseq = branch, cseq
        self.assertEqual(status(call.final()), 487)
        self.ended(call, "cancelled", UNANSWERED)

    def test_a_kill_before_the_prack(self):
        for name in ("call-actor", "sip-edge"):
            with self.subTest(worker=name):
                call = self.begin(REQUIRES, to=PLATFORM)
                ringing = call.response(180)
                self.stack.wait_restarted(self.stack.kill_worker(name))
                self.stack.wait_ready()
                self.repeats(call, ringing, 1)
                self.assertEqual(status(self.pracked(call, ringing)), 200)
                self.talk_and_end(call, call.final())
                self.ended(call, "normal_clearing")

    def test_who_only_supports_it_is_told_plainly(self):
        call = self.begin(SUPPORTS, to=PLATFORM)
        self.assertTrue(is_plain(call.response(180)))
        self.talk_and_end(call, call.final())
        self.ended(call, "normal_clearing")

    def test_options_says_that_it_is_supported(self):
        answer = self.ua.ask("OPTIONS")
        self.assertIn("100rel", header(answer, "Supported"))
        self.assertIn("PRACK", header(answer, "Allow"))


class TestInterworking(PrackTest):
    def test_only_the_callee(self):
        call, rung = self.rings(())
        self.assertIn("100rel", header(rung.request, "Supported"))
        self.reliably(rung, 77)
        prack = self.takes(rung, 77)
        self.assertEqual((prack.body, prack.first.split()[1]), ("", self.alice.contact.strip("<>")))
        early = call.response(183)
        self.assertTrue(is_plain(early))
        self.assertEqual(early.body, rung.sdp(41002))
        rung.pick_up()
        self.talk_and_end(call, call.final(), rung)
        self.over(call, "normal_clearing", "caller")

    def test_only_the_callee_and_its_prack_is_lost(self):
        call, rung = self.rings(())
        self.reliably(rung, 77)
        first = rung.expect("PRACK")
        self.reliably(rung, 77)
        again = rung.expect("PRACK")  # the edge's repeat: the provisional's brings no other
        self.assertEqual(again.headers, first.headers)
        rung.say("200 OK", request=again, contact=False)
        self.alice.unread.clear()
        call.response(183)
        self.reliably(rung, 77)
        self.assertIsNone(self.alice.receive(0.4))
        rung.pick_up()
        self.talk_and_end(call, call.final(), rung)
        self.over(call, "normal_clearing", "caller")

    def test_what_is_out_of_order_is_dropped(self):
        call, rung = self.rings(())
        self.reliably(rung, 7, "180 Ringing", "")
        self.takes(rung, 7)
        self.reliably(rung, 9)
        self.assertIsNone(self.alice.receive(0.4))
        self.reliably(rung, 8)
        self.takes(rung, 8)
        rung.pick_up()
        self.talk_and_end(call, call.final(), rung)
        self.over(call, "normal_clearing", "caller")

    def test_only_the_caller(self):
        call, rung = self.rings(REQUIRES)
        self.assertIsNone(header(rung.request, "Require"))
        rung.ring()
        ringing = call.response(180)
        rung.say("183 Session Progress", rung.sdp(41002))  # waits for the PRACK of the 180
        self.assertEqual(status(self.pracked(call, ringing)), 200)
        early = call.response(183)
        self.assertEqual((rseq_of(early), early.body), (rseq_of(ringing) + 1, rung.sdp(41002)))
        rung.pick_up()
        rung.expect_ack()
        self.assertEqual(status(self.pracked(call, early)), 200)  # and the 200, which waited for this
        self.talk_and_end(call, call.final(), rung)
        self.over(call, "normal_clearing", "caller")

    def test_only_the_caller_and_he_never_acknowledges(self):
        call, rung = self.rings(REQUIRES)
        rung.ring()
        call.response(180)
        self.assertEqual(status(call.final(10)), 504)
        rung.expect_cancel()
        self.over(call, "failure", "timer", UNANSWERED)


class TestBoth(PrackTest):
    def test_end_to_end(self):
        for extra in (SUPPORTS, REQUIRES):
            with self.subTest(extra=extra):
                call, rung = self.rings(extra)
                self.reliably(rung, 77)
                early = call.response(183)
                self.assertEqual(early.body, rung.sdp(41002))
                self.assertEqual(status(self.pracked(call, early)), 200)
                self.takes(rung, 77)
                rung.pick_up()
                self.talk_and_end(call, call.final(), rung)
                self.over(call, "normal_clearing", "caller")

    def test_an_offer_in_prack(self):
        call, rung = self.rings(SUPPORTS)
        self.reliably(rung, 77)
        self.prack(call, call.response(183), NEW.format(port=40000))
        prack = self.takes(rung, 77, body=rung.sdp(41004))
        self.assertEqual(prack.body, NEW.format(port=40000))
        answer = call.final(5, "PRACK")
        self.assertEqual((status(answer), answer.body), (200, rung.sdp(41004)))
        rung.say("200 OK")
        self.talk_and_end(call, call.final(), rung)
        self.over(call, "normal_clearing", "caller")

    def test_an_answer_in_prack(self):
        call, rung = self.rings(SUPPORTS, offer=None)
        self.reliably(rung, 77)
        early = call.response(183)
        self.assertEqual(early.body, rung.sdp(41002))
        self.prack(call, early, OFFER.format(port=40000))
        self.assertEqual(self.takes(rung, 77).body, OFFER.format(port=40000))
        self.assertEqual(status(call.final(5, "PRACK")), 200)
        rung.say("200 OK")
        answer = call.final()
        rung.expect_ack()
        self.talk_and_end(call, answer, rung)
        self.over(call, "normal_clearing", "caller")

    def test_a_fork_behind_the_callee(self):
        call, rung = self.rings(SUPPORTS)
        first = rung.tag
        self.reliably(rung, 5)
        one = call.response(183)
        rung.tag = "car" + first
        self.reliably(rung, 900, body=rung.sdp(41006))
        two = call.response(183)
        self.assertNotEqual(header(one, "To"), header(two, "To"))
        self.assertEqual(status(self.pracked(call, two)), 200)
        self.takes(rung, 900)
        rung.tag = first
        self.assertEqual(status(self.pracked(call, one)), 200)
        self.takes(rung, 5)
        rung.tag = "car" + first
        rung.say("200 OK")
        answer = call.final()
        self.assertEqual(header(answer, "To"), header(two, "To"))
        rung.expect_ack()
        self.talk_and_end(call, answer, rung)
        self.over(call, "normal_clearing", "caller")

    def test_two_phones(self):
        other = self.phone()
        call, first = self.rings(REQUIRES)
        second = other.rung(name="the other phone")
        self.reliably(first, 5)
        one = call.response(183)
        second.ring()
        two = call.response(180)
        self.assertEqual(status(self.pracked(call, two)), 200)
        second.pick_up()
        answer = call.final()
        first.expect_cancel()
        to, uri = call.to_value, call.uri
        self.assertEqual(status(self.pracked(call, one)), 200)  # late, but it was sent
        call.to_value, call.uri = to, uri
        self.talk_and_end(call, answer, second)
        self.over(call, "normal_clearing", "caller")

    def test_a_cancel_in_between(self):
        call, rung = self.rings(SUPPORTS)
        self.reliably(rung, 77)
        early = call.response(183)
        branch, cseq = call.branch, call.cseq
        self.prack(call, early, NEW.format(port=40000))
        prack = rung.expect("PRACK")
        call.ua.send(call.text("CANCEL", cseq, branch).replace(f"To: {call.to_value}", f"To: {call.to_value.split(';')[0]}"))
        self.assertEqual(status(call.final(5, "PRACK")), 487)
        call.branch, call.cseq = branch, cseq
        self.assertEqual(status(call.final()), 487)
        rung.say("200 OK", rung.sdp(41004), request=prack, contact=False)
        rung.expect_cancel()
        self.over(call, "cancelled", "caller", UNANSWERED)

    def test_kills_in_between(self):
        for name in ("call-actor", "sip-edge"):
            with self.subTest(worker=name):
                call, rung = self.rings(SUPPORTS)
                self.reliably(rung, 77)
                early = call.response(183)
                self.restart(name)
                self.prack(call, early, NEW.format(port=40000))
                rung.expect("PRACK")
                self.restart(name)
                self.takes(rung, 77, body=rung.sdp(41004))  # said again
                answer = call.final(5, "PRACK")
                self.assertEqual((status(answer), answer.body), (200, rung.sdp(41004)))
                self.alice.unread.clear()
                rung.say("200 OK")
                self.ua.unread = [m for m in self.ua.unread if status(m) != 183]
                self.talk_and_end(call, call.final(), rung)
                self.over(call, "normal_clearing", "caller")

    def restart(self, name):
        self.stack.wait_restarted(self.stack.kill_worker(name))
        self.stack.wait_ready()


class TestUpdate(PrackTest):
    """Offers in early dialogs (RFC 3311)."""

    def agreed(self):
        call, rung = self.rings([*SUPPORTS, "Allow: INVITE, ACK, UPDATE, PRACK"])
        self.assertIn("UPDATE", header(rung.request, "Allow"))
        rung.say("183 Session Progress", rung.sdp(41002), extra=["Require: 100rel", "RSeq: 77", "Allow: INVITE, UPDATE, PRACK"])
        self.assertEqual(status(self.pracked(call, call.response(183))), 200)
        self.takes(rung, 77)
        return call, rung

    def test_of_the_caller(self):
        call, rung = self.agreed()
        call.request("UPDATE", NEW.format(port=40000))
        update = rung.expect("UPDATE")
        self.assertEqual(update.body, NEW.format(port=40000))
        rung.say("200 OK", rung.sdp(41004), request=update)
        answer = call.final(5, "UPDATE")
        self.assertEqual((status(answer), answer.body), (200, rung.sdp(41004)))
        rung.say("200 OK")
        self.talk_and_end(call, call.final(), rung)
        self.over(call, "normal_clearing", "caller")

    def test_of_the_callee(self):
        call, rung = self.agreed()
        rung.ask("UPDATE", NEW.format(port=41004))
        update = self.ua.expect_request("UPDATE", call)
        self.assertEqual(update.body, NEW.format(port=41004))
        self.assertEqual(header(update, "From"), call.to_value)
        self.ua.send(answer_with(update, f"<sip:905551234567@127.0.0.1:{self.ua.port}>", OFFER.format(port=40000)))
        answer = rung.final("UPDATE")
        self.assertEqual((status(answer), answer.body), (200, OFFER.format(port=40000)))
        rung.say("200 OK")
        self.talk_and_end(call, call.final(), rung)
        self.over(call, "normal_clearing", "caller")

    def test_before_the_first_answer_it_is_too_soon(self):
        call, rung = self.rings([*SUPPORTS, "Allow: INVITE, UPDATE, PRACK"])
        rung.say("183 Session Progress", rung.sdp(41002), extra=["Require: 100rel", "RSeq: 77", "Allow: INVITE, UPDATE, PRACK"])
        early = call.response(183)
        rung.ask("UPDATE", NEW.format(port=41004))
        self.assertEqual(status(rung.final("UPDATE")), 491)
        self.assertEqual(status(self.pracked(call, early)), 200)
        self.takes(rung, 77)
        rung.say("200 OK")
        self.talk_and_end(call, call.final(), rung)
        self.over(call, "normal_clearing", "caller")


class TestSipp(PrackTest):
    """SIPp's PRACK, as its own examples do it, on either side and on both."""

    settings = {"NO_ANSWER_S": 30}

    def setUp(self):
        super().setUp()
        self.folder = tempfile.TemporaryDirectory(prefix="sig-sipp-")
        self.addCleanup(self.folder.cleanup)

    def answering(self):
        port = harness.free_sip_port()
        self.assertEqual(status(self.alice.register(["*"], ["Expires: 0"])), 200)
        self.assertEqual(status(self.alice.register([f"<sip:alice@127.0.0.1:{port}>"])), 200)
        with open(f"{self.folder.name}/uas", "wb") as screen:
            process = subprocess.Popen([*WITH_US, "sipp", "-sf", sipp.scenario("prack_uas.xml"), "-i", "127.0.0.1", "-p", str(port),
                                        "-mp", str(harness.free_port()), "-nostdin"], cwd=self.folder.name,
                                       stdin=subprocess.DEVNULL, stdout=screen, stderr=subprocess.STDOUT)
        self.addCleanup(harness.stop_process, process, 5)

    def calls(self, to, scenario, calls=20, rate=10):
        r = sipp.call(self.stack.sip_port, seconds=60, calls=calls, rate=rate, hold_ms=200, service=to, name=scenario, limit=100)
        self.assertEqual((r.ok, r.failed), (calls, 0), r.text)
        self.stack.assert_clean()

    def test_as_caller(self):
        self.calls(PLATFORM, "prack_uac.xml")

    def test_as_callee(self):
        self.answering()
        self.calls(TO_ALICE, None)

    def test_as_both(self):
        self.answering()
        self.calls(TO_ALICE, "prack_uac.xml")


del BridgeTest

if __name__ == "__main__":
    unittest.main()
