"""A caller that says exactly what it is told to, right or wrong: SIP over UDP, one socket, no state machine."""
import collections
import os
import select
import socket
import struct
import time

import harness

SO_TIMESTAMPNS = 35  # of <asm-generic/socket.h>
Message = collections.namedtuple("Message", "first headers body at source")

OFFER = ("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
         "m=audio {port} RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
         "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n")


def as_bytes(text):
    """Bytes as they are; of a text "\\udcff" is the byte 0xff."""
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")


def arrived(ancillary):
    """When the kernel had it, by time.monotonic(): a test that gets no CPU for a while still sees the gaps there were."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, nanoseconds = struct.unpack("@ll", data)
            return time.monotonic() - (time.time() - seconds - nanoseconds / 1e9)
    return time.monotonic()


def parse(data, source, at=None):
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("utf-8", "replace").split("\r\n")
    headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:] if ":" in line]
    return Message(lines[0], headers, body.decode("utf-8", "replace"), at or time.monotonic(), source)


def header(message, name):
    return next((v for n, v in message.headers if n.lower() == name.lower()), None)


def status(message):
    """200 of a response, None of a request."""
    return int(message.first.split()[1]) if message.first.startswith("SIP/2.0 ") else None


class Ua:
    transport = "UDP"
    contact_params = ""

    def __init__(self, port, host="127.0.0.1"):
        self.target = ("127.0.0.1", port)
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.sock.bind((host, 0))
        self.port = self.contact_port = self.sock.getsockname()[1]
        self.seen = []  # everything that ever came
        self.unread = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, text):
        self.sock.sendto(as_bytes(text), self.target)

    def receive(self, seconds):
        """The next message, unread ones first; None when none comes in time."""
        if self.unread:
            return self.unread.pop(0)
        if not select.select([self.sock], [], [], max(0, seconds))[0]:
            return None
        data, ancillary, _, source = self.sock.recvmsg(65535, socket.CMSG_SPACE(16))
        m = parse(data, source, arrived(ancillary))
        self.seen.append(m)
        return m

    def expect(self, what, seconds, wanted):
        """The next message for which wanted() is true; others stay unread for later."""
        deadline, others = time.monotonic() + seconds * harness.SLOW, []
        try:
            while True:
                m = self.receive(deadline - time.monotonic())
                if m is None:
                    raise AssertionError(f"{what} did not come; came last: {[o.first for o in others][-20:]}")
                if wanted(m):
                    return m
                others.append(m)
        finally:
            self.unread = others + self.unread

    def expect_request(self, method, call, seconds=5):
        return self.expect(method, seconds,
                           lambda m: m.first.startswith(method + " ") and header(m, "Call-ID") == call.call_id)

    def answer(self, request, code="200 OK"):
        kept = ("via", "from", "to", "call-id", "cseq")
        lines = [f"{n}: {v}" for n, v in request.headers if n.lower() in kept]
        self.send("\r\n".join([f"SIP/2.0 {code}", *lines, "Content-Length: 0", "", ""]))

    def ask(self, method, seconds=5, user="ping", extra=()):
        """A request outside any call, and its final answer."""
        call = Call(self, user)
        call.request(method, extra=extra)
        return call.final(seconds, method)


class Call:
    """One call of a Ua, from INVITE to the end."""

    def __init__(self, ua, to="902121234567", caller="905551234567", rtp_port=None, host=None):
        self.ua, self.to_user, self.caller = ua, to, caller
        host = host or "127.0.0.1"
        self.call_id = f"{os.urandom(6).hex()}@{host}"
        self.from_value = f'"Caller" <sip:{caller}@{host}>;tag={os.urandom(4).hex()}'
        self.to_value = f"<sip:{to}@{host}>"
        self.uri = f"sip:{to}@{host}:{ua.target[1]}"
        self.rtp_port = rtp_port or 40000
        self.cseq = 0
        self.branch = None

    def text(self, method, cseq, branch, body="", extra=(), content_type="application/sdp"):
        lines = [f"{method} {self.uri} SIP/2.0", f"Via: SIP/2.0/{self.ua.transport} 127.0.0.1:{self.ua.port};branch={branch};rport",
                 "Max-Forwards: 70", f"From: {self.from_value}", f"To: {self.to_value}", f"Call-ID: {self.call_id}",
                 f"CSeq: {cseq} {method}", f"Contact: <sip:{self.caller}@127.0.0.1:{self.ua.contact_port}{self.ua.contact_params}>", *extra]
        if body:
            lines.append(f"Content-Type: {content_type}")
        return "\r\n".join([*lines, f"Content-Length: {len(body.encode())}", "", body])

    def request(self, method, body="", extra=()):
        self.cseq += 1
        self.branch = "z9hG4bK" + os.urandom(6).hex()
        self.sent = self.text(method, self.cseq, self.branch, body, extra)
        self.ua.send(self.sent)

    def repeat(self):
        self.ua.send(self.sent)

    def invite(self, offer=OFFER, extra=()):
        self.request("INVITE", offer.format(port=self.rtp_port) if offer else "", extra)
        return self

    def mine(self, m, method):
        ours = status(m) is not None and header(m, "Call-ID") == self.call_id
        return ours and header(m, "CSeq").endswith(" " + method)

    def response(self, code, seconds=5, method="INVITE"):
        return self.ua.expect(f"{code} to {method}", seconds, lambda m: self.mine(m, method) and status(m) == code)

    def final(self, seconds=15, method="INVITE"):
        """The final response; for a refused INVITE the ACK is sent."""
        m = self.ua.expect(f"final answer to {method}", seconds, lambda m: self.mine(m, method) and status(m) >= 200)
        if method == "INVITE":
            self.to_value = header(m, "To")
            if status(m) >= 300:
                self.ua.send(self.text("ACK", self.cseq, self.branch))
        return m

    def ack(self, answer, body=""):
        """ACK to a 2xx: its own transaction, to the Contact."""
        self.uri = header(answer, "Contact").strip("<>").split(">")[0]
        self.ua.send(self.text("ACK", self.cseq, "z9hG4bK" + os.urandom(6).hex(), body))

    def answered(self, seconds=15, **kw):
        """INVITE, 200, ACK."""
        self.invite(**kw)
        m = self.final(seconds)
        if status(m) != 200:
            raise AssertionError(f"not answered: {m.first}")
        self.ack(m)
        return m

    def bye(self, seconds=5):
        self.request("BYE")
        return self.final(seconds, "BYE")

    def expect_bye(self, seconds=5):
        m = self.ua.expect_request("BYE", self, seconds)
        self.ua.answer(m)
        return m


def rtp_port_of(answer):
    """The port and payload types of the first m= line."""
    line = next(x for x in answer.body.split("\r\n") if x.startswith("m=audio "))
    return int(line.split()[1]), [int(x) for x in line.split()[3:]]


def echo_test(port, packets=20, local_port=0):
    """Sends RTP to the port and returns how many packets came back with what was sent. Others, such as those that open
    the caller's NAT, are passed over."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", local_port))
        back = 0
        for i in range(packets):
            payload = os.urandom(160)
            s.sendto(struct.pack("!BBHII", 0x80, 0, i, i * 160, 0x1234) + payload, ("127.0.0.1", port))
            while select.select([s], [], [], 1)[0]:
                if s.recv(2048)[12:] == payload:
                    back += 1
                    break
        return back
