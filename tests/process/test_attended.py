"""Attended transfer: who talks to two of them joins the one to the other by REFER with Replaces. docs/transfer.md"""
import unittest
from urllib.parse import quote

from digest_ua import Phone
from referring import Party
from test_replaces import of_callee, of_caller
from test_route import PASSWORDS, RouteTest
from ua import OFFER, header, status

JOINED = ["call.started", "call.answered", "call.transfer.started", "call.transfer.completed", "call.ended"]
STAYED = ["call.started", "call.answered", "call.transfer.started", "call.transfer.failed", "call.ended"]
ONLY = ["call.started", "call.answered", "call.ended"]
ROLES = [(first, second) for first in ("caller", "callee") for second in ("caller", "callee")]


def replaces(party):
    """The Refer-To that names what this party of ours has with the service."""
    value = of_caller(party.dialog) if party.called else of_callee(party.dialog)
    return f"<sip:1003@sentiric_demo?Replaces={quote(value.partition(': ')[2], safe='')}>"


class AttendedTest(RouteTest):
    """alice talks to bob, and then to carol (1003)."""

    settings = {"NO_ANSWER_S": 20}

    def setUp(self):
        super().setUp()
        self.phones = {name: self.callee(name) for name in ("alice", "bob", "1003")}
        self.callers = {name: self.caller(name) for name in ("alice", "bob", "1003")}

    def tearDown(self):
        """A test that went wrong leaves no call to the next one."""
        try:
            super().tearDown()
        finally:
            for call in self.stack.calls():
                self.stack.ctl("hangup", call["call_id"], check=False)

    def caller(self, name):
        phone = Phone(self.stack.sip_port, name, PASSWORDS.get(name))
        self.addCleanup(phone.sock.close)
        return phone

    def talk_to(self, one, other):
        """Both ends of a new call, the caller's first."""
        call = self.dial(self.callers[one], other)
        rung = self.phones[other].rung()
        rung.ring().pick_up()
        answer = call.final()
        self.assertEqual(status(answer), 200)
        call.ack(answer)
        rung.expect_ack()
        self.stack.wait_established(call)
        return Party(call), Party(rung)

    def both(self, first="caller", second="caller"):
        """alice's end of each of her calls, and the other ends; alice is this and that in the two."""
        one = self.talk_to("alice", "bob") if first == "caller" else self.talk_to("bob", "alice")[::-1]
        two = self.talk_to("alice", "1003") if second == "caller" else self.talk_to("1003", "alice")[::-1]
        self.one, self.bob = one
        self.two, self.carol = two
        # The world knows a call by the Call-ID of who called.
        self.ids = [p.call_id for pair in (one, two) for p in pair if p.called]

    def refer(self, code=202, to=None, **how):
        answer = self.one.refer(to or replaces(self.two), **how)
        self.assertEqual(status(answer), code, answer.first)

    def port_of(self, party):
        return 41000 if not party.called else party.dialog.rtp_port

    def joined(self):
        """carol takes bob's media, alice leaves her second call, bob takes carol's."""
        offer = self.carol.take_offer()
        self.assertIn(f"m=audio {self.port_of(self.bob)} ", offer.body)
        self.assertIn("Replaced", header(self.two.expect_bye(), "Reason"))
        offer = self.bob.take_offer()
        self.assertIn(f"m=audio {self.port_of(self.carol)} ", offer.body)
        self.one.told(100, 200)

    def end(self, one, other):
        self.assertEqual(one.hang_up(), 200)
        other.expect_bye()

    def over(self, first, second):
        """The events of both calls."""
        for call_id, keys in zip(self.ids, (first, second)):
            bodies = self.stack.events.wait_ended(call_id)
            self.assertEqual([b["eventType"] for b in bodies], keys)
        self.stack.assert_clean()

    def still_talk(self, one, other):
        self.assertEqual(one.hang_up(), 200)
        other.expect_bye()


