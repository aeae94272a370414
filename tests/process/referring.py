"""Two who talk, one of whom says REFER: what each hears, whichever of them called."""
from callee import Rung
from ua import header, status


def answer_with(ua, request, code="200 OK", body="", contact=None):
    kept = ("via", "from", "to", "call-id", "cseq", "record-route")
    lines = [f"{n}: {v}" for n, v in request.headers if n.lower() in kept]
    if contact:
        lines.append(f"Contact: {contact}")
    if body:
        lines.append("Content-Type: application/sdp")
    ua.send("\r\n".join([f"SIP/2.0 {code}", *lines, f"Content-Length: {len(body)}", "", body]))


class Party:
    """One of the two: a Call that is answered, or a Rung that has answered."""

    def __init__(self, dialog):
        self.dialog = dialog
        self.called = not isinstance(dialog, Rung)
        self.ua = dialog.ua if self.called else dialog.phone
        self.call_id = dialog.call_id
        self.heard = set()  # CSeq of the requests it has seen: repeats are no news
        self.answers = {}  # CSeq: what it got; a repeat gets it again
        self.repeats = []
        self.notified = []  # (status, Subscription-State, Event) in the order in which they were said

    def request(self, method, extra=(), body=""):
        if self.called:
            self.dialog.request(method, body, extra)
        else:
            self.dialog.ask(method, body, extra)

    def final(self, method, seconds=5):
        return self.dialog.final(seconds, method) if self.called else self.dialog.final(method, seconds)

    def ask(self, method, extra=(), body="", seconds=5):
        self.request(method, extra, body)
        return self.final(method, seconds)

    def refer(self, to, extra=()):
        return self.ask("REFER", [f"Refer-To: {to}", *extra])

    # --- what it is asked ---

    def next(self, method, seconds=5):
        """The next request of this method in its dialog that is no repeat."""
        def is_next(m):
            if status(m) is not None or header(m, "Call-ID") != self.call_id:
                return False
            if header(m, "CSeq") not in self.heard:
                return m.first.startswith(method + " ")
            if header(m, "CSeq") in self.answers and not any(m is seen for seen in self.repeats):
                self.repeats.append(m)
                answer_with(self.ua, m, self.answers[header(m, "CSeq")])
            return False
        m = self.ua.expect(f"{method} to the {'caller' if self.called else 'callee'}", seconds, is_next)
        self.heard.add(header(m, "CSeq"))
        return m

    def answer(self, m, code="200 OK"):
        """To a request without a body."""
        self.answers[header(m, "CSeq")] = code
        answer_with(self.ua, m, code)

    def expect_notify(self, seconds=5, answer="200 OK"):
        m = self.next("NOTIFY", seconds)
        assert header(m, "Content-Type").startswith("message/sipfrag"), m
        if answer:
            self.answer(m, answer)
        line = m.body.split("\r\n")[0]
        assert line.startswith("SIP/2.0 "), m.body
        self.notified.append((int(line.split()[1]), header(m, "Subscription-State"), header(m, "Event")))
        return m

    def told(self, *codes, seconds=10):
        """NOTIFYs until the last of these codes; they come in this order, though one that is overtaken may be missing."""
        while not self.notified or self.notified[-1][0] != codes[-1]:
            self.expect_notify(seconds)
        seen = [code for code, *_ in self.notified]
        assert seen == [c for c in codes if c in seen], f"{seen}, not {codes}"

    def take_offer(self, code="200 OK", sdp=None, seconds=5):
        """A re-INVITE to it, answered. returns the INVITE"""
        m = self.next("INVITE", seconds)
        sdp = sdp or (self.dialog.sdp() if not self.called else SDP.format(port=self.dialog.rtp_port))
        contact = self.dialog.phone.contact if not self.called else f"<sip:{self.dialog.caller}@127.0.0.1:{self.ua.port}{self.ua.contact_params}>"
        good = code.startswith("2")
        answer_with(self.ua, m, code, sdp if good else "", contact if good else None)
        self.ua.expect("ACK", seconds, lambda a: a.first.startswith("ACK ") and header(a, "Call-ID") == self.call_id and
                       header(a, "CSeq").split()[0] == header(m, "CSeq").split()[0])
        return m

    def hang_up(self, seconds=5):
        return status(self.ask("BYE", seconds=seconds))

    def expect_bye(self, seconds=5):
        m = self.next("BYE", seconds)
        self.answer(m)
        return m


SDP = ("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"
       "a=rtpmap:0 PCMU/8000\r\n")
