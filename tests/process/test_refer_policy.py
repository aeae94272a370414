"""REFERs that are refused, and what none may reach. docs/transfer.md"""
import unittest

from callee import Callee, Rung
from digest_ua import challenge_of, credentials
from referring import Party
from test_refer import JOINED, ONLY, STAYED, ReferTest
from test_route import TRUSTED
from ua import Call, header, status


class TestRefused(ReferTest):
    def test_what_cannot_be_read(self):
        transferor = self.pair["caller"]
        for lines, code in (
                ([], 400),
                (["Refer-To: <sip:a@b"], 400),
                (["Refer-To: <sip:a@b>, <sip:c@d>"], 400),
                (["Refer-To: <sip:a@b>", "Refer-To: <sip:c@d>"], 400),
                (["Refer-To: sip:a@b?Replaces=1"], 400),
                (["Refer-To: <sip:a@b?Replaces=1%0d%0aVia:x>"], 400),
                (["Refer-To: *"], 400),
                ([f"Refer-To: {self.CAROL}", "Refer-Sub: maybe"], 400),
                ([f"Refer-To: {self.CAROL}", "Referred-By: nobody"], 400),
                ([f"Refer-To: {self.CAROL}", "Require: something"], 420),
                (["Refer-To: <sip:1003@sentiric_demo;method=BYE>"], 403),
                (["Refer-To: <sip:1003@sentiric_demo;method=MESSAGE>"], 403),
                (["Refer-To: <http://example.com/>"], 416),
                (["Refer-To: <sip:sentiric_demo>"], 484),
                (["Refer-To: <sip:" + "1" * 1100 + "@sentiric_demo>"], 513)):
            with self.subTest(lines):
                self.assertEqual(status(transferor.ask("REFER", lines)), code)
        self.not_rung()
        self.end(transferor, self.pair["callee"], ONLY)

    def test_one_at_a_time(self):
        transferor, stays = self.pair["caller"], self.pair["callee"]
        carol = self.rung_by(transferor)
        self.refers(transferor, code=491)
        self.refers(stays, code=491)
        carol.say("486 Busy Here", contact=False)
        carol.expect_ack()
        transferor.told(100, 486)
        self.end(transferor, stays, STAYED)

    def test_before_the_answer(self):
        self.end(self.pair["caller"], self.pair["callee"], ONLY)
        call = self.dial(self.user(), "bob")
        rung = self.bob.rung()
        rung.ring()
        ringing = call.response(180)
        to, call.to_value = call.to_value, header(ringing, "To")
        call.request("REFER", extra=[f"Refer-To: {self.CAROL}"])
        refused = call.final(5, "REFER")
        self.assertEqual(status(refused), 500)
        self.assertTrue(header(refused, "Retry-After"))
        call.cseq -= 1
        rung.say("486 Busy Here", contact=False)
        call.to_value = to
        self.assertEqual(status(call.final()), 486)
        rung.expect_ack()

    def test_who_talks_to_the_platform(self):
        self.end(self.pair["caller"], self.pair["callee"], ONLY)
        call = self.dial(self.user(), "902121234567")
        answer = call.final()
        call.ack(answer)
        self.stack.wait_established(call)
        call.request("REFER", extra=[f"Refer-To: {self.CAROL}"])
        self.assertEqual(status(call.final(5, "REFER")), 403)
        self.assertEqual(status(call.bye()), 200)
        self.not_rung()

    def test_headers_of_a_stranger(self):
        transferor, stays = self.pair["caller"], self.pair["callee"]
        target = "<sip:1003@sentiric_demo?Route=%3csip:127.0.0.1:9%3e&From=%3csip:boss@x%3e&P-Asserted-Identity=%3csip:boss@x%3e&" \
                 "Subject=hi&Proxy-Authorization=x&body=v%3d0>"
        self.refers(transferor, target)
        invite = self.rings(self.carol).request
        names = [n.lower() for n, _ in invite.headers]
        for name in ("route", "p-asserted-identity", "subject", "proxy-authorization", "referred-by"):
            self.assertNotIn(name, names)
        self.assertNotIn("boss", str(invite))
        self.assertTrue(invite.first.startswith("INVITE "))
        self.assertNotIn("?", invite.first)
        Rung(self.carol, invite, "carol").say("486 Busy Here", contact=False)
        transferor.told(100, 486)
        self.end(transferor, stays, STAYED)


