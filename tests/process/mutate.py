"""Bytes that were once a SIP message: whole ones of every kind, the torture messages, and ways to spoil them."""
import os
import random
import re

from harness import TOP
from ua import OFFER

TORTURE = os.path.join(TOP, "tests/torture")
METHODS = ("INVITE", "INVITE", "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "REFER", "MESSAGE", "SUBSCRIBE",
           "NOTIFY", "INFO", "UPDATE", "PRACK", "PUBLISH", "NEWTHING")
STATUSES = (100, 180, 183, 200, 202, 302, 401, 407, 486, 487, 500, 503, 603, 699)
NUMBERS = (b"0", b"-1", b"65535", b"65536", b"2147483647", b"2147483648", b"4294967295", b"4294967296",
           b"18446744073709551616", b"9" * 40, b"007", b"1e9", b"")
WORDS = (b"%00", b"%", b"\x00", b"\xff\xfe", b"\r\n", b"\n", b"\r", b'"', b"\\", b"<", b">", b";", b",", b"@", b":", b"[::1]",
         b" ", b"\t", b";tag=x", b";branch=z9hG4bK", b";rport", b";lr", b"sip:", b"tel:+1", b"*", b"SIP/2.0", b"SIP/3.0")
HUGE = (300, 2100, 9000, 33000)


class Maker:
    """Makes messages of one peer, the same ones for the same seed."""

    def __init__(self, seed, target, host, port, transport="UDP"):
        self.random = random.Random(seed)
        self.target, self.host, self.port, self.transport = target, host, port, transport
        self.count = 0
        self.torture = []
        for name in sorted(os.listdir(TORTURE)):
            if name.endswith(".sip"):
                with open(os.path.join(TORTURE, name), "rb") as f:
                    self.torture.append(f.read())

    # --- whole messages ---

    def headers(self, first, cseq, body=""):
        r = self.random
        tag = r.choice(("", "", ";tag=a0-" + "k" * 16, ";tag=b"))
        lines = [first, f"Via: SIP/2.0/{self.transport} {self.host}:{self.port};branch=z9hG4bK{self.count:x}m;rport",
                 f"Max-Forwards: {r.choice((70, 70, 1, 0))}", f"From: \"M\" <sip:m@{self.host}>;tag=f{self.count:x}",
                 f"To: <sip:902121234567@{self.host}>{tag}", f"Call-ID: m{self.count:x}@{self.host}", f"CSeq: {cseq}",
                 f"Contact: <sip:m@{self.host}:{self.port}>"]
        more = ["Supported: timer, 100rel", "Allow: INVITE, ACK, BYE", "User-Agent: x/1.0 (y)", "Record-Route: <sip:p.example;lr>",
                "Route: <sip:127.0.0.1;lr>, <sip:q.example>", "Require: 100rel", "Expires: 60", "Session-Expires: 90;refresher=uac",
                "P-Asserted-Identity: \"A\" <sip:a@b.example>, <tel:+902121234567>", "Subject: folded\r\n here", "X-Odd: \xe9",
                "Accept: application/sdp, text/*;q=0.5", "Content-Disposition: session;handling=required", "Date: now",
                "Authorization: Digest username=\"m\", realm=\"r\", nonce=\"n\", uri=\"sip:x\", response=\"" + "0" * 32 + "\""]
        lines += r.sample(more, r.randrange(0, 5))
        if body:
            lines.append("Content-Type: application/sdp")
        return "\r\n".join([*lines, f"Content-Length: {len(body.encode())}", "", body]).encode("utf-8", "surrogateescape")

    def request(self, method=None):
        self.count += 1
        method = method or self.random.choice(METHODS)
        body = OFFER.format(port=self.random.randrange(1024, 65535)) if method in ("INVITE", "ACK", "UPDATE") else ""
        first = f"{method} sip:902121234567@{self.target[0]}:{self.target[1]} SIP/2.0"
        return self.headers(first, f"{self.random.randrange(1, 9)} {method}", body)

    def response(self):
        self.count += 1
        method = self.random.choice(METHODS)
        return self.headers(f"SIP/2.0 {self.random.choice(STATUSES)} Whatever", f"1 {method}")

    def whole(self):
        kind = self.random.random()
        if kind < 0.15:
            return self.random.choice(self.torture)
        return self.response() if kind < 0.35 else self.request()

    # --- ways to spoil one ---

    def flip_bits(self, m):
        out = bytearray(m)
        for _ in range(self.random.choice((1, 1, 2, 8, 64))):
            out[self.random.randrange(len(out))] ^= 1 << self.random.randrange(8)
        return bytes(out)

    def cut(self, m):
        return m[:self.random.randrange(1, len(m) + 1)]

    def cut_out(self, m):
        at = self.random.randrange(len(m))
        return m[:at] + m[at + self.random.choice((1, 2, 10, 100)):]

    def put_in(self, m):
        at = self.random.randrange(len(m) + 1)
        return m[:at] + self.random.choice(WORDS) + m[at:]

    def lines(self, m):
        head, blank, body = m.partition(b"\r\n\r\n")
        return head.split(b"\r\n"), blank + body

    def repeat_header(self, m):
        lines, rest = self.lines(m)
        at = self.random.randrange(len(lines))
        lines[at:at] = [lines[at]] * self.random.choice((1, 1, 3, 300))
        return b"\r\n".join(lines) + rest

    def drop_header(self, m):
        lines, rest = self.lines(m)
        del lines[self.random.randrange(len(lines))]
        return b"\r\n".join(lines) + rest

    def shuffle_headers(self, m):
        lines, rest = self.lines(m)
        tail = lines[1:]
        self.random.shuffle(tail)
        return b"\r\n".join([lines[0], *tail]) + rest

    def number(self, m):
        found = list(re.finditer(rb"\d+", m))
        if not found:
            return m
        at = self.random.choice(found)
        return m[:at.start()] + self.random.choice(NUMBERS) + m[at.end():]

    def swell(self, m):
        """A value becomes huge."""
        at = self.random.randrange(len(m) + 1)
        return m[:at] + bytes([self.random.choice(b"aA1 ,;=%\"<\x00\xff")]) * self.random.choice(HUGE) + m[at:]

    def many_values(self, m):
        lines, rest = self.lines(m)
        at = self.random.randrange(1, len(lines)) if len(lines) > 1 else 0
        lines[at] += b"," + b",".join([lines[at].partition(b":")[2]] * self.random.choice((2, 80, 300)))
        return b"\r\n".join(lines) + rest

    def splice(self, m):
        other = self.whole()
        return m[:self.random.randrange(len(m) + 1)] + other[self.random.randrange(len(other)):]

    def line_ends(self, m):
        return m.replace(b"\r\n", self.random.choice((b"\n", b"\r", b"\r\n\r\n", b"\r\n ")), self.random.choice((1, 3, -1)))

    def noise(self, m):
        return self.random.randbytes(self.random.choice((1, 4, 100, 1400)))

    WAYS = (flip_bits, flip_bits, cut, cut_out, put_in, put_in, repeat_header, drop_header, shuffle_headers, number, number, swell,
            many_values, splice, line_ends, noise)

    def next(self):
        """A message, nearly always spoilt, that fits a datagram."""
        m = self.whole()
        for _ in range(self.random.choice((0, 1, 1, 1, 2, 3))):
            m = self.random.choice(self.WAYS)(self, m)[:60000] or b"\r\n"
        return m


def is_unanswerable(m):
    """A response, or an ACK: whatever it is like, nobody may answer it."""
    return re.match(rb"[\r\n]*(SIP/2\.0 |ACK )", m) is not None
