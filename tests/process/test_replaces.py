"""INVITE with Replaces (RFC 3891): who takes whose place, who may not, and what is refused; over one shard and over three."""
import re
import unittest

from digest_ua import Phone, challenge_of, credentials
from harness import wait_for
from test_bridge import BridgeTest
from test_call import OneCall
from ua import OFFER, Call, Ua, header, rtp_port_of, status

CAROL_PORT = 43000


def tag_of(value):
    return re.search(r";tag=([^;>\s]+)", value)[1]


def of_caller(call):
    """The Replaces that names a caller's dialog with the service, as the service sees it."""
    return f"Replaces: {call.call_id};to-tag={tag_of(call.to_value)};from-tag={tag_of(call.from_value)}"


def of_callee(rung):
    return f"Replaces: {rung.call_id};to-tag={tag_of(header(rung.request, 'From'))};from-tag={rung.tag}"


class ReplacesTest(BridgeTest):
    """carol is one whom the service trusts, at the address of the others."""

    def setUp(self):
        super().setUp()
        self.carol = Ua(self.stack.sip_port)
        self.addCleanup(self.carol.sock.close)

    def replace(self, what, **how):
        return Call(self.carol, to="anybody", caller="carol", rtp_port=CAROL_PORT).invite(extra=[what], **how)

    def asked(self, ua, call_id):
        """The re-INVITE that who stays gets."""
        return ua.expect("re-INVITE", 5, lambda m: m.first.startswith("INVITE ") and header(m, "Call-ID") == call_id and
                         ";tag=" in header(m, "To"))

    def take(self, ua, offer, port, code="200 OK", contact="s"):
        body = OFFER.format(port=port) if code.startswith("2") else ""
        kept = [f"{n}: {v}" for n, v in offer.headers if n.lower() in ("via", "from", "to", "call-id", "cseq", "record-route")]
        more = [f"Contact: <sip:{contact}@127.0.0.1:{ua.port}>", "Content-Type: application/sdp"] if body else []
        ua.send("\r\n".join([f"SIP/2.0 {code}", *kept, *more, f"Content-Length: {len(body)}", "", body]))
        ua.expect("ACK", 5, lambda m: m.first.startswith("ACK ") and header(m, "Call-ID") == header(offer, "Call-ID"))

    def taken(self, new, offer, ua, port):
        """Who stays answers, and carol has it."""
        self.assertIn(f"m=audio {CAROL_PORT} ", offer.body)
        self.take(ua, offer, port)
        answer = new.final()
        self.assertEqual(status(answer), 200, answer.first)
        self.assertIn(f"m=audio {port} ", answer.body)
        new.ack(answer)

    def refused(self, what, code, **how):
        answer = self.replace(what, **how).final()
        self.assertEqual(status(answer), code, answer.first)
        return answer


class Cases:
    """Of a bridged call."""

    def test_the_callee_is_replaced(self):
        call, rung = self.talks()
        new = self.replace(of_callee(rung))
        self.taken(new, self.asked(self.ua, call.call_id), self.ua, call.rtp_port)
        self.assertIn("Replaced", header(rung.expect_bye(), "Reason"))
        self.assertEqual(status(new.bye()), 200)
        call.expect_bye()
        self.over(call, "normal_clearing", "callee")

    def test_the_caller_is_replaced(self):
        call, rung = self.talks()
        new = self.replace(of_caller(call))
        offer = self.asked(self.alice, rung.call_id)
        self.taken(new, offer, self.alice, 41000)
        call.expect_bye()
        rung.ask("INVITE", OFFER.format(port=41002))
        again = self.carol.expect("re-INVITE", 5, lambda m: m.first.startswith("INVITE "))
        self.take(self.carol, again, CAROL_PORT + 2, contact="carol")
        self.assertEqual(status(rung.final("INVITE")), 200)
        rung.ack()
        self.assertEqual(status(rung.bye()), 200)
        new.expect_bye()
        self.ended(call, "normal_clearing")

    def test_who_stays_refuses(self):
        call, rung = self.talks()
        new = self.replace(of_callee(rung))
        self.take(self.ua, self.asked(self.ua, call.call_id), 0, "488 Not Acceptable Here")
        self.assertEqual(status(new.final()), 488)
        rung.assert_silent()
        self.assertEqual(status(rung.bye()), 200)
        call.expect_bye()
        self.over(call, "normal_clearing", "callee")

    def test_carol_changes_her_mind(self):
        call, rung = self.talks()
        new = self.replace(of_caller(call))
        offer = self.asked(self.alice, rung.call_id)
        self.alice.answer(offer, "100 Trying")  # before it no CANCEL leaves (RFC 3261 §9.1)
        self.carol.send(new.text("CANCEL", new.cseq, new.branch))
        self.assertEqual(status(new.final(5, "CANCEL")), 200)
        cancel = self.alice.expect("CANCEL", 5, lambda m: m.first.startswith("CANCEL "))
        self.alice.answer(cancel)
        self.take(self.alice, offer, 0, "487 Request Terminated")
        self.assertEqual(status(new.final()), 487)
        call.request("BYE")
        rung.expect_bye()
        self.over(call, "normal_clearing", "caller")

    def test_refused(self):
        """RFC 3891 §3."""
        call, rung = self.talks()
        other = of_callee(rung)
        self.refused(other.replace(rung.tag, "x"), 481)
        self.refused(other + ";early-only", 486)
        self.refused(other.split(";from-tag")[0], 400)
        self.refused(other + "\r\n" + other, 400)
        self.refused(other + "\r\nJoin: " + other.partition(" ")[2], 400)
        self.refused("Replaces: x;to-tag=a0-0-x;from-tag=y", 481)
        asks = Call(self.carol, to="anybody")
        asks.request("OPTIONS", extra=[other])
        self.assertEqual(status(asks.final(5, "OPTIONS")), 400)
        call.request("BYE")
        rung.expect_bye()
        self.over(call, "normal_clearing", "caller")
        self.refused(other, 603)

    def test_one_that_rings(self):
        call, rung = self.calls()
        rung.ring()
        call.to_value = header(call.response(180), "To")
        self.refused(of_caller(call), 481)
        self.refused(of_callee(rung), 488)
        rung.say("486 Busy Here", contact=False)
        self.assertEqual(status(call.final()), 486)


