"""REGISTER with digest: RFC 3261 §10 and §22 as a phone sees them, and what survives a kill."""
import re
import select
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import harness
import peers
import regload
import sipp
from digest_ua import Phone, StreamPhone, challenge_of, contacts_of, credentials, md5
from harness import Stack
from ua import Call, header, status


class RegisterTest(unittest.TestCase):
    settings = {}

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(**cls.settings).start()

    @classmethod
    def tearDownClass(cls):
        cls.stack.close()

    def phone(self, user="alice", **how):
        phone = Phone(self.stack.sip_port, user, **how)
        self.addCleanup(phone.sock.close)
        return phone

    def fresh(self, user="alice", **how):
        """A phone of a user without bindings."""
        phone = self.phone(user, **how)
        self.assertEqual(status(phone.register(["*"], ["Expires: 0"])), 200)
        return phone

    def bindings(self, phone):
        return contacts_of(phone.register([]))


class TestDigest(RegisterTest):
    def test_challenge(self):
        answer = self.phone().ask_register()
        self.assertEqual(status(answer), 401)
        c = challenge_of(answer)
        self.assertEqual((c["realm"], c["qop"], c["algorithm"]), ("sentiric_demo", "auth", "MD5"))
        self.assertGreater(len(c["nonce"]), 30)
        self.assertNotIn("stale", c)

    def test_right_password(self):
        for qop in ("auth", None):
            with self.subTest(qop=qop):
                phone = self.phone()
                phone.challenge = challenge_of(phone.ask_register())
                answer = phone.ask_register([phone.contact], [phone.authorization(qop=qop)])
                self.assertEqual(status(answer), 200)
                self.assertIn(phone.contact.strip("<>"), contacts_of(answer))
                self.assertRegex(header(answer, "Date"), r"^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$")

    def test_wrong_password_and_unknown_user_look_the_same(self):
        answers = []
        for user in ("bob", "nobody-at-all"):
            phone = self.phone(user, password="wrong")
            answers.append(phone.register())
        for a in answers:
            self.assertEqual(status(a), 401)
            self.assertNotIn("stale", challenge_of(a))
        shape = [[n for n, _ in a.headers] for a in answers]
        self.assertEqual(shape[0], shape[1])
        self.assertEqual(status(self.phone("bob").register()), 200)

    def test_somebody_elses_address_is_forbidden(self):
        phone = self.phone("bob")
        phone.call.to_value = "<sip:alice@sentiric_demo>"
        self.assertEqual(status(phone.register()), 403)

    def test_a_replayed_request_gets_a_fresh_challenge(self):
        phone = self.phone()
        self.assertEqual(status(phone.register()), 200)
        used = [line for line in phone.sent.split("\r\n") if line.startswith("Authorization")]
        answer = phone.ask_register([phone.contact], used)
        self.assertEqual((status(answer), challenge_of(answer)["stale"]), (401, "true"))
        self.assertEqual(status(phone.ask_register([phone.contact], [phone.authorization()])), 200)  # nc goes on
        phone.nonce_count -= 1
        self.assertEqual(status(phone.ask_register([phone.contact], [phone.authorization()])), 401)

    def test_without_qop_a_nonce_is_good_once(self):
        phone = self.phone()
        phone.challenge = challenge_of(phone.ask_register())
        self.assertEqual(status(phone.ask_register([], [phone.authorization(qop=None)])), 200)
        answer = phone.ask_register([], [phone.authorization(qop=None)])
        self.assertEqual((status(answer), challenge_of(answer)["stale"]), (401, "true"))

    def test_nonces_that_are_not_ours_are_stale(self):
        phone = self.phone()
        for nonce in ("dcd98b7102dd2f0e8b11d0f600bfb0c093", "A" * 43, "x" * 1900, "-"):
            with self.subTest(nonce=nonce[:40]):
                phone.challenge = {"realm": "sentiric_demo", "nonce": nonce}
                answer = phone.ask_register([], [phone.authorization()])
                self.assertEqual((status(answer), challenge_of(answer)["stale"]), (401, "true"))

    def test_malformed_credentials(self):
        """docs/conformance: OpenSIPS cb0680a, CVE-2023-28098."""
        phone = self.phone()
        phone.challenge = challenge_of(phone.ask_register())
        for name in ("username", "nonce", "uri", "response", "nc", "cnonce", "realm"):
            with self.subTest(without=name):
                self.assertEqual(status(phone.ask_register([], [phone.authorization(**{name: None}) if name not in ("nc", "realm")
                                 else re.sub(rf', {name}=[^,]*', "", phone.authorization())])), 400)
        for value in ("Digest", "Digest ", 'Digest realm="sentiric_demo', "Digest ,,,", 'Digest username="a"' * 3,
                      "", "=", 'Digest realm="sentiric_demo", nonce="' + "x" * 4096 + '"'):
            with self.subTest(value=value[:40]):
                self.assertEqual(status(phone.ask_register([], ["Authorization: " + value])), 400)
        for qop in ("auth-int", "nonsense"):
            with self.subTest(qop=qop):
                self.assertEqual(status(phone.ask_register([], [phone.authorization(qop=qop)])), 400)

    def test_credentials_for_others_are_passed_over(self):
        phone = self.phone()
        phone.challenge = challenge_of(phone.ask_register())
        others = ["Authorization: Basic YWxpY2U6c2VjcmV0",
                  "Authorization: " + credentials(phone.challenge, "REGISTER", "sip:x", "alice", "x", realm="other.example"),
                  re.sub("algorithm=MD5", "algorithm=SHA-256", phone.authorization())]
        self.assertEqual(status(phone.ask_register([], others)), 401)
        self.assertEqual(status(phone.ask_register([], [*others, phone.authorization()])), 200)


