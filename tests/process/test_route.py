"""Where calls go: who rings, or what the caller is told; what costs money and who is said to call. docs/routing.md"""
import hashlib
import json
import os
import re
import signal
import unittest

from callee import Callee
from digest_ua import Phone, challenge_of, credentials
from harness import P, Stack, wait_for
from ua import Call, Ua, header, status

TRUSTED = "127.0.0.2"  # the gateway: the world outside
PASSWORDS = {"1003": "carol-secret"}
LOGIN = {"user": "us", "secret": 'tr"unk secret', "realm": "trunk realm"}


class RouteTest(unittest.TestCase):
    settings = {}

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(TRUSTED_PEERS=TRUSTED + "/32", SIP_T1_MS=200, **cls.settings)
        cls.trunk = Callee(cls.stack.sip_port, "trunk")
        cls.elsewhere = Callee(cls.stack.sip_port, "elsewhere")
        cls.stack.settings[P + "OUTBOUND_TRUNK"] = f"sip:127.0.0.1:{cls.trunk.port}"
        cls.prepare(cls.stack)
        for plan in cls.stack.platform.config["plans"]:
            if plan["id"] == "DP_DEMO_BRIDGE_URI":
                plan["data"]["target"] = f"sip:service@127.0.0.1:{cls.elsewhere.port}"
        cls.stack.platform.write_config()
        cls.stack.start()

    @classmethod
    def prepare(cls, stack):
        """More settings, before the start."""

    @classmethod
    def tearDownClass(cls):
        cls.stack.close()
        cls.trunk.sock.close()
        cls.elsewhere.sock.close()

    def setUp(self):
        self.trunk.unread.clear()

    def tearDown(self):
        self.stack.assert_clean()

    # --- parties ---

    def callee(self, user, contact=None):
        """A phone that is registered until the test is over."""
        phone = Callee(self.stack.sip_port, user, password=PASSWORDS.get(user))
        self.addCleanup(phone.sock.close)
        self.addCleanup(phone.register, ["*"], ["Expires: 0"])
        self.assertEqual(status(phone.register(["*"], ["Expires: 0"])), 200)
        self.assertEqual(status(phone.register([contact] if contact else None)), 200)
        return phone

    def user(self, name="alice"):
        phone = Phone(self.stack.sip_port, name)
        self.addCleanup(phone.sock.close)
        return phone

    def outside(self):
        ua = Ua(self.stack.sip_port, TRUSTED)
        self.addCleanup(ua.sock.close)
        return ua

    # --- calls ---

    def dial(self, who, to, extra=(), call=None):
        """An INVITE, with credentials when it is challenged."""
        call = call or Call(who, to=to, caller=getattr(who, "user", "905551234567"))
        call.invite(extra=extra)
        if isinstance(who, Phone):
            challenge = challenge_of(call.final())
            call.to_value = call.to_value.split(";tag=")[0]
            value = credentials(challenge, "INVITE", call.uri, who.user, who.password)
            call.invite(extra=[*extra, "Proxy-Authorization: " + value])
        return call

    def refused(self, who, to, code, **how):
        self.assertEqual(status(self.dial(who, to, **how).final()), code)

    def talk(self, call, rung):
        """Rings, answers, and is hung up by the caller."""
        rung.ring()
        call.response(180)
        rung.pick_up()
        answer = call.final()
        self.assertEqual(status(answer), 200)
        call.ack(answer)
        rung.expect_ack()
        self.assertEqual(status(call.bye()), 200)
        rung.expect_bye()
        return rung.request

    def rings(self, who, to, callee, **how):
        call = self.dial(who, to, **how)
        return self.talk(call, callee.rung())

    def answered_by_us(self, who, to):
        call = self.dial(who, to)
        answer = call.final()
        self.assertEqual(status(answer), 200)
        call.ack(answer)
        self.assertEqual(status(call.bye()), 200)

    def trunk_was_quiet(self):
        m = self.trunk.receive(0.3)
        self.assertIsNone(m, m and m.first)