class TestFraud(ReferTest):
    """A REFER reaches nothing that an INVITE of its sender could not."""

    OUTSIDE = "905551112233"

    def test_a_user_may_leave(self):
        transferor, stays = self.pair["caller"], self.pair["callee"]
        self.refers(transferor, f"<sip:{self.OUTSIDE}@sentiric_demo>")
        trunk = self.rings(self.trunk)
        self.assertTrue(trunk.request.first.startswith(f"INVITE sip:{self.OUTSIDE}@"))
        trunk.say("486 Busy Here", contact=False)
        trunk.expect_ack()
        transferor.told(100, 486)
        self.end(transferor, stays, STAYED)

    def test_a_gateways_caller_may_not(self):
        self.end(self.pair["caller"], self.pair["callee"], ONLY)
        for target in (f"sip:{self.OUTSIDE}@sentiric_demo", f"tel:+{self.OUTSIDE}",
                       f"sip:{self.OUTSIDE}@127.0.0.1:{self.trunk.port}", f"sip:+{self.OUTSIDE}@example.com;user=phone",
                       f"sip:x@127.0.0.1:{self.trunk.port}?Route=%3csip:127.0.0.1:{self.trunk.port};lr%3e"):
            with self.subTest(target):
                self.start(self.outside())
                transferor, stays = self.pair["caller"], self.pair["callee"]
                self.refers(transferor, f"<{target}>")
                while not transferor.notified or transferor.notified[-1][0] < 300:
                    transferor.expect_notify()
                self.assertIn(transferor.notified[-1][0], (403, 404))
                self.end(transferor, stays, STAYED)
        self.trunk_was_quiet()

    def test_a_gateways_caller_reaches_what_his_invite_would(self):
        self.end(self.pair["caller"], self.pair["callee"], ONLY)
        for target in ("sip:1003@sentiric_demo", "sip:1003@example.com"):  # nor does the host matter in a Request-URI
            with self.subTest(target):
                self.start(self.outside())
                transferor, stays = self.pair["caller"], self.pair["callee"]
                self.refers(transferor, f"<{target}>")
                carol = self.rings(self.carol, "carol")
                carol.say("486 Busy Here", contact=False)
                carol.expect_ack()
                transferor.told(100, 486)
                self.end(transferor, stays, STAYED)

    def test_a_plan_counts(self):
        """902121230003 is answered by bob, whoever dials it; the platform's own numbers are no party to be joined to."""
        transferor, stays = self.pair["callee"], self.pair["caller"]
        self.refers(transferor, "<sip:902121230003@sentiric_demo>")
        second = self.rings(self.bob, "bob's other line")
        second.say("486 Busy Here", contact=False)
        second.expect_ack()
        transferor.told(100, 486)
        transferor.notified.clear()
        self.refers(transferor, "<sip:902121234567@sentiric_demo>")
        transferor.told(100, 403)
        self.assertEqual(self.stack.platform.status()["in_use"], 0)
        self.end(transferor, stays, ("call.started", "call.answered", *STAYED[2:4] * 2, "call.ended"))

    def test_a_callee_who_may_not_call_in(self):
        """He was rung over the trunk, and answers from an address that is no trusted peer's."""
        self.end(self.pair["caller"], self.pair["callee"], ONLY)
        call = self.dial(self.user(), self.OUTSIDE)
        rung = self.rings(self.trunk)
        rung.ring().pick_up()
        call.ack(call.final())
        rung.expect_ack()
        self.stack.wait_established(call)
        self.call = call
        callee = Party(rung)
        self.refers(callee, code=403)
        self.refers(callee, "<sip:905554445566@sentiric_demo>", code=403)
        self.not_rung()
        self.end(Party(call), callee, ONLY)

    def at(self, host, user):
        phone = Callee(self.stack.sip_port, user, host=host)
        phone.contact = f"<sip:{user}@{host}:{phone.port}>"
        self.addCleanup(phone.sock.close)
        return phone

    def test_a_contact_counts_for_who_has_asked(self):
        """1003 has registered a contact that looks like a number outside: alice may ring it, and a gateway's callee may not, though
        it is her call."""
        self.end(self.pair["caller"], self.pair["callee"], ONLY)
        far, gateway = self.at("127.0.0.3", self.OUTSIDE), self.at(TRUSTED, "service")
        self.callee("1003", contact=far.contact)
        plan = next(p for p in self.stack.platform.config["plans"] if p["id"] == "DP_DEMO_BRIDGE_URI")
        plan["data"]["target"] = gateway.contact.strip("<>")
        self.stack.platform.faults()
        call = self.dial(self.user(), "902121230011")
        rung = self.rings(gateway)
        rung.ring().pick_up()
        call.ack(call.final())
        rung.expect_ack()
        self.stack.wait_established(call)
        self.call = call
        caller, callee = Party(call), Party(rung)
        self.refers(callee)
        callee.told(100, 480)
        self.assertIsNone(far.receive(0.3))
        self.refers(caller)
        there = self.rings(far)
        there.say("486 Busy Here", contact=False)
        there.expect_ack()
        caller.told(100, 486)
        self.end(caller, callee, ("call.started", "call.answered", *STAYED[2:4] * 2, "call.ended"))

    def test_a_redirection_counts_for_who_has_asked(self):
        self.end(self.pair["caller"], self.pair["callee"], ONLY)
        self.start(self.outside())
        transferor, stays = self.pair["caller"], self.pair["callee"]
        carol = self.rung_by(transferor)
        carol.say("302 Moved Temporarily", extra=[f"Contact: <sip:{self.OUTSIDE}@sentiric_demo>"], contact=False)
        carol.expect_ack()
        transferor.told(100, 302)
        self.trunk_was_quiet()
        self.end(transferor, stays, STAYED)