class TestBindings(RegisterTest):
    def test_add_refresh_query_remove(self):
        phone = self.fresh()
        uri = phone.contact.strip("<>")
        self.assertEqual(contacts_of(phone.register([phone.contact + ";expires=120"])), {uri: {"expires": "120"}})
        self.assertEqual(contacts_of(phone.register([phone.contact], ["Expires: 300"])), {uri: {"expires": "300"}})
        self.assertEqual(list(self.bindings(phone)), [uri])
        self.assertEqual(contacts_of(phone.register([phone.contact + ";expires=0"])), {})

    def test_parameter_over_header_over_default(self):
        phone = self.fresh()
        answer = phone.register(["<sip:a@h>;expires=100;q=0.5", "<sip:b@h>", "<sip:c@h>;expires=999999"], ["Expires: 200"])
        self.assertEqual({u: p["expires"] for u, p in contacts_of(answer).items()},
                         {"sip:a@h": "100", "sip:b@h": "200", "sip:c@h": "7200"})
        self.assertEqual(contacts_of(answer)["sip:a@h"]["q"], "0.5")
        phone = self.fresh("bob")
        self.assertEqual(contacts_of(phone.register(["<sip:d@h>"]))["sip:d@h"]["expires"], "3600")

    def test_too_brief(self):
        phone = self.fresh()
        answer = phone.register(["<sip:a@h>", "<sip:b@h>;expires=59"])
        self.assertEqual((status(answer), header(answer, "Min-Expires")), (423, "60"))
        self.assertEqual(self.bindings(phone), {})  # all or nothing

    def test_star(self):
        phone = self.fresh()
        phone.register(["<sip:a@h>", "<sip:b@h>"])
        for contacts, extra in ((["*"], []), (["*"], ["Expires: 60"]), (["*", "<sip:a@h>"], ["Expires: 0"])):
            with self.subTest(contacts=contacts, extra=extra):
                self.assertEqual(status(phone.register(contacts, extra)), 400)
        self.assertEqual(len(self.bindings(phone)), 2)
        self.assertEqual(contacts_of(phone.register(["*"], ["Expires: 0"])), {})

    def test_same_uri_is_one_binding(self):
        phone = self.fresh()
        phone.register(["<sip:alice@EXAMPLE.com;transport=udp>"])
        answer = phone.register(["<sip:%61lice@example.com;transport=UDP>;expires=90"])
        self.assertEqual(contacts_of(answer), {"sip:%61lice@example.com;transport=UDP": {"expires": "90"}})

    def test_cseq_order_of_one_call_id(self):
        phone = self.fresh()
        phone.call.cseq = old = 100
        phone.register(["<sip:a@h>;expires=100"])
        answer = phone.ask_register(["<sip:b@h>", "<sip:a@h>;expires=500"], [phone.authorization()], cseq=old - 1)
        self.assertEqual(status(answer), 500)
        self.assertEqual({u: p["expires"] for u, p in self.bindings(phone).items()}, {"sip:a@h": "100"})
        phone.call.call_id += "-restarted"
        self.assertEqual(status(phone.ask_register(["<sip:a@h>;expires=500"], [phone.authorization()], cseq=1)), 200)

    def test_contacts_that_are_none(self):
        phone = self.fresh()
        for contact in ("None", "<tel:+905551234567>", "<sip:a@h", "<sip:a@h>;q=7", "<mailto:a@b>", '"x <sip:a@h>'):
            with self.subTest(contact=contact):
                self.assertEqual(status(phone.register([contact])), 400)

    def test_limit_of_contacts(self):
        phone = self.fresh()
        self.assertEqual(status(phone.register([f"<sip:c{n}@h>" for n in range(10)])), 200)
        self.assertEqual(status(phone.register(["<sip:c10@h>"])), 403)
        self.assertEqual(status(phone.register(["<sip:c0@h>;expires=0", "<sip:c10@h>"])), 200)
        self.fresh()

    def test_path_and_outbound(self):
        phone = self.fresh()
        ob = '<sip:alice@127.0.0.1:{port}>;reg-id={reg};+sip.instance="<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>"'
        answer = phone.register([ob.format(port=4000, reg=1)], ["Supported: path, outbound", "Path: <sip:p.example;lr;ob>"])
        self.assertEqual((status(answer), header(answer, "Require")), (200, "outbound"))
        self.assertEqual(header(answer, "Path"), "<sip:p.example;lr;ob>")
        answer = phone.register([ob.format(port=4001, reg=1)], ["Supported: outbound"])  # the same flow from another port
        self.assertEqual(list(contacts_of(answer)), ["sip:alice@127.0.0.1:4001"])
        self.assertEqual(contacts_of(answer)["sip:alice@127.0.0.1:4001"]["reg-id"], "1")
        answer = phone.register([ob.format(port=4002, reg=2)], ["Supported: outbound"])
        self.assertEqual(len(contacts_of(answer)), 2)
        answer = phone.register([ob.format(port=4003, reg=3)],
                                ["Supported: outbound", "Via: SIP/2.0/UDP proxy.example;branch=z9hG4bKp"])
        self.assertEqual(status(answer), 439)
        self.assertEqual(status(phone.register([], ["Require: path"])), 200)
        answer = phone.register([], ["Require: path, gruu"])
        self.assertEqual((status(answer), header(answer, "Unsupported")), (420, "gruu"))

    def test_to_without_user(self):
        phone = self.phone()
        for to in ("<sip:sentiric_demo>", "<sip:a%00@sentiric_demo>", "<tel:+905551234567>"):
            with self.subTest(to=to):
                phone.call.to_value = to
                self.assertEqual(status(phone.ask_register()), 404)


