"""What brought other servers down, sent to this one: each published bug that concerns SIP, by its row in docs/conformance.md,
over UDP, over TCP one byte a packet, and over TLS. The answer is pinned, the next request is served, no worker restarts.

`self.told` says what a message of bytes brought: the status line's code and phrase, "silence", and " closed" when the
connection ended with it."""
import json
import os
import socket
import unittest

import harness
from harness import WORKERS
from raw import FAST, Raw, RawTest, header, status, token
from stream_ua import SplitUa, StreamUa, tls_context
from ua import OFFER, Call, Ua, as_bytes

TLS_PORT = harness.free_port()
SDP = OFFER.format(port=40000)
LARGE = "513 Message Too Large"


class TestUdp(RawTest):
    settings = {**FAST, "RATE_LIMIT": 0, "SIPS_PORT": TLS_PORT}
    stream = False

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.restarts = {name: cls.stack.worker(name)["restarts"] for name in WORKERS}

    def tearDown(self):
        self.assertEqual({name: self.stack.worker(name)["restarts"] for name in WORKERS}, self.restarts)
        self.assertEqual(self.called(self.raw()), "200 OK", "the next call works")
        super().tearDown()

    def connect(self):
        return Ua(self.stack.sip_port)

    def setUp(self):
        super().setUp()
        if self.stream:
            self.ua.sock.close()
            self.ua = self.connect()

    # --- what a message brings ---

    def send(self, data):
        try:
            self.ua.send(data.text() if isinstance(data, Raw) else data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # closed in the middle of it

    def told(self, data):
        self.ua.unread = []
        self.send(data)
        probe = self.raw("OPTIONS")
        self.send(probe)
        words = []
        while (m := self.ua.receive(5 * harness.SLOW)) is not None and not probe.mine(m):
            words.append(m.first[len("SIP/2.0 "):])
        if m is None:
            self.assertTrue(self.stream and self.ua.wait_closed(), f"neither served nor closed; came: {words}")
            self.ua.sock.close()
            self.ua = self.connect()
        return " ".join((words or ["silence"]) + ["closed"] * (m is None))

    def check(self, rows, make=None):
        """rows: what it is, the message, what it brings; or a pair, over UDP and over streams."""
        for what, data, expected in rows:
            if isinstance(expected, tuple):
                expected = expected[self.stream]
            if expected is not None:
                with self.subTest(what):
                    self.assertEqual(self.told(make(data) if make else data), expected)

    def called(self, invite):
        """An INVITE's final answer; a call that came of it is ended."""
        answer = invite.send().final()
        if status(answer) == 200:
            self.assertEqual(status(invite.bye(answer)), 200)
        return answer.first[len("SIP/2.0 "):]

    def check_calls(self, rows, make):
        for what, data, expected in rows:
            with self.subTest(what):
                self.assertEqual(self.called(make(data)), expected)

    def options(self, **headers):
        return self.raw("OPTIONS", **headers)

    def via(self, text):
        return f"SIP/2.0/{self.ua.transport} {text}"

    # --- the rows ---

    def test_01_cseq(self):
        bad = "400 Malformed CSeq"
        self.check([("method of 1 KB", "1 " + "A" * 1024, bad), ("of 8 KB", "1 " + "A" * 8000, bad),
                    ("of 9 KB", "1 " + "A" * 9000, LARGE), ("2^31-1", "2147483647 OPTIONS", "200 OK"),
                    ("2^31", "2147483648 OPTIONS", bad), ("2^32", "4294967296 OPTIONS", bad),
                    ("40 digits", "9" * 40 + " OPTIONS", bad), ("no number", "OPTIONS", bad), ("no method", "1", bad),
                    ("nothing", "", bad), ("negative", "-1 OPTIONS", bad)], lambda v: self.options(CSeq=v))
        for size in (65, 1024, 8000):
            self.assertEqual(self.told(self.raw("A" * size)), "400 Malformed Method")

    def multipart(self, boundary, body):
        return self.raw(body=body, Content_Type="multipart/mixed" + boundary)

    def test_02_03_04_multipart(self):
        sdp = "Content-Type: application/sdp\r\n\r\n" + SDP
        whole = "--{0}\r\n" + sdp + "\r\n--{0}--"
        bad = "400 Malformed Multipart Body"
        self.check_calls([
            ("closed by the last byte", (";boundary=b1", whole.format("b1")), "200 OK"),
            ("boundary ++", (';boundary="++"', whole.format("++")), "200 OK"),
            ("boundary with a quote", (';boundary="b\\"1"', whole.format('b"1')), bad),
            ("empty boundary", (';boundary=""', whole.format("")), bad),
            ("no boundary", ("", whole.format("b1")), bad),
            ("boundary of 71", (";boundary=" + "b" * 71, whole.format("b" * 71)), bad),
            ("line ends are LF", (";boundary=b1", whole.format("b1").replace("\r\n", "\n")), "200 OK"),
            ("not closed", (";boundary=b1", "--b1\r\n" + sdp), bad),
            ("closing only", (";boundary=b1", "--b1--"), "415 Unsupported Media Type"),
            ("empty parts", (";boundary=b1", "--b1\r\n--b1\r\n\r\n--b1--"), "415 Unsupported Media Type"),
            ("another boundary", (";boundary=b1", whole.format("b2")), bad),
            ("17 parts", (";boundary=b1", "--b1\r\n\r\nx\r\n" * 17 + "--b1--"), LARGE),
        ], lambda v: self.multipart(*v))

    def test_05_repeated_headers(self):
        via = self.via("p.example;branch=z9hG4bKx")
        own = self.options().headers["Via"]
        self.check([("50 Accept", dict(Accept=["application/sdp"] * 50), "200 OK"),
                    ("500 Accept", dict(Accept=["application/sdp"] * 500), LARGE),
                    ("70 Via", dict(Via=[own] + [via] * 69), "200 OK"), ("71 Via", dict(Via=[own] + [via] * 70), LARGE),
                    ("500 Via", dict(Via=[own] + [via] * 499), LARGE),
                    ("50 Contact", dict(Contact=["<sip:a@b>"] * 50), "200 OK"),
                    ("500 Record-Route", dict(Record_Route=["<sip:a@b;lr>"] * 500), LARGE),
                    ("50 Supported", dict(Supported=["timer"] * 50), "200 OK"),
                    ("500 Supported", dict(Supported=["timer"] * 500), LARGE),
                    ("10,000 headers", dict(a=["b"] * 10000), (LARGE, LARGE + " closed"))], lambda v: self.options(**v))
        self.check_calls([("50 Contact", dict(Contact=["<sip:a@b>"] * 50), "400 More Than One Contact"),
                          ("32 Record-Route", dict(Record_Route=["<sip:127.0.0.1;lr>"] * 32), "200 OK"),
                          ("33 Record-Route", dict(Record_Route=["<sip:127.0.0.1;lr>"] * 33), LARGE)],
                         lambda v: self.raw(**v))

    def test_05_all_vias_come_back(self):
        """§8.2.6.2, also of a message with more headers than we read; those we need stand last."""
        vias = [self.options().headers["Via"]] + [self.via(f"p{i}.example;branch=z9hG4bK{i}") for i in range(499)]
        lines = [f"OPTIONS sip:{self.stack.sip_port} SIP/2.0", *(f"Via: {v}" for v in vias)]
        options = self.options()
        lines += [f"{n}: {options.headers[n]}" for n in ("From", "To", "Call-ID", "CSeq", "Content-Length")]
        self.ua.send("\r\n".join([*lines, "", ""]).replace(f"sip:{self.stack.sip_port}", "sip:127.0.0.1"))
        answer = self.ua.expect("513", 5, lambda m: status(m) == 513)
        self.assertEqual([v for n, v in answer.headers if n == "Via"][1:], vias[1:])
        self.assertEqual((header(answer, "Call-ID"), header(answer, "CSeq")),
                         (options.headers["Call-ID"], options.headers["CSeq"]))

    def described(self, old, new):
        return self.raw(body=SDP.replace(old, new))

    def test_06_07_session_descriptions(self):
        bad = "400 Malformed Session Description"
        media = "m=audio 40000 RTP/AVP 0 8 101"
        self.check_calls([
            ("format 2^32", (media, "m=audio 40000 RTP/AVP 4294967296"), bad),
            ("negative port", (media, "m=audio -1 RTP/AVP 0"), bad), ("no port", (media, "m=audio RTP/AVP 0"), bad),
            ("port 65536", (media, "m=audio 65536 RTP/AVP 0"), bad), ("no format", (media, "m=audio 40000 RTP/AVP"), bad),
            ("NUL in fmtp", ("0-16", "0-\x0016"), bad), ("m= before v=", ("v=0\r\n", media + "\r\nv=0\r\n"), bad),
            ("one character", ("a=ptime:20", "a"), bad), ("another", ("a=ptime:20", "="), bad),
            ("an empty line", ("a=ptime:20", ""), "200 OK"), ("no end of the last line", ("a=sendrecv\r\n", "a=sendrecv"), "200 OK"),
            ("a= and nothing", ("a=ptime:20", "a="), bad), ("c= of 512 digits", ("c=IN IP4 127.0.0.1", "c=" + "1" * 512), bad),
            ("address of 512 digits", ("c=IN IP4 127.0.0.1", "c=IN IP4 " + "1" * 512), bad),
            ("type of 1 KB", ("m=audio", "m=" + "a" * 1024), bad), ("no connection", ("c=IN IP4 127.0.0.1\r\n", ""), bad),
            ("600 lines", ("a=sendrecv\r\n", "a=x:y\r\n" * 600), "413 Request Entity Too Large"),
        ], lambda v: self.described(*v))

    def test_08_cut_and_short(self):
        whole = as_bytes(self.options().text())
        for n in (*range(0, 12), 20, len(whole) // 2):
            with self.subTest(n), self.connect() as ua:
                ua.send(whole[:n])
                if self.stream:
                    ua.sock.shutdown(socket.SHUT_WR)
                    self.assertTrue(ua.wait_closed())
                self.assertEqual(ua.seen, [])
        if self.stream:
            self.assertEqual(self.told("\r\n\r\n"), "silence")
            self.assertEqual(self.ua.pongs, 1)
        else:
            self.check([(repr(x), x, "silence") for x in (b"", b"\r\n", b"\r\n\r\n", b"\0\0\0\0", b"\0" * 9, b"\r" * 9)])

    def test_09_10_request_uris(self):
        bad = "400 Malformed Request-URI"
        self.check([(uri[:40], uri, bad) for uri in (
            "sip:a%@127.0.0.1", "sip:a%4@127.0.0.1", "sip:127.0.0.1;x=%", "sip:127.0.0.1;x=%4", "sip:a@127.0.0.1:999999",
            "sip:a@127.0.0.1:65536", "sip:a@127.0.0.1:", "sip:[::1", "sip:[::1]x", "sip::::]", "sip:", "sips:", "tel:", "tel:+",
            "urn:", ":", "sip", "sip:@127.0.0.1", "sip:a@", "sip:127.0.0.1?a=b")], lambda v: self.raw("OPTIONS", uri=v))
        self.check([("NUL", "sip:%00@127.0.0.1", "200 OK"), ("CRLF", "sip:a%0d%0aX:y@127.0.0.1", "200 OK"),
                    ("comma", "sip:a,b@127.0.0.1", "200 OK"), ("2 KB", "sip:" + "a" * 2034 + "@127.0.0.1", "200 OK"),
                    ("one more", "sip:" + "a" * 2035 + "@127.0.0.1", "414 Request-URI Too Long"),
                    ("16 KB", "sip:" + "a" * 16000, "414 Request-URI Too Long"),
                    ("60 KB", "sip:" + "a" * 60000, ("414 Request-URI Too Long", "silence closed"))],
                   lambda v: self.raw("OPTIONS", uri=v))
        self.check_calls([("NUL", "sip:9021%00@127.0.0.1", "404 Not Found"),
                          ("CRLF", "sip:9021%0d%0aX-Evil:y@127.0.0.1", "404 Not Found")], lambda v: self.raw(uri=v))

    def test_11_via(self):
        at = f"127.0.0.1:{self.ua.port}"
        self.check([(text[:50], text, "silence") for text in (
            f"SIP/2.0/U\x01P {at};branch=z9hG4bK1", self.via(":::];branch=z9hG4bK1"), self.via(";branch=z9hG4bK1"),
            "SIP/2.0/UDP", "SIP/2.0", "", self.via(f"[::1:{self.ua.port};branch=z9hG4bK1"))], lambda v: self.options(Via=v))
        bad = "400 Malformed Via"
        self.check([("folded", self.via(f"\r\n {at}\r\n\t;branch=z9hG4bK{token()};rport"), "200 OK"),
                    ("white space", f"SIP / 2.0 / {self.ua.transport}   {at} ; branch = z9hG4bK{token()} ; rport", "200 OK"),
                    ("empty branch", self.via(f"{at};branch=;rport"), bad),
                    ("port 65536", self.via("127.0.0.1:65536;branch=z9hG4bK1"), "silence"),
                    ("rport 0", self.via(f"{at};branch=z9hG4bK1;rport=0"), bad),
                    ("unclosed quote", self.via(f'{at};branch=z9hG4bK1;x="'), bad)], lambda v: self.options(Via=v))

    def test_12_twice(self):
        twice = {"From": "<sip:a@b>;tag=", "To": "<sip:a@b>;tag=", "Call-ID": "other@b", "CSeq": "1 OPTIONS"}
        for name, value in twice.items():
            for one in (value, self.options().headers[name]):
                request = self.options()
                request.headers[name] = [request.headers[name], one]
                with self.subTest(name, second=one):
                    self.assertEqual(self.told(request), f"400 Repeated Header: {name}")

    def test_13_tags_and_branches(self):
        bad = "400 Malformed Address: From"
        self.check([(f"tag of {n}", dict(From="<sip:a@b>;tag=" + "t" * n), "200 OK" if n <= 256 else LARGE)
                    for n in (255, 256, 257, 1000)], lambda v: self.options(**v))
        self.check([(f"branch of {n}", dict(Via=self.via(f"127.0.0.1:{self.ua.port};rport;branch=z9hG4bK" + "b" * (n - 7))),
                     "200 OK" if n <= 256 else LARGE) for n in (255, 256, 257, 1000)], lambda v: self.options(**v))
        self.check([("tag without value", dict(From="<sip:a@b>;tag"), bad), ("empty tag", dict(From="<sip:a@b>;tag="), bad),
                    ("unclosed quote", dict(From='<sip:a@b>;tag=a;x="y'), bad), ("quoted tag", dict(From='<sip:a@b>;tag="a"'), bad),
                    ("To tag without value", dict(To="<sip:a@b>;tag"), "400 Malformed Address: To"),
                    ("65 parameters", dict(From="<sip:a@b>" + "".join(f";p{i}" for i in range(65))), LARGE)], lambda v: self.options(**v))

    def test_14_content_length(self):
        short, bad = "400 Body Shorter Than Content-Length", "400 Malformed Content-Length"
        entity = "413 Request Entity Too Large closed"
        self.check([("negative", "-5", (bad, bad + " closed")), ("2^31", "2147483648", (short, entity)),
                    ("2^64", "18446744073709551616", (bad, bad + " closed")), ("70,000", "70000", (short, entity)),
                    ("65,001", "65001", (short, entity)), ("hex", "0x0", (bad, bad + " closed")),
                    ("empty", "", (bad, bad + " closed")), ("plus", "+0", (bad, bad + " closed")),
                    ("two", ["0", "5"], ("400 Repeated Header: Content-Length", "400 Repeated Header: Content-Length closed")),
                    ("none", None, ("200 OK", "400 Missing Header: Content-Length closed"))],
                   lambda v: self.options(Content_Length=v))
        if not self.stream:
            self.assertEqual(self.told(self.options().text() + "junk\r\n" * 9), "200 OK")

    def test_15_credentials(self):
        good = {"username": '"alice"', "realm": '"sentiric_demo"', "nonce": '"n"', "uri": '"sip:sentiric_demo"',
                "response": '"' + "0" * 32 + '"', "algorithm": "MD5"}

        def digest(**change):
            return "Digest " + ", ".join(f"{k}={v}" for k, v in {**good, **change}.items() if v is not None)

        again, bad = 401, 400
        rows = [("Digest alone", "Digest", bad), ("nothing", "", bad), ("Basic", "Basic YTpi", again),
                ("another realm", digest(realm='"r"'), again), ("nonce of 4 KB", digest(nonce='"' + "n" * 4096 + '"'), bad),
                ("unclosed quote", digest(response='"00'), bad), ("unknown nonce", digest(), again),
                ("two", [digest(), digest()], again), ("33 parameters", digest(**{f"x{i}": "y" for i in range(33)}), bad),
                *[(f"no {name}", digest(**{name: None}), bad) for name in ("username", "nonce", "uri", "response")],
                ("no realm", digest(realm=None), bad)]
        for what, value, expected in rows:
            with self.subTest(what):
                register = self.raw("REGISTER", uri="sip:sentiric_demo", To="<sip:alice@sentiric_demo>",
                                    From="<sip:alice@sentiric_demo>;tag=r", Authorization=value)
                self.assertEqual(status(register.send().final()), expected)

    def test_16_one_header_however_spelt(self):
        text = self.options().text()
        for spelt in ("Require: foo", "Require : foo", "Require\t: foo", "rEqUiRe:foo", "Require:\r\n foo", "Require \t:\r\n\tfoo"):
            with self.subTest(spelt):
                fresh = text.replace(self.options().branch, "").replace("branch=z9hG4bK", "branch=z9hG4bK" + token())
                self.assertEqual(self.told(fresh.replace("Max-Forwards", spelt + "\r\nMax-Forwards")), "420 Bad Extension")
        for name, compact in (("From", "f"), ("To", "T"), ("Call-ID", "i"), ("Content-Length", "L")):
            for colon in (":", " :", "\t:"):
                with self.subTest(name, colon=colon):
                    told = self.told(self.options().text().replace("Max-Forwards", f"{compact}{colon} 0\r\nMax-Forwards"))
                    self.assertIn(f"400 Repeated Header: {name}", told)

    def test_17_names_and_display_names(self):
        self.check([(f"name of {n}", {"x" * n: "y"}, "200 OK" if n <= 256 else LARGE) for n in (256, 257, 1024, 9000)] +
                   [("60 KB", {"x" * 60000: "y"}, (LARGE, LARGE + " closed")), ("invalid UTF-8", {"X-Odd": "\udcff\udcfe"}, "200 OK")],
                   lambda v: self.options(**v))
        self.assertEqual(self.told(self.options().text().replace("Max-Forwards", "X\udcff: y\r\nMax-Forwards")), "400 Malformed Header")
        for name in ('"\udcff\udcc0\udcaf"', '"a\\"b\\\\"', '"' + "n" * 1500 + '"', '"\u202e\u009b31m"'):
            with self.subTest(name):
                invite = self.raw(From=f"{name} <sip:905551234567@127.0.0.1>;tag={token()}")
                self.assertEqual(self.called(invite), "200 OK")
                bodies = self.stack.events.wait_ended(invite.call_id)  # each is JSON
                self.assertIn("905551234567", bodies[0]["fromUri"])
        self.assertEqual(self.called(self.raw(From='"' + "n" * 2100 + '" <sip:a@b>;tag=1')), LARGE)
        for line in self.stack.log().splitlines():
            json.loads(line)

    def test_18_what_operators_are_shown(self):
        self.check([("Call-ID of 256", "c" * 256, "200 OK"), ("of 257", "c" * 257, LARGE), ("of 1 KB", "c" * 1024, LARGE)],
                   lambda v: self.options(Call_ID=v))
        self.check([("ESC", '"\x1b[31m" <sip:a@b>;tag=1', "400 Malformed Header: From")], lambda v: self.options(From=v))
        invite, answer = self.call(From='"\u009b31m\u202e" <sip:a@127.0.0.1>;tag=1', Warning="x", Reason="r" * 1024)
        for words in (("calls",), ("call", invite.call_id), ("status",)):
            shown = self.stack.ctl_raw(*words).stdout
            self.assertEqual([c for c in shown if c not in "\n\t" and not c.isprintable()], [], words)
        bye = invite.follow("BYE", answer, cseq=9, Reason="r" * 1024, Warning="no number")
        self.assertEqual(status(bye.send().final()), 200)

    def test_19_hundred_invites_and_gone(self):
        if not self.stream:
            return
        for said in (0, 1, 50):
            ua = self.connect()
            raw = getattr(ua.sock, "_sock", ua.sock)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            for _ in range(100):
                Call(ua, to="404").invite()
            for _ in range(said):
                ua.receive(5)
            ua.sock.close()
        self.stack.wait_no_calls(60)

    def test_22_a_challenge_to_our_request_is_not_answered(self):
        """Nobody learns a digest of ours by asking for one."""
        for code, name in ((401, "WWW"), (407, "Proxy")):
            invite, _ = self.call()
            self.hang_up(invite)
            bye = self.ua.expect("BYE", 5, lambda m: m.first.startswith("BYE "))
            kept = [f"{n}: {v}" for n, v in bye.headers if n.lower() in ("via", "from", "to", "call-id", "cseq")]
            self.ua.send("\r\n".join([f"SIP/2.0 {code} Who Are You", *kept, "Content-Length: 0",
                                      f'{name}-Authenticate: Digest realm="other", nonce="n", algorithm=MD5', "", ""]))
            self.stack.wait_no_calls()
            for m in [*self.ua.seen, *self.collect(0.3)]:
                self.assertIsNone(header(m, "Authorization") or header(m, "Proxy-Authorization"), m)

    def test_25_registers_and_strays(self):
        register = dict(uri="sip:sentiric_demo", To="<sip:alice@sentiric_demo>", From="<sip:alice@sentiric_demo>;tag=r")
        for contact in ("None", "*", "<>", "x" * 8000):
            with self.subTest(contact[:9]):  # whoever does not say who he is learns nothing of it
                answer = self.raw("REGISTER", Contact=contact, **register).send().final()
                self.assertIn(status(answer), (401, 400))
        invite = self.raw().send()
        info = invite.follow("INFO", invite.response(180), cseq=2).send()
        self.assertIn(status(info.response()), (405, 481, 200))
        answer = invite.final()
        self.assertEqual(status(invite.bye(answer)), 200)
        invite, answer = self.call()  # and one whose sender is gone before the answer to its BYE
        with self.connect() as gone:
            bye = invite.follow("BYE", answer, cseq=5)
            bye.ua = gone
            bye.headers["Via"] = f"SIP/2.0/{gone.transport} 127.0.0.1:{gone.port};branch=z9hG4bK{token()}"
            gone.send(bye.text())
        self.stack.wait_no_calls()


class TestTcp(TestUdp):
    stream = True

    def connect(self):
        return SplitUa(self.stack.sip_port)


class TestTls(TestUdp):
    stream = True

    def connect(self):
        return StreamUa(TLS_PORT, tls_context(self.stack.pki))


if __name__ == "__main__":
    unittest.main()