class TestBridged(Cases, ReplacesTest):
    def test_killed_meanwhile(self):
        for name in ("call-actor", "sip-edge", "orchestrator", "publisher"):
            with self.subTest(name):
                call, rung = self.talks()
                new = self.replace(of_callee(rung))
                offer = self.asked(self.ua, call.call_id)
                old = self.stack.kill_worker(name)
                self.stack.wait_restarted(old)
                self.taken(new, offer, self.ua, call.rtp_port)
                rung.expect_bye(10)
                new.bye()
                call.expect_bye()
                self.ended(call, "normal_clearing")
                for phone in (self.ua, self.alice, self.carol):
                    phone.unread.clear()


class TestAnswered(OneCall):
    def test_the_platform_goes_on_with_carol(self):
        call = Call(self.ua)
        port, _ = rtp_port_of(call.answered())
        self.stack.wait_established(call)
        new = Call(self.ua, to="anybody", caller="carol", rtp_port=CAROL_PORT)
        self.assertEqual(rtp_port_of(new.answered(extra=[of_caller(call)]))[0], port)
        call.expect_bye()
        wait_for("carol's media is opened", 5, lambda: any(
            str(CAROL_PORT) in str(line) for line in self.stack.platform.ledger()))
        self.assertEqual(status(new.bye()), 200)
        self.ended(call, "normal_clearing")


class TestStrangers(BridgeTest):
    """Nobody is trusted for his address: each has to show who he is."""

    settings = {**BridgeTest.settings, "TRUSTED_PEERS": "192.0.2.1/32"}

    def invite(self, phone, what, **how):
        call = Call(phone, to="anybody", caller=phone.user, rtp_port=CAROL_PORT)
        first = call.invite(extra=[what], **how).final()
        self.assertEqual(status(first), 407)
        call.to_value = call.to_value.split(";tag=")[0]
        value = credentials(challenge_of(first), "INVITE", call.uri, phone.user, phone.password)
        return call.invite(extra=[what, "Proxy-Authorization: " + value], **how)

    def between(self):
        """bob talks to alice."""
        bob = Phone(self.stack.sip_port, "bob")
        self.addCleanup(bob.sock.close)
        call = Call(bob, to="alice", caller="bob")
        first = call.invite().final()
        call.to_value = call.to_value.split(";tag=")[0]
        value = credentials(challenge_of(first), "INVITE", call.uri, "bob", bob.password)
        call.invite(extra=["Proxy-Authorization: " + value])
        rung = self.alice.rung()
        rung.pick_up()
        answer = call.final()
        call.ack(answer)
        rung.expect_ack()
        self.stack.wait_established(call)
        return bob, call, rung

    def test_a_call_is_not_stolen(self):
        bob, call, rung = self.between()
        for user, theirs in (("bob", of_callee(rung)), ("alice", of_caller(call))):
            thief = Phone(self.stack.sip_port, user)
            self.addCleanup(thief.sock.close)
            answer = self.invite(thief, theirs + "\r\nReferred-By: <sip:alice@sentiric_demo>").final()
            self.assertEqual(status(answer), 403)
        rung.assert_silent()
        self.assertEqual(status(call.bye()), 200)
        rung.expect_bye()
        self.ended(call, "normal_clearing")

    def test_alice_goes_on_at_another_phone(self):
        bob, call, rung = self.between()
        other = Phone(self.stack.sip_port, "alice")
        self.addCleanup(other.sock.close)
        new = self.invite(other, of_callee(rung))
        offer = bob.expect("re-INVITE", 5, lambda m: m.first.startswith("INVITE "))
        ReplacesTest.take(self, bob, offer, 40000)
        answer = new.final()
        self.assertEqual(status(answer), 200)
        new.ack(answer)
        rung.expect_bye()
        self.assertEqual(status(call.bye()), 200)
        new.expect_bye()
        self.ended(call, "normal_clearing")


class TestShards(Cases, ReplacesTest):
    """The call with this dialog may be any call-actor's."""

    settings = {**BridgeTest.settings, "CALL_ACTORS": 3}


if __name__ == "__main__":
    unittest.main()