class TestUsers(RouteTest):
    def test_a_user_by_name(self):
        bob = self.callee("bob")
        for who in (self.outside(), self.user()):
            with self.subTest(who=type(who).__name__):
                call = self.dial(who, "bob")
                invite = self.talk(call, bob.rung())
                self.assertEqual(invite.first, f"INVITE sip:bob@127.0.0.1:{bob.port} SIP/2.0")
                started = self.stack.events.wait_ended(call.call_id)[0]
                self.assertEqual(started["dialplanResolution"]["action"]["action"], "BRIDGE_CALL")
                self.assertEqual(started["dialplanResolution"]["tenantId"], "sentiric_demo")
                self.assertEqual([e["eventType"] for e in self.stack.events.wait_ended(call.call_id)],
                                 ["call.started", "call.answered", "call.ended"])

    def test_an_extension_that_is_a_sip_user(self):
        self.rings(self.outside(), "1003", self.callee("1003"))

    def test_an_extension_of_a_sip_user(self):
        self.rings(self.user(), "1002", self.callee("bob"))

    def test_who_is_away_is_480(self):
        for to in ("bob", "1002", "1003"):
            for who in (self.outside(), self.user()):
                with self.subTest(to=to, who=type(who).__name__):
                    self.refused(who, to, 480)

    def test_nobody_of_that_name(self):
        for to in ("nobody", "1999"):
            with self.subTest(to=to):
                self.refused(self.user(), to, 404)  # a user: the dialplan's guest plan is no answer
                self.answered_by_us(self.outside(), to)  # a stranger: it is

    def test_user_service_is_away(self):
        alice, outside = self.user(), self.outside()
        self.refused(alice, "bob", 480)  # alice's credentials are known from here on
        self.stack.platform.faults(GetSipCredentials={"status": "UNAVAILABLE"}, FindUserByContact={"status": "UNAVAILABLE"})
        try:
            self.refused(alice, "nobody2", 503)
            self.refused(alice, "1998", 503)
            self.answered_by_us(outside, "nobody3")
        finally:
            self.stack.platform.faults()

    def test_several_contacts_ring_together(self):
        first, second = Callee(self.stack.sip_port, "bob"), Callee(self.stack.sip_port, "bob")
        for phone in (first, second):
            self.addCleanup(phone.sock.close)
        self.assertEqual(status(first.register(["*"], ["Expires: 0"])), 200)
        self.assertEqual(status(first.register()), 200)
        self.assertEqual(status(second.register()), 200)
        self.addCleanup(first.register, ["*"], ["Expires: 0"])
        call = self.dial(self.outside(), "bob")
        one, other = first.rung(), second.rung()
        one.ring()
        other.ring()
        call.response(180)
        other.pick_up()
        one.expect_cancel()
        answer = call.final()
        call.ack(answer)
        other.expect_ack()
        call.bye()
        other.expect_bye()


class TestNothingIsKept(RouteTest):
    settings = {"CREDENTIALS_S": 0}

    def test_whose_tenant_a_user_is(self):
        """It came with the answer his REGISTER waited for."""
        call = self.dial(self.outside(), "bob")
        self.assertEqual(status(call.final()), 480)
        bob = self.callee("bob")
        call = self.dial(self.outside(), "bob")
        self.talk(call, bob.rung())
        started = self.stack.events.wait_ended(call.call_id)[0]
        self.assertEqual(started["dialplanResolution"]["tenantId"], "sentiric_demo")