class TestAttended(AttendedTest):
    def test_joined(self):
        """Whichever of them called whom, and whoever hangs up in the end."""
        for first, second in ROLES:
            with self.subTest(first=first, second=second):
                self.both(first, second)
                self.refer()
                self.joined()
                self.assertEqual(self.one.hang_up(), 200)
                self.end(*((self.bob, self.carol) if first == second else (self.carol, self.bob)))
                self.over(JOINED, ONLY)

    def test_media_moves_between_the_two(self):
        """What one of them offers afterwards passes through both calls."""
        self.both()
        self.refer()
        self.joined()
        self.one.hang_up()
        self.bob.request("INVITE", body=self.bob.dialog.sdp(41900))
        self.assertIn("m=audio 41900 ", self.carol.take_offer().body)
        self.assertEqual(status(self.bob.final("INVITE")), 200)
        self.bob.dialog.ack()
        self.bob.request("INFO", ["Info-Package: x"], OFFER.format(port=41000))
        self.end(self.carol, self.bob)
        self.over(JOINED, ONLY)

    def test_carol_answers_late(self):
        self.both()
        self.refer()
        offer = self.carol.next("INVITE")
        self.one.told(100)
        self.assertEqual(self.stack.ctl("call", self.ids[1])["state"], "established")
        self.carol.heard.discard(header(offer, "CSeq"))
        self.joined()
        self.one.hang_up()
        self.end(self.bob, self.carol)
        self.over(JOINED, ONLY)

    def test_alice_does_not_hang_up(self):
        """She is let go in both of her calls."""
        self.both("callee", "callee")
        self.refer()
        self.joined()
        self.one.expect_bye(20)
        self.end(self.bob, self.carol)
        self.over(JOINED, ONLY)

    def test_alice_hangs_up_at_once(self):
        """After the 202, in the first call: the transfer goes on."""
        self.both()
        self.refer()
        self.assertEqual(self.one.hang_up(), 200)
        self.carol.take_offer()
        self.two.expect_bye()
        self.bob.take_offer()
        self.end(self.bob, self.carol)
        self.over(JOINED, ONLY)

    def test_alice_hangs_up_her_second_call_meanwhile(self):
        self.both()
        self.refer()
        offer = self.carol.next("INVITE")
        self.assertEqual(self.two.hang_up(), 200)
        self.carol.heard.discard(header(offer, "CSeq"))
        self.carol.take_offer()
        self.bob.take_offer()
        self.one.told(100, 200)
        self.one.hang_up()
        self.end(self.bob, self.carol)
        self.over(JOINED, ONLY)

    def test_bob_hangs_up_meanwhile(self):
        self.both()
        self.refer()
        offer = self.carol.next("INVITE")
        self.assertEqual(self.bob.hang_up(), 200)
        self.one.told(100, 487)
        self.one.expect_bye()
        self.carol.heard.discard(header(offer, "CSeq"))
        self.assertIsNotNone(offer)
        self.carol.take_offer("487 Request Terminated")
        self.still_talk(self.two, self.carol)
        self.over(STAYED, ONLY)

    def test_carol_does_not_take_it(self):
        self.both()
        self.refer()
        self.carol.take_offer("488 Not Acceptable Here")
        self.one.told(100, 488)
        self.still_talk(self.one, self.bob)
        self.still_talk(self.carol, self.two)
        self.over(STAYED, ONLY)

    def test_bob_does_not_take_it(self):
        """carol is with nobody then: alice has left her."""
        self.both()
        self.refer()
        self.carol.take_offer()
        self.two.expect_bye()
        self.bob.take_offer("488 Not Acceptable Here")
        self.carol.expect_bye()
        self.one.told(100, 488)
        self.still_talk(self.one, self.bob)
        self.over(STAYED, ONLY)

    def test_carol_hangs_up_meanwhile(self):
        self.both()
        self.refer()
        offer = self.carol.next("INVITE")
        self.assertEqual(self.carol.hang_up(), 200)
        self.assertIsNotNone(offer)
        self.two.expect_bye()
        self.carol.heard.discard(header(offer, "CSeq"))
        self.carol.take_offer("487 Request Terminated")
        self.one.told(100, 487)
        self.still_talk(self.one, self.bob)
        self.over(STAYED, ONLY)

    def test_the_second_call_is_over(self):
        self.both()
        to = replaces(self.two)
        self.end(self.two, self.carol)
        self.refer(to=to)
        self.one.told(100, 603)
        self.still_talk(self.bob, self.one)
        self.over(STAYED, ONLY)

    def test_not_her_call(self):
        """alice knows the tags of a call that is not hers: between bob and carol."""
        self.both()
        others = self.talk_to("1003", "bob")
        for party in others:
            self.refer(to=replaces(party))
            self.one.told(100, 403)
            self.one.notified.clear()
        self.end(*others)
        self.still_talk(self.one, self.bob)
        self.still_talk(self.two, self.carol)
        self.stack.assert_clean()

    def test_the_same_call(self):
        """She names the very call in which she says it."""
        self.both()
        self.refer(to=replaces(self.one))
        self.one.told(100, 491)
        self.still_talk(self.one, self.bob)
        self.still_talk(self.two, self.carol)
        self.over(STAYED, ONLY)

    def test_to_the_platform(self):
        """Her second call is one with the AI: bob goes on with that, with its media port."""
        self.one, self.bob = self.talk_to("alice", "bob")
        call = self.dial(self.callers["alice"], "902121230001")
        answer = call.final()
        call.ack(answer)
        self.stack.wait_established(call)
        self.two, self.ids = Party(call), [self.one.call_id, call.call_id]
        port = self.stack.ctl("call", call.call_id)["rtp_port"]
        self.refer()
        self.two.expect_bye()
        self.assertIn(f"m=audio {port} ", self.bob.take_offer().body)
        self.one.told(100, 200)
        self.one.hang_up()
        self.assertEqual(self.bob.hang_up(), 200)
        self.over(JOINED, ONLY)

    def test_somebody_elses_dialog(self):
        """Of none of ours: the target itself gets the Replaces."""
        self.one, self.bob = self.talk_to("alice", "bob")
        self.ids = [self.one.call_id]
        self.refer(to="<sip:1003@sentiric_demo?Replaces=x%40y%3Bto-tag%3D1%3Bfrom-tag%3D2>")
        carol = self.phones["1003"].rung()
        self.assertEqual(header(carol.request, "Replaces"), "x@y;to-tag=1;from-tag=2")
        self.assertIsNone(header(carol.request, "Sentiric-Asked-By"))
        carol.say("486 Busy Here", contact=False)
        carol.expect_ack()
        self.one.told(100, 486)
        self.still_talk(self.one, self.bob)