class TestCalls(RegisterTest):
    """Strangers' INVITEs: everybody is one here."""
    settings = {"TRUSTED_PEERS": "192.0.2.0/24", "AUTH_FAILURES_MAX": 5, "CREDENTIALS_S": 1}

    def test_a_user_calls(self):
        for qop in ("auth", None):
            with self.subTest(qop=qop):
                call, answer = self.phone().invite(qop=qop)
                self.assertEqual(status(answer), 200)
                call.ack(answer)
                self.assertEqual(status(call.bye()), 200)
        self.stack.assert_clean()

    def test_who_may_not(self):
        for how, expected in (({"password": "wrong"}, 407), ({"caller": "bob"}, 403), ({"caller": "nobody"}, 403)):
            with self.subTest(**how):
                self.assertEqual(status(self.phone().invite(**how)[1]), expected)

    def test_a_cancel_while_user_service_is_asked(self):
        self.stack.platform.pause()
        self.addCleanup(self.stack.platform.resume)
        phone = self.phone("bob")
        call = Call(phone, caller="bob")
        challenge = challenge_of(call.invite().final())
        call.to_value = call.to_value.split(";tag=")[0]
        call.invite(extra=["Proxy-Authorization: " + credentials(challenge, "INVITE", call.uri, "bob", "bob-secret")])
        call.response(100)
        phone.send(call.text("CANCEL", call.cseq, call.branch))
        self.assertEqual(status(phone.expect("200", 3, lambda m: call.mine(m, "CANCEL"))), 200)
        self.assertEqual(status(call.final()), 487)

    def test_user_service_away_is_503(self):
        self.stack.platform.pause()
        try:
            answer = self.phone("1003", password="carol-secret").register(seconds=10)
        finally:
            self.stack.platform.resume()
        self.assertEqual(status(answer), 503)
        self.assertGreater(int(header(answer, "Retry-After")), 0)
        harness.wait_for("the same phone is served", 10, lambda: status(
            self.phone("1003", password="carol-secret").register(seconds=10)) == 200)

    def test_too_many_failures(self):
        """A pair of source and user is not checked any more; other users at the same address are."""
        guesser = self.phone("bob", password="guess", host="127.0.0.7")
        for _ in range(8):
            guesser.challenge = None
            self.assertEqual(status(guesser.register()), 401)
        guesser.password, guesser.challenge = "bob-secret", None
        self.assertEqual(status(guesser.register()), 401)
        self.assertEqual(status(self.phone("alice", host="127.0.0.7").register()), 200)
        self.assertEqual(status(self.phone("bob").register()), 200)
        told = [line for line in self.stack.log().splitlines() if "too many wrong passwords" in line]
        self.assertEqual(len(told), 1, told)

    def test_no_secret_in_the_log(self):
        self.assertEqual(status(self.phone().register()), 200)
        for secret in ("alice-secret", "response=", md5("alice", "sentiric_demo", "alice-secret")):
            self.assertNotIn(secret, self.stack.log())