class TestUsersOfOtherShards(TestUsers):
    """The same with two call-actors: half of the users belong to the one that the call does not."""
    settings = {"CALL_ACTORS": 2}

    def test_often(self):
        bob = self.callee("bob")
        outside = self.outside()
        for _ in range(8):  # each Call-ID is drawn to one of them
            self.rings(outside, "bob", bob)
        for _ in range(4):
            self.refused(outside, "1003", 480)

    def test_a_kill_on_the_way(self):
        bob = self.callee("bob")
        outside = self.outside()
        for worker in ("orchestrator", "call-actor.0", "call-actor.1", "orchestrator"):
            with self.subTest(worker=worker):
                old = self.stack.kill_worker(worker)
                call = self.dial(outside, "bob")
                self.talk(call, bob.rung(seconds=10))
                self.stack.wait_restarted(old)


    def test_a_kill_while_he_is_looked_for(self):
        """Whose extension it is is asked of an orchestrator that does not answer; both actors die with the question."""
        bob = self.callee("bob")
        outside = self.outside()
        orchestrator = self.stack.worker("orchestrator")["pid"]
        os.kill(orchestrator, signal.SIGSTOP)
        try:
            calls = [self.dial(outside, "1002") for _ in range(3)]
            for call in calls:
                call.response(100)
            wait_for("all look for him", 5, lambda: [c["state"] for c in self.stack.calls()] == ["locating"] * 3)
            for old in [self.stack.kill_worker(f"call-actor.{n}") for n in (0, 1)]:
                self.stack.wait_restarted(old)
        finally:
            os.kill(orchestrator, signal.SIGCONT)
        by_caller = {call.call_id: call for call in calls}
        for _ in calls:
            rung = bob.rung(seconds=10)
            rung.ring()
            ringing = outside.expect("180", 5, lambda m: status(m) == 180 and header(m, "Call-ID") in by_caller)
            call = by_caller.pop(header(ringing, "Call-ID"))
            rung.pick_up()
            call.ack(call.final())
            rung.expect_ack()
            call.bye()
            rung.expect_bye()


class TestPlans(RouteTest):
    def test_plans_that_bridge(self):
        bob, alice = self.callee("bob"), self.callee("alice")
        outside = self.outside()
        self.rings(outside, "902121230003", bob)
        self.rings(outside, "902121230004", alice)
        invite = self.rings(outside, "902121230005", self.trunk)
        self.assertEqual(invite.first, f"INVITE sip:905559999999@127.0.0.1:{self.trunk.port} SIP/2.0")
        invite = self.rings(outside, "902121230011", self.elsewhere)
        self.assertEqual(invite.first, f"INVITE sip:service@127.0.0.1:{self.elsewhere.port} SIP/2.0")
        invite = self.rings(outside, "902121230012", self.trunk)
        self.assertEqual(invite.first, f"INVITE sip:902121230012@127.0.0.1:{self.trunk.port} SIP/2.0")

    def test_a_plan_to_somebody_who_is_away(self):
        self.refused(self.outside(), "902121230003", 480)

    def test_numbers_of_users(self):
        alice = self.user()
        for dialled in ("05551112233", "+905551112233", "00905551112233"):
            with self.subTest(dialled=dialled):
                invite = self.rings(alice, dialled, self.trunk)
                self.assertEqual(invite.first, f"INVITE sip:905551112233@127.0.0.1:{self.trunk.port} SIP/2.0")
        self.answered_by_us(alice, "902121234567")  # served

    def test_numbers_of_strangers_stay_here(self):
        self.answered_by_us(self.outside(), "05551112233")
        self.trunk_was_quiet()

    def test_no_port_is_taken_for_what_leaves(self):
        before = len(self.stack.platform.ledger("allocate"))
        self.rings(self.user(), "05551112233", self.trunk)
        self.rings(self.outside(), "902121230003", self.callee("bob"))
        self.refused(self.user(), "nobody", 404)
        self.assertEqual(len(self.stack.platform.ledger("allocate")), before)


class TestNoTrunk(RouteTest):
    @classmethod
    def prepare(cls, stack):
        del stack.settings[P + "OUTBOUND_TRUNK"]

    def test_numbers_are_404(self):
        self.refused(self.user(), "05551112233", 404)
        self.refused(self.outside(), "902121230005", 404)
        self.refused(self.outside(), "902121230012", 404)
        self.answered_by_us(self.user(), "902121234567")