class TestOutside(ReferTest):
    """REFER outside of a dialog (RFC 4538)."""

    def outside_refer(self, who, extra=(), credentials_of=None, cseq=0):
        call = Call(who, to="sentiric", caller=getattr(who, "user", "stranger"))
        call.cseq = cseq
        lines = [f"Refer-To: {self.CAROL}", *extra]
        call.request("REFER", extra=lines)
        answer = call.final(5, "REFER")
        if credentials_of and status(answer) == 407:
            value = credentials(challenge_of(answer), "REFER", call.uri, credentials_of.user, credentials_of.password)
            call.request("REFER", extra=[*lines, "Proxy-Authorization: " + value])
            answer = call.final(5, "REFER")
        return call, answer

    def target_dialog(self, call):
        local = call.from_value.split(";tag=")[1]
        remote = call.to_value.split(";tag=")[1]
        return f"Target-Dialog: {call.call_id};local-tag={local};remote-tag={remote}"

    def test_who_is_in_the_dialog(self):
        transferor, stays = self.pair["caller"], self.pair["callee"]
        line = self.target_dialog(self.call)
        call, answer = self.outside_refer(self.call.ua, [line], self.call.ua)
        self.assertEqual(status(answer), 202)
        call.to_value = header(answer, "To")
        apart = Party(call)
        carol = self.rings(self.carol, "carol")
        carol.ring().pick_up()
        carol.expect_ack()
        stays.take_offer()
        apart.told(100, 180, 200)
        self.assertEqual(apart.notified[0][2], "refer")
        self.assertEqual(transferor.hang_up(), 200)
        self.assertEqual(status(carol.bye()), 200)
        stays.expect_bye()
        self.over(JOINED)

    def test_everybody_else(self):
        line = self.target_dialog(self.call)
        bob = self.user("bob")
        carol = self.user("1003")
        carol.password = "carol-secret"
        _, answer = self.outside_refer(self.user(), [line])
        self.assertEqual(status(answer), 407)
        for who, lines in ((bob, [line]), (carol, [line]), (self.call.ua, []), (self.call.ua, ["Target-Dialog: x;local-tag=1;remote-tag=2"]),
                           (self.call.ua, [line.replace("local-tag=", "local-tag=x")]), (self.outside(), [line])):
            with self.subTest(who=getattr(who, "user", "gateway"), lines=lines):
                _, answer = self.outside_refer(who, lines, who)
                self.assertEqual(status(answer), 403)
        self.not_rung()
        self.end(self.pair["caller"], self.pair["callee"], ONLY)


class TestOutsideOfShards(TestOutside):
    """The same with three call-actors: the REFER goes to the one that has the call."""

    settings = {**ReferTest.settings, "CALL_ACTORS": 3}


if __name__ == "__main__":
    unittest.main()