class TestShards(RegisterTest):
    settings = {"CALL_ACTORS": 3}

    def test_a_user_is_always_at_the_same_shard(self):
        for user, password in (("alice", None), ("bob", None), ("1003", "carol-secret")):
            one, other = self.phone(user, password=password), self.phone(user, password=password)
            self.assertEqual(status(one.register()), 200)
            self.assertEqual(len(contacts_of(other.register())), 2)
        rows = self.stack.ctl("registrations")["registrations"]
        self.assertEqual(len(rows), 6)
        harness.wait_for("the count in status", 3, lambda: self.stack.ctl("status")["registrations"] == 6)


class TestOtherShards(unittest.TestCase):
    """_CALL_ACTORS is changed: every binding moves to the shard its user belongs to now, and none comes back from before."""
    users = 60

    def again(self, stack, shards, kill=0):
        """The service stopped (or killed) and started with so many shards; killed while they put things in order."""
        stack.stop()
        stack.settings[harness.P + "CALL_ACTORS"] = shards
        stack.spawn()
        for n in range(kill):
            with suppress(AssertionError, TypeError, ProcessLookupError, StopIteration):
                stack.kill_worker(f"call-actor.{n}")
        stack.wait_ready(30)
        harness.wait_for("every shard has been asked", 5, lambda: not stack.ctl("registrations").get("missing"))

    def seen(self, stack):
        return sorted((r["aor"], r["contact"]) for r in stack.ctl("registrations")["registrations"])

    def test_bindings_move(self):
        stack = Stack(events=False)
        stack.platform.config["users"] += [{"id": f"u{n}", "tenant": "t", "sip": {"username": f"u{n}", "password": f"u{n}-secret"}}
                                           for n in range(self.users)]
        stack.platform.write_config()
        with stack.start():
            for n in range(self.users):
                with Phone(stack.sip_port, f"u{n}") as phone:
                    self.assertEqual(status(phone.register()), 200)
            wanted = self.seen(stack)
            self.assertEqual(len(wanted), self.users)
            for shards, kill in ((3, 3), (2, 0), (5, 2), (1, 0)):
                with self.subTest(shards=shards):
                    self.again(stack, shards, kill)
                    self.assertEqual(self.seen(stack), wanted)
                    leaver = f"u{shards}"  # whoever leaves now does not come back with a store of before
                    with Phone(stack.sip_port, leaver) as phone:
                        self.assertEqual(len(contacts_of(phone.register([]))), 1)
                        self.assertEqual(status(phone.register(["*"], ["Expires: 0"])), 200)
                    wanted = [w for w in wanted if not w[0].startswith(f"sip:{leaver}@")]
                    self.assertEqual(self.seen(stack), wanted)
            self.again(stack, 5)
            self.assertEqual(self.seen(stack), wanted)