class TestTrunkAway(RouteTest):
    @classmethod
    def prepare(cls, stack):
        stack.settings[P + "OUTBOUND_TRUNK"] = "sip:trunk.invalid"

    def test_a_trunk_that_cannot_be_reached(self):
        call = self.dial(self.user(), "05551112233")
        self.assertEqual(status(call.final()), 500)
        ended = self.stack.events.wait_ended(call.call_id)[-1]
        self.assertEqual(ended["reason"], "failure")
        line = next(x for x in self.stack.log().splitlines() if "request cannot be sent" in x)
        leg = json.loads(line)["call_id"]
        self.assertEqual(self.stack.ctl("call", leg)["call_id"], call.call_id)  # it leads an operator to the call


class TestTollFraud(RouteTest):
    """What a callee says and what a phone registers leads nobody where he could not go himself."""

    def redirect(self, who, contact):
        bob = self.callee("bob")
        call = self.dial(who, "bob")
        rung = bob.rung()
        rung.say("302 Moved", extra=[f"Contact: <{contact}>"], contact=False)
        rung.expect_ack()
        return call

    def test_a_redirection_to_another_phone(self):
        carol = self.callee("1003")
        for contact in (f"sip:carol@127.0.0.1:{carol.port}", f"sip:1003@127.0.0.1:{self.stack.sip_port}"):
            with self.subTest(contact=contact):
                self.talk(self.redirect(self.outside(), contact), carol.rung())

    def test_a_redirection_to_a_number(self):
        ours, trunk = self.stack.sip_port, self.trunk.port
        for contact in (f"sip:+19005551234@127.0.0.1:{ours}", "tel:+19005551234", f"sip:+19005551234@127.0.0.1:{trunk}",
                        f"sip:any@127.0.0.1:{trunk}", f"sip:%2b1900@127.0.0.1:{self.elsewhere.port}"):
            with self.subTest(contact=contact):
                call = self.redirect(self.outside(), contact)
                self.assertGreaterEqual(status(call.final()), 400)
                self.trunk_was_quiet()
        self.assertIsNone(self.elsewhere.receive(0.3))
        call = self.redirect(self.user(), "tel:+19005551234")  # a user could have called it himself
        self.talk(call, self.trunk.rung())

    def test_a_contact_at_the_trunk(self):
        bob = self.callee("bob", f"<sip:19005551234@127.0.0.1:{self.trunk.port}>")
        self.refused(self.outside(), "bob", 480)
        self.refused(self.user(), "bob", 480)
        self.assertEqual(status(bob.register(["*"], ["Expires: 0"])), 200)
        self.assertEqual(status(bob.register([f"<sip:bob@127.0.0.1:{self.stack.sip_port}>"])), 200)  # ourselves
        self.refused(self.outside(), "bob", 480)
        self.trunk_was_quiet()

    def test_a_path_to_the_trunk(self):
        bob = self.callee("bob")
        self.assertEqual(status(bob.register(["*"], ["Expires: 0"])), 200)
        answer = bob.register(["<sip:19005551234@192.0.2.1>"],
                              ["Supported: path", f"Path: <sip:127.0.0.1:{self.trunk.port};lr>"])
        self.assertEqual(status(answer), 200)
        self.refused(self.user(), "bob", 480)
        self.trunk_was_quiet()

    def test_from_must_be_the_users(self):
        alice = self.user()
        for value in ("<sip:bob@sentiric_demo>", '"alice" <sip:bob@sentiric_demo>', "<tel:+905550000001>", "<sip:sentiric_demo>",
                      "<sip:alice%40x@sentiric_demo>", "<sip:alice;x=1@sentiric_demo>", "<sip:Alice@sentiric_demo>"):
            with self.subTest(value=value):
                call = Call(alice, to="902121234567", caller="alice")
                call.from_value = f"{value};tag=1"
                self.refused(alice, "902121234567", 403, call=call)
        call = Call(alice, to="902121230005", caller="alice")
        call.from_value = '"A" <sip:%61lice@elsewhere.example>;tag=1'  # it is his, and its host goes nowhere
        invite = self.rings(alice, "902121230005", self.trunk, call=call)
        self.assertRegex(header(invite, "From"), r'^"A" <sip:%61lice@127\.0\.0\.1>;tag=')


