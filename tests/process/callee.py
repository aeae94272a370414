"""A phone that is rung: it registers, and says to each INVITE exactly what it is told to."""
import os

from digest_ua import Phone
from ua import OFFER, header, status

ANSWER = ("v=0\r\no=callee 5 5 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
          "m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=x-of:{name}\r\n")


class Rung:
    """One INVITE that came to a callee, and its dialog."""

    def __init__(self, phone, invite, name="bob"):
        self.phone, self.request, self.name = phone, invite, name
        self.call_id = header(invite, "Call-ID")
        self.tag = os.urandom(4).hex()
        self.cseq = 0
        self.via = [v for n, v in invite.headers if n.lower() == "via"]
        self.remote_uri = header(invite, "Contact").strip("<>").split(">")[0]

    def answer_text(self, code, body="", extra=(), request=None, tag=None, contact=True):
        request = request or self.request
        kept = ("via", "from", "call-id", "cseq", "record-route")
        lines = [f"{n}: {v}" for n, v in request.headers if n.lower() in kept]
        to = header(request, "To")
        lines.append(f"To: {to}" if ";tag=" in to else f"To: {to};tag={tag or self.tag}")
        if contact:
            lines.append(f"Contact: {self.phone.contact}")
        if body:
            lines.append("Content-Type: application/sdp")
        return "\r\n".join([f"SIP/2.0 {code}", *lines, *extra, f"Content-Length: {len(body)}", "", body])

    def say(self, code, body="", **how):
        self.phone.send(self.answer_text(code, body, **how))
        return self

    def ring(self):
        return self.say("180 Ringing")

    def sdp(self, port=41000):
        return ANSWER.format(port=port, name=self.name)

    def pick_up(self, **how):
        return self.say("200 OK", self.sdp(), **how)

    def expect(self, method, seconds=5):
        return self.phone.expect(f"{method} to {self.name}", seconds,
                                 lambda m: m.first.startswith(method + " ") and header(m, "Call-ID") == self.call_id)

    def expect_ack(self, seconds=5):
        return self.expect("ACK", seconds)

    def expect_cancel(self, seconds=5):
        """CANCEL, its 200, the INVITE's 487 and the ACK of that."""
        cancel = self.expect("CANCEL", seconds)
        self.phone.answer(cancel)
        self.say("487 Request Terminated", contact=False)
        self.expect_ack(seconds)
        return cancel

    def expect_bye(self, seconds=5):
        bye = self.expect("BYE", seconds)
        self.phone.answer(bye)
        return bye

    def text(self, method, body="", extra=(), branch=None, cseq=None):
        if cseq is None:
            self.cseq += 1
            cseq = self.cseq
        branch = branch or "z9hG4bK" + os.urandom(6).hex()
        lines = [f"{method} {self.remote_uri} SIP/2.0", f"Via: SIP/2.0/{self.phone.transport} 127.0.0.1:{self.phone.port};branch={branch};rport",
                 "Max-Forwards: 70", f"From: {header(self.request, 'To')};tag={self.tag}",
                 f"To: {header(self.request, 'From')}", f"Call-ID: {self.call_id}", f"CSeq: {cseq} {method}",
                 f"Contact: {self.phone.contact}", *extra]
        if body:
            lines.append("Content-Type: application/sdp")
        return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body])

    def ask(self, method, body="", extra=()):
        self.phone.send(self.text(method, body, extra))

    def final(self, method, seconds=5):
        return self.phone.expect(f"final answer to {method} of {self.name}", seconds,
                                 lambda m: status(m) is not None and status(m) >= 200 and
                                 header(m, "Call-ID") == self.call_id and header(m, "CSeq").endswith(" " + method))

    def ack(self, body=""):
        self.phone.send(self.text("ACK", body, cseq=self.cseq))

    def bye(self, seconds=5):
        self.ask("BYE")
        return self.final("BYE", seconds)

    def assert_silent(self, seconds=0.3):
        m = self.phone.receive(seconds)
        assert m is None, f"{self.name} was told: {m.first}"


class Callee(Phone):
    def rung(self, seconds=5, name=None):
        invite = self.expect(f"INVITE to {self.user}", seconds,
                             lambda m: m.first.startswith("INVITE ") and ";tag=" not in header(m, "To"))
        return Rung(self, invite, name or self.user)