class TestService(RegisterTest):
    """RegistrarService, at the shard of the user among two."""
    settings = {"CALL_ACTORS": 2}

    def ask(self, *what):
        answer = peers.registrar(self.stack, *what)
        return answer["status"], answer.get("contacts", [])

    def test_register_lookup_unregister(self):
        for user in ("alice", "bob"):
            with self.subTest(user=user):
                aor = f"sip:{user}@sentiric_demo"
                phone = self.fresh(user)
                self.assertEqual(self.ask("lookup", aor), ("OK", []))
                self.assertEqual(self.ask("register", aor, f"<sip:{user}@192.0.2.1:5070>", 600)[0], "OK")
                self.assertEqual(status(phone.register([phone.contact + ";q=0.5"])), 200)
                self.assertEqual(self.ask("lookup", aor), ("OK", [f"sip:{user}@192.0.2.1:5070", phone.contact.strip("<>")]))
                self.assertEqual(self.ask("register", aor, f"sip:{user}@192.0.2.1:5070", 0)[0], "OK")
                self.assertEqual(self.ask("lookup", aor), ("OK", [phone.contact.strip("<>")]))
                self.assertEqual(self.ask("unregister", aor)[0], "OK")
                self.assertEqual(self.bindings(phone), {})

    def test_refused(self):
        self.assertEqual(self.ask("register", "sip:sentiric_demo", "sip:a@h", 60)[0], "INVALID_ARGUMENT")
        self.assertEqual(self.ask("register", "sip:alice@sentiric_demo", "None", 60)[0], "INVALID_ARGUMENT")
        self.assertEqual(self.ask("register", "sip:nobody@sentiric_demo", "sip:a@h", 60)[0], "UNAUTHENTICATED")
        self.assertEqual(self.ask("lookup", "sip:nobody@sentiric_demo"), ("OK", []))


class TestShown(RegisterTest):
    def test_registrations(self):
        phone = self.fresh()
        self.assertEqual(status(phone.register(extra=["User-Agent: test phone/1.0"])), 200)
        row, = self.stack.ctl("registrations")["registrations"]
        self.assertLessEqual({"aor", "contact", "expires_s", "source", "user_agent"}, set(row))
        self.assertEqual((row["aor"], row["contact"], row["user_agent"], row["source"]),
                         ("sip:alice@sentiric_demo", phone.contact.strip("<>"), "test phone/1.0", f"127.0.0.1:{phone.port}"))
        self.assertTrue(3590 <= row["expires_s"] <= 3600)
        harness.wait_for("the count in status", 3, lambda: self.stack.ctl("status")["registrations"] == 1)


    def test_unregister(self):
        phone = self.fresh()
        phone.register(["<sip:a@h>", "<sip:b@h>"])
        rows = self.stack.ctl("registrations", "alice")["registrations"]
        self.assertEqual([r["contact"] for r in rows], ["sip:a@h", "sip:b@h"])
        self.assertEqual(self.stack.ctl("registrations", "sip:nobody@sentiric_demo")["registrations"], [])
        self.assertEqual(self.stack.ctl("unregister", "sip:alice@sentiric_demo", "sip:a@h")["removed"], 1)
        self.assertEqual(list(self.bindings(phone)), ["sip:b@h"])
        self.assertEqual(self.stack.ctl("unregister", "alice")["removed"], 1)
        self.assertEqual(self.bindings(phone), {})
        self.assertEqual(self.stack.ctl_raw("unregister", "alice").returncode, 1)