class TestIdentity(RouteTest):
    def test_what_the_trunk_is_told(self):
        outside = self.outside()
        invite = self.rings(outside, "902121230005", self.trunk,
                            extra=["P-Asserted-Identity: <sip:+902129999999@gw>, <tel:+902129999999>"])
        self.assertEqual(header(invite, "P-Asserted-Identity"), "<sip:+902129999999@gw>, <tel:+902129999999>")
        self.assertRegex(header(invite, "From"), r'^"Caller" <sip:905551234567@127\.0\.0\.1>;tag=')
        invite = self.rings(outside, "902121230005", self.trunk,
                            extra=["P-Asserted-Identity: <sip:+902129999999@gw>", "Privacy: id"])
        self.assertEqual(header(invite, "Privacy"), "id")
        self.assertRegex(header(invite, "From"), r'^"Anonymous" <sip:anonymous@anonymous\.invalid>;tag=')
        invite = self.rings(self.user(), "05551112233", self.trunk, extra=["P-Asserted-Identity: <sip:boss@gw>"])
        self.assertEqual(header(invite, "P-Asserted-Identity"), "<sip:alice@127.0.0.1>")

    def test_what_a_phone_is_told(self):
        bob, outside = self.callee("bob"), self.outside()
        invite = self.rings(outside, "bob", bob, extra=["P-Asserted-Identity: <sip:+902129999999@gw>"])
        self.assertIsNone(header(invite, "P-Asserted-Identity"))
        self.assertRegex(header(invite, "From"), r"<sip:905551234567@127\.0\.0\.1>;tag=")
        for privacy in ("id", "user;critical"):
            invite = self.rings(outside, "bob", bob, extra=["P-Asserted-Identity: <sip:+902129999999@gw>",
                                                            f"Privacy: {privacy}"])
            text = "\n".join(v for _, v in invite.headers)
            self.assertNotIn("905551234567", text)
            self.assertNotIn("902129999999", text)
        self.refused(outside, "bob", 500, extra=["Privacy: session;critical"])


class TestDomains(RouteTest):
    @classmethod
    def prepare(cls, stack):
        stack.settings[P + "DOMAINS"] = "sip.example.com,pbx.example.com"
        for plan in stack.platform.config["plans"]:
            if plan["id"] == "DP_DEMO_BRIDGE_BOB":
                plan["data"]["target"] = "sip:bob@pbx.example.com"

    def test_hosts_that_are_ours(self):
        invite = self.rings(self.user(), "902121230003", self.callee("bob"))
        self.assertRegex(header(invite, "From"), r"<sip:alice@sip\.example\.com>;tag=")
        invite = self.rings(self.user(), "05551112233", self.trunk)
        self.assertEqual(header(invite, "P-Asserted-Identity"), "<sip:alice@sip.example.com>")