class TestShards(TestAttended):
    """Her calls may be two call-actors'."""

    settings = {**AttendedTest.settings, "CALL_ACTORS": 3}


class TestKilled(AttendedTest):
    """A worker dies when it has been asked, when carol has the offer, and when bob has."""

    WORKERS = ("call-actor", "sip-edge", "orchestrator", "publisher")

    def kill(self, name):
        self.stack.wait_restarted(self.stack.kill_worker(name))

    def finish(self):
        self.one.told(100, 200)
        self.one.hang_up()
        self.end(self.bob, self.carol)
        self.over(JOINED, ONLY)

    def test_when_it_is_asked(self):
        for name in self.WORKERS:
            with self.subTest(name):
                self.both()
                self.refer()
                self.kill(name)
                self.carol.take_offer(seconds=10)
                self.two.expect_bye(10)
                self.bob.take_offer(seconds=10)
                self.finish()

    def test_when_carol_is_offered(self):
        for name in self.WORKERS:
            with self.subTest(name):
                self.both()
                self.refer()
                offer = self.carol.next("INVITE")
                self.kill(name)
                self.carol.heard.discard(header(offer, "CSeq"))
                self.carol.take_offer(seconds=10)
                self.two.expect_bye(10)
                self.bob.take_offer(seconds=10)
                self.finish()

    def test_when_bob_is_offered(self):
        for name in self.WORKERS:
            with self.subTest(name):
                self.both()
                self.refer()
                self.carol.take_offer()
                offer = self.bob.next("INVITE")
                self.kill(name)
                self.two.expect_bye(10)
                self.bob.heard.discard(header(offer, "CSeq"))
                self.bob.take_offer(seconds=10)
                self.finish()


if __name__ == "__main__":
    unittest.main()