class TestKeepalive(RegisterTest):
    """What keeps a phone reachable, and what is known of one that is not; OPTIONS: test_register_phones."""
    settings = {"KEEPALIVE_S": 1}

    def row(self, user):
        return next(iter(self.stack.ctl("registrations", user)["registrations"]), None)

    def test_crlf_to_a_phone_behind_nat(self):
        """It says 127.0.0.1 in Via and comes from another address. One that comes from where it says gets nothing."""
        behind, plain = self.phone("bob", host="127.0.0.9"), self.phone("alice")
        for phone in (behind, plain):
            self.assertEqual(status(phone.register()), 200)
        self.assertTrue(self.row("bob")["nat"])
        for _ in range(2):
            self.assertTrue(select.select([behind.sock], [], [], 3 * harness.SLOW)[0])
            self.assertEqual(behind.sock.recv(100), b"\r\n\r\n")
        self.assertFalse(select.select([plain.sock], [], [], 0)[0])

    def test_a_connection(self):
        phone = StreamPhone(self.stack.sip_port, "1003", password="carol-secret")
        self.assertEqual(status(phone.register()), 200)
        self.assertIsNone(phone.receive(2.5 * harness.SLOW))
        self.assertGreaterEqual(phone.pongs, 2)  # lines between messages
        self.stack.wait_restarted(self.stack.kill_worker("sip-edge"))
        self.assertTrue(phone.wait_closed())
        harness.wait_for("the binding is there, its connection is not", 5, lambda: self.row("1003").get("connection_lost"))
        phone.sock.close()
        phone = StreamPhone(self.stack.sip_port, "1003", password="carol-secret")
        self.assertEqual(status(phone.register(["*"], ["Expires: 0"])), 200)
        self.assertEqual(status(phone.register()), 200)
        self.assertNotIn("connection_lost", self.row("1003"))
        phone.sock.close()  # the Contact is this connection's own end
        harness.wait_for("the binding has left with its connection", 5, lambda: self.row("1003") is None)


