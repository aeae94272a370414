"""Who tries passwords, replays what he heard, says he is somebody else; and REGISTERs that broke others' servers."""
import os
import re
import subprocess
import tempfile
import time
import unittest

import harness
from digest_ua import Phone, StreamPhone, challenge_of, contacts_of, credentials
from harness import Stack
from stream_ua import tls_context
from test_abuse import metric
from ua import Call, Ua, header, status

NOBODY = "192.0.2.0/24"  # trusted: nobody who is here
CRACK_S = 4
WORDS = 3000


class TestCracker(unittest.TestCase):
    """svcrack (Debian's sipvicious) at full speed, with a list of words that has the password at its end."""

    def crack(self, stack, folder):
        """svcrack until its list or CRACK_S is over; alice's phones and bob's, at the same address, register meanwhile."""
        words = os.path.join(folder, "words")
        with open(words, "w", encoding="utf-8") as f:
            f.writelines(f"guess{n}\n" for n in range(WORDS))
            f.write("bob-secret\n")
        old, bob = Phone(stack.sip_port, "alice"), Phone(stack.sip_port, "bob")
        self.assertEqual([status(old.register()), status(bob.register())], [200, 200])
        with open(os.path.join(folder, "out"), "wb") as out:
            process = subprocess.Popen([*harness.WITH_US, "svcrack", "-u", "bob", "-d", words, "-t", "0.0001", "-p",
                                        str(stack.sip_port), "127.0.0.1"], cwd=folder, stdin=subprocess.DEVNULL,
                                       stdout=out, stderr=out, env={**os.environ, "HOME": folder})
        took = []
        until = time.monotonic() + CRACK_S
        try:
            while time.monotonic() < until and process.poll() is None:
                new = Phone(stack.sip_port, "alice")
                begin = time.monotonic()
                self.assertEqual(status(old.register()), 200)
                self.assertEqual(status(new.register()), 200)
                self.assertEqual(status(new.register(["*"], ["Expires: 0"])), 200)
                took.append((time.monotonic() - begin) / 3)
                self.assertEqual(status(old.register()), 200)
                self.assertEqual(status(bob.register()), 200)  # himself, from where he is registered
                new.sock.close()
                time.sleep(0.1)
        finally:
            harness.stop_process(process, 2)
        old.sock.close()
        bob.sock.close()
        with open(os.path.join(folder, "out"), encoding="utf-8", errors="replace") as f:
            return f.read(), took

    def test_from_a_trusted_address(self):
        """Digest is all that stands before him: 20 guesses a minute are looked at, and one line says so."""
        with Stack(events=False).start() as stack, tempfile.TemporaryDirectory() as folder:
            begin = time.time()
            text, took = self.crack(stack, folder)
            minutes = int(time.time() // 60 - begin // 60) + 1
            self.assertNotIn("bob-secret", text)
            lines = [x for x in stack.log().splitlines() if "too many wrong passwords" in x]
            self.assertTrue(1 <= len(lines) <= minutes, lines)
            rows = stack.ctl("metrics")["metrics"].splitlines()
            got = {re.search('is="(.*?)"', x)[1]: float(x.split()[-1]) for x in rows if x.startswith("sip_signaling_auth_total{")}
            self.assertLessEqual(got["wrong"], 20 * minutes)
            self.assertGreater(got["throttled"], 100)
            print(f"  svcrack: {got['wrong']:.0f} guesses looked at, {got['throttled']:.0f} not; a good REGISTER took "
                  f"{1000 * max(took):.1f} ms at most", flush=True)
            bob = Phone(stack.sip_port, "bob", host="127.0.0.8")  # elsewhere bob gets in
            self.assertEqual(status(bob.register()), 200)
            bob.sock.close()

    def test_from_a_strangers_address(self):
        """It says what it is: dropped unanswered; the address is not blocked, for a phone registered from there."""
        with Stack(events=False, TRUSTED_PEERS=NOBODY).start() as stack, tempfile.TemporaryDirectory() as folder:
            text, took = self.crack(stack, folder)
            self.assertNotIn("bob-secret", text)
            self.assertEqual(stack.ctl("blocked")["blocked"], [])
            self.assertGreater(metric(stack, "sip_signaling_edge_drops_total"), 0)
            self.assertNotIn("too many wrong passwords", stack.log())


class TestForgedFailures(unittest.TestCase):
    """Failing in another's name (a datagram's source is whatever its sender writes) locks nobody out but its author."""

    def guess(self, phone, challenge, password="wrong"):
        value = credentials(challenge, "REGISTER", phone.call.uri, phone.user, password)
        return phone.ask_register([phone.contact], ["Authorization: " + value])

    def test_failures_count_for_who_got_the_challenge(self):
        with Stack(events=False, AUTH_FAILURES_MAX=3).start() as stack:
            thief = Phone(stack.sip_port, "bob", host="127.0.0.9")
            victims = Phone(stack.sip_port, "bob")  # a socket at bob's address: what the thief would forge
            bob = Phone(stack.sip_port, "bob")
            for phone in (thief, victims, bob):
                self.addCleanup(phone.sock.close)
            challenge = challenge_of(thief.ask_register([thief.contact]))
            for _ in range(10):
                self.assertEqual(status(self.guess(victims, challenge)), 401)
            self.assertEqual(status(bob.register()), 200)  # a phone that was not there before
            self.assertEqual(status(thief.register()), 401)  # his own minute is used up, wherever he sends from
            own = challenge_of(victims.ask_register([victims.contact]))
            for _ in range(10):
                self.assertEqual(status(self.guess(victims, own)), 401)
            self.assertEqual(status(self.guess(victims, own, "bob-secret")), 401)  # behind one NAT: not looked at
            self.assertEqual(status(bob.register()), 200)  # but from where he is registered


class TestStrangers(unittest.TestCase):
    """Nobody here is trusted."""

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(TRUSTED_PEERS=NOBODY, RATE_LIMIT=0, BLOCK_S=0).start()

    @classmethod
    def tearDownClass(cls):
        cls.stack.close()

    def phone(self, user="alice", **how):
        phone = Phone(self.stack.sip_port, user, **how)
        self.addCleanup(phone.sock.close)
        return phone

    def test_every_method_without_credentials(self):
        """(outside a dialog, with a To tag that is nobody's); None: silence. 405 until a method is built."""
        table = {"INVITE": ({407}, {481}), "ACK": (None, None), "BYE": ({481}, {481}), "CANCEL": ({481}, {481}),
                 "REGISTER": ({401}, {400, 401}), "OPTIONS": ({200}, {481}), "PRACK": ({405, 481}, {405, 481}),
                 "UPDATE": ({405, 481}, {405, 481}), "INFO": ({405, 481}, {405, 481}), "REFER": ({407}, {481}),
                 "NOTIFY": ({405, 481}, {405, 481}), "SUBSCRIBE": ({405, 407}, {405, 481}),
                 "MESSAGE": ({405, 407}, {405, 481}), "PUBLISH": ({405, 407}, {405, 481, 400}), "NONSENSE": ({501}, {501, 481})}
        for method, expected in table.items():
            for in_dialog, wanted in zip((False, True), expected):
                with self.subTest(method=method, in_dialog=in_dialog), Ua(self.stack.sip_port) as ua:
                    call = Call(ua, to="bob", caller="alice")
                    if in_dialog:
                        call.to_value += ";tag=nobodys"
                    call.request(method)
                    if wanted is None:
                        self.assertIsNone(ua.receive(0.2))
                    else:
                        self.assertIn(status(call.final(5, method)), wanted)
        self.assertEqual(self.stack.calls(), [])
        self.assertEqual(self.stack.ctl("registrations")["registrations"], [])

    def test_spoofed_from(self):
        """Good credentials of one user do nothing in another's name."""
        phone = self.phone("alice")
        self.assertEqual(status(phone.invite(caller="bob")[1]), 403)
        self.assertEqual(status(phone.invite(caller="1003")[1]), 403)
        phone.call.to_value = "<sip:bob@sentiric_demo>"
        self.assertEqual(status(phone.register()), 403)
        phone.call.from_value = "<sip:bob@sentiric_demo>;tag=1"  # a third party registers her own address-of-record
        phone.call.to_value, phone.challenge = "<sip:alice@sentiric_demo>", None
        self.assertEqual(status(phone.register()), 200)
        self.assertEqual(status(phone.register(["*"], ["Expires: 0"])), 200)

    def test_replayed_digest(self):
        """What was heard on the wire proves nothing, from wherever and for whatever it comes."""
        phone = self.phone("alice")
        self.assertEqual(status(phone.register()), 200)
        used = next(x for x in phone.sent.split("\r\n") if x.startswith("Authorization"))
        thief = self.phone("alice", host="127.0.0.9")
        for contacts in ([thief.contact], ["*"], []):
            with self.subTest(contacts=contacts):
                answer = thief.ask_register(contacts, [used, "Expires: 0"] if contacts == ["*"] else [used])
                self.assertEqual((status(answer), challenge_of(answer).get("stale")), (401, "true"))
        call = Call(thief, to="902121234567", caller="alice")
        call.invite(extra=[used.replace("Authorization", "Proxy-Authorization")])
        self.assertEqual(status(call.final()), 407)  # another method: another digest
        self.assertEqual(list(contacts_of(phone.register([]))), [phone.contact.strip("<>")])

    def test_replayed_digest_of_an_invite(self):
        phone = self.phone("alice")
        call = Call(phone, to="902121234567", caller="alice")
        challenge = challenge_of(call.invite().final())
        value = credentials(challenge, "INVITE", call.uri, "alice", "alice-secret")
        for expected in (200, 407):
            call = Call(phone, to="902121234567", caller="alice")
            call.invite(extra=["Proxy-Authorization: " + value])
            answer = call.final()
            self.assertEqual(status(answer), expected)
            if expected == 200:
                call.ack(answer)
                self.assertEqual(status(call.bye()), 200)
        self.assertEqual(challenge_of(answer)["stale"], "true")


class TestTorture(unittest.TestCase):
    """docs/conformance: what broke others, over each transport; after each the same phone is served."""

    rows = [
        ("Contact is no address", ["None"], [], 400),
        ("Contact is empty: asks only", [""], [], 200),
        ("* without Expires", ["*"], [], 400),
        ("* with Expires", ["*"], ["Expires: 60"], 400),
        ("* beside another", ["*, <sip:a@h>"], ["Expires: 0"], 400),
        ("* twice", ["*", "*"], ["Expires: 0"], 400),
        ("* with a parameter", ["*;expires=0"], ["Expires: 0"], 400),
        ("* alone", ["*"], ["Expires: 0"], 200),
        ("header of 8 KB", ["<sip:a@h>"], ["X-Long: " + "x" * 8000], 200),
        ("header of more than 8 KB", ["<sip:a@h>"], ["X-Long: " + "x" * 8200], 513),
        ("Contact of 8 KB", ["<sip:a@h>;x=" + "y" * 8000], [], 400),
        ("Contact URI of 4 KB", ["<sip:" + "a" * 4096 + "@h>"], [], 400),
        ("500 contacts in one header", [", ".join(f"<sip:{n}@h>" for n in range(500))], [], 403),
        ("200 headers of a contact", [f"<sip:{n}@h>" for n in range(200)], [], 403),
        ("500 headers of a contact", [f"<sip:{n}@h>" for n in range(500)], [], 513),
        ("q over 1", ["<sip:a@h>;q=1.001"], [], 400),
        ("q below 0", ["<sip:a@h>;q=-0.1"], [], 400),
        ("q is no number", ["<sip:a@h>;q=high"], [], 400),
        ("q has four digits", ["<sip:a@h>;q=0.1234"], [], 400),
        ("q is empty", ["<sip:a@h>;q="], [], 400),
        ("expires is no number", ["<sip:a@h>;expires=soon"], [], 200),
        ("expires is negative", ["<sip:a@h>;expires=-1"], [], 200),
        ("expires over 2^32", ["<sip:a@h>;expires=4294967296"], [], 200),
        ("expires of 40 digits", ["<sip:a@h>;expires=" + "9" * 40], [], 200),
        ("Expires is no number", ["<sip:a@h>"], ["Expires: soon"], 400),
        ("Expires over 2^32", ["<sip:a@h>"], ["Expires: 4294967296"], 400),
        ("two Expires that differ", ["<sip:a@h>"], ["Expires: 60", "Expires: 120"], 400),
        ("reg-id is no number", ['<sip:a@h>;reg-id=x;+sip.instance="<urn:x>"'], ["Supported: outbound"], 400),
        ("instance of 4 KB", ['<sip:a@h>;reg-id=1;+sip.instance="<' + "x" * 4096 + '>"'], ["Supported: outbound"], 400),
        ("Path is no address", ["<sip:a@h>"], ["Path: nonsense"], 400),
    ]

    @classmethod
    def setUpClass(cls):
        cls.sips_port = harness.free_port()
        cls.stack = Stack(SIPS_PORT=cls.sips_port).start()
        cls.pids = {w["name"]: w["pid"] for w in cls.stack.ctl("status")["workers"]}

    @classmethod
    def tearDownClass(cls):
        cls.stack.close()

    def phones(self):
        yield "UDP", Phone(self.stack.sip_port)
        yield "TCP", StreamPhone(self.stack.sip_port)
        yield "TLS", StreamPhone(self.sips_port, context=tls_context(self.stack.pki))

    def test_rows(self):
        for transport, phone in self.phones():
            wanted, got = {}, {}
            for name, contacts, extra, expected in self.rows:
                self.assertEqual(status(phone.register(["*"], ["Expires: 0"])), 200)
                wanted[name] = expected
                got[name] = status(phone.register(contacts, extra))
                if expected != 200:
                    self.assertEqual(contacts_of(phone.register([])), {}, name)
            phone.sock.close()
            with self.subTest(transport=transport):
                self.assertEqual({n: s for n, s in got.items() if s != wanted[n]}, {}, "what was answered otherwise")
        self.assertEqual({w["name"]: w["pid"] for w in self.stack.ctl("status")["workers"]}, self.pids)


if __name__ == "__main__":
    unittest.main()