class TestTrunkDigest(RouteTest):
    @classmethod
    def prepare(cls, stack):
        path = f"{stack.dir}/trunk.secret"
        with open(path, "w", encoding="utf-8") as f:
            f.write(LOGIN["secret"] + "\nnot this\n")
        stack.settings[P + "OUTBOUND_TRUNK_USER"] = LOGIN["user"]
        stack.settings[P + "OUTBOUND_TRUNK_SECRET_FILE"] = path
        stack.settings[P + "OUTBOUND_TRUNK_REALM"] = LOGIN["realm"]

    def fields(self, invite, name):
        return {k: v.strip('"') for k, v in re.findall(r'([\w-]+)=("[^"]*"|[^\s,]+)', header(invite, name) or "")}

    def assert_right(self, invite, name, algorithm=hashlib.md5):
        def h(*parts):
            return algorithm(":".join(parts).encode()).hexdigest()
        f = self.fields(invite, name)
        self.assertEqual((f["username"], f["realm"]), (LOGIN["user"], LOGIN["realm"]))
        self.assertEqual(f["uri"], invite.first.split()[1])
        middle = (f["nc"], f["cnonce"], "auth") if "qop" in f else ()
        self.assertEqual(f["response"], h(h(LOGIN["user"], LOGIN["realm"], LOGIN["secret"]), f["nonce"], *middle,
                                          h("INVITE", f["uri"])))

    def challenged(self, header_line, code="407 Proxy Authentication Required"):
        """A call to the trunk that has been challenged. returns it and what the trunk saw first"""
        call = self.dial(self.user(), "05551112233")
        rung = self.trunk.rung()
        self.assertIsNone(header(rung.request, "Proxy-Authorization"))
        rung.say(code, extra=[header_line], contact=False)
        rung.expect_ack()
        return call, rung

    def test_answered(self):
        for line, name, code, algorithm in (
                (f'Proxy-Authenticate: Digest realm="{LOGIN["realm"]}", nonce="n1", qop="auth,auth-int", opaque="o"',
                 "Proxy-Authorization", "407 No", hashlib.md5),
                (f'WWW-Authenticate: Digest realm="{LOGIN["realm"]}", nonce="n2"', "Authorization", "401 No", hashlib.md5),
                (f'Proxy-Authenticate: Digest realm="{LOGIN["realm"]}", nonce="n3", algorithm=SHA-256, qop="auth"',
                 "Proxy-Authorization", "407 No", hashlib.sha256)):
            with self.subTest(line=line):
                call, first = self.challenged(line, code)
                rung = self.trunk.rung()
                self.assert_right(rung.request, name, algorithm)
                self.assertEqual(header(rung.request, "Call-ID"), header(first.request, "Call-ID"))
                self.assertGreater(int(header(rung.request, "CSeq").split()[0]), int(header(first.request, "CSeq").split()[0]))
                self.talk(call, rung)
        self.assertNotIn(LOGIN["secret"], self.stack.log())
        self.assertNotIn("trunk secret", json.dumps(self.stack.ctl("status")))

    def test_another_realm_gets_nothing(self):
        call, _ = self.challenged('Proxy-Authenticate: Digest realm="trunk realm.evil.example", nonce="n1"')
        answer = call.final()
        self.assertNotIn(status(answer), (401, 407))
        self.assertIsNone(header(answer, "Proxy-Authenticate"))
        self.trunk_was_quiet()

    def test_refused_is_refused(self):
        line = f'Proxy-Authenticate: Digest realm="{LOGIN["realm"]}", nonce="%s"'
        call, _ = self.challenged(line % "n1")
        rung = self.trunk.rung()
        rung.say("407 No", extra=[line % "n2"], contact=False)
        rung.expect_ack()
        self.assertNotIn(status(call.final()), (401, 407))
        self.trunk_was_quiet()

    def test_stale(self):
        line = f'Proxy-Authenticate: Digest realm="{LOGIN["realm"]}", nonce="%s"'
        call, _ = self.challenged(line % "n1")
        rung = self.trunk.rung()
        rung.say("407 No", extra=[line % "n2" + ", stale=true"], contact=False)
        rung.expect_ack()
        rung = self.trunk.rung()
        self.assertEqual(self.fields(rung.request, "Proxy-Authorization")["nonce"], "n2")
        self.talk(call, rung)

    def test_a_phone_that_asks_gets_nothing(self):
        bob = self.callee("bob")
        call = self.dial(self.outside(), "bob")
        rung = bob.rung()
        rung.say("407 No", extra=[f'Proxy-Authenticate: Digest realm="{LOGIN["realm"]}", nonce="n1"'], contact=False)
        rung.expect_ack()
        self.assertNotIn(status(call.final()), (401, 407))
        again = bob.receive(0.5)
        self.assertIsNone(again, again and again.first)


if __name__ == "__main__":
    unittest.main()