class TestKill(unittest.TestCase):
    def test_bindings_outlive_every_kill(self):
        with Stack().start() as stack:
            phones = [Phone(stack.sip_port, user) for user in ("alice", "bob", "1003")]
            for phone in phones:
                phone.password = {"1003": "carol-secret"}.get(phone.user, phone.password)
                self.assertEqual(status(phone.register()), 200)
            for worker in ("call-actor", "sip-edge", "call-actor"):
                stack.kill_worker(worker)
                for phone in phones:
                    with self.subTest(worker=worker, user=phone.user):
                        answer = phone.register([], seconds=10)
                        self.assertEqual((status(answer), list(contacts_of(answer))), (200, [phone.contact.strip("<>")]))
            for phone in phones:
                phone.sock.close()

    def test_kills_under_load(self):
        """SIPp registers on while workers are killed: no registration fails, and none of before is forgotten."""
        with Stack().start() as stack, tempfile.TemporaryDirectory() as folder:
            bob = Phone(stack.sip_port, "bob")
            self.assertEqual(status(bob.register()), 200)
            load = sipp.start(stack.sip_port, folder, calls=600, rate=100, service="alice", name="register.xml", limit=2000)
            for worker in ("call-actor", "sip-edge", "call-actor", "orchestrator"):
                stack.wait_restarted(stack.kill_worker(worker))
            result = sipp.finish(load, folder, 60)
            self.assertEqual((result.ok, result.failed), (600, 0), result.text)
            rows = {r["aor"]: r["contact"] for r in stack.ctl("registrations")["registrations"]}
            self.assertEqual(rows["sip:bob@sentiric_demo"], bob.contact.strip("<>"))
            self.assertEqual(len(rows), 2)
            bob.sock.close()

    def test_500_a_second(self):
        """Half a thousand registrations a second while workers are killed: every one succeeds, and every one is there."""
        users, rate = 2000, 500
        stack = Stack(events=False, LOG_LEVEL="warn")
        stack.platform.config["users"] += [{"id": f"u{n}", "tenant": "t", "sip": {"username": f"u{n}", "password": f"u{n}-secret"}}
                                           for n in range(users)]
        stack.platform.write_config()
        with stack.start():
            bob = Phone(stack.sip_port, "bob")
            self.addCleanup(bob.sock.close)
            self.assertEqual(status(bob.register()), 200)
            with regload.start(stack.sip_port, users=users, count=3 * users, rate=rate) as load:
                for worker in ("call-actor", "sip-edge", "call-actor", "sip-edge"):
                    stack.wait_restarted(stack.kill_worker(worker))
                    time.sleep(1)  # of load between the kills
                result = load.finish(60)
            print(f"  {result}", flush=True)
            self.assertEqual((result["ok"], result["failed"]), (3 * users, 0))
            asked = regload.start(stack.sip_port, users=users, count=users, rate=2 * rate, query=True).finish(30)
            self.assertEqual((asked["ok"], asked["without_contact"]), (users, 0))
            self.assertEqual(list(contacts_of(bob.register([]))), [bob.contact.strip("<>")])
            stack.kill_worker("call-actor")
            harness.wait_for("the next one counts the same", 10,
                             lambda: (stack.ctl("registrations", check=False) or {}).get("total") == users + 1)


class TestFull(unittest.TestCase):
    """The store is full: who is registered stays, refreshes, changes and leaves; nobody new comes."""

    def test_new_bindings_get_503(self):
        users = 1536
        stack = Stack(events=False, STORE_MAX_MB=16)
        stack.platform.config["users"] += [{"id": f"u{n}", "tenant": "t", "sip": {"username": f"u{n}", "password": f"u{n}-secret"}}
                                           for n in range(users)]
        stack.platform.write_config()
        fat = ["Path: " + ", ".join(f"<sip:{n}@{'p' * 200}.example;lr>" for n in range(8))]

        def contacts(n, host="h"):
            return [f"<sip:u{n}-{c}@{host}>;note={'x' * 1000}" for c in range(10)]
        with stack.start():
            def registered(n, wanted, extra):
                with Phone(stack.sip_port, f"u{n}") as phone:
                    return phone.register(wanted, extra)

            with ThreadPoolExecutor(16) as pool:  # answers of a moment come together
                for first in range(0, users, 64):
                    answers = list(pool.map(lambda n: registered(n, contacts(n), fat), range(first, first + 64)))
                    if any(status(a) != 200 for a in answers):
                        break
            n, answer = next((first + i, a) for i, a in enumerate(answers) if status(a) != 200)
            self.assertEqual(status(answer), 503)
            self.assertGreater(int(header(answer, "Retry-After")), 0)
            self.assertEqual(contacts_of(registered(n, [], [])), {})
            old = Phone(stack.sip_port, "u0")
            self.addCleanup(old.sock.close)
            self.assertEqual(len(contacts_of(old.register([]))), 10)
            self.assertEqual(status(old.register(contacts(0)[:1], fat)), 200)
            self.assertEqual(len(contacts_of(old.register(["<sip:u0-0@h>;expires=0", "<sip:u0-new@h>"]))), 10)
            self.assertEqual(len(contacts_of(old.register(["<sip:u0-1@h>;expires=0"]))), 9)
            self.assertEqual(status(old.register(["<sip:u0-1@h>"])), 503)
            with ThreadPoolExecutor(16) as pool:
                left = pool.map(lambda m: status(registered(m, ["*"], ["Expires: 0"])), range(1, n // 4))
                self.assertEqual(set(left), {200})
            self.assertEqual(status(registered(n, contacts(n), fat)), 200)


if __name__ == "__main__":
    unittest.main()
