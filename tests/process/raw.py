"""Requests put together header by header, right or wrong, for the tests that follow the RFCs rule by rule."""
import contextlib
import os
import time

import harness
from test_call import OneCall
from ua import OFFER, Ua, header, status

FAST = {"SIP_T1_MS": 100}


def token():
    return os.urandom(6).hex()


def values(message, name):
    """Every line of a header, in order."""
    return [v for n, v in message.headers if n.lower() == name.lower()]


def tag(value):
    return value.partition(";tag=")[2].partition(";")[0]


class Raw:
    """One request. headers: name -> value, list of values, or None to leave it out; in the order given here."""

    def __init__(self, ua, method="INVITE", uri=None, body=None, version="SIP/2.0", cseq=1, **headers):
        self.ua, self.method, self.version = ua, method, version
        self.uri = uri or f"sip:902121234567@127.0.0.1:{ua.target[1]}"
        self.branch, self.call_id, self.from_tag = "z9hG4bK" + token(), token() + "@raw", token()
        self.body = OFFER.format(port=40000) if body is None and method == "INVITE" else body or ""
        self.headers = {"Via": f"SIP/2.0/{ua.transport} 127.0.0.1:{ua.port};branch={self.branch};rport", "Max-Forwards": "70",
                        "From": f"<sip:905551234567@127.0.0.1>;tag={self.from_tag}",
                        "To": "<sip:902121234567@127.0.0.1>", "Call-ID": self.call_id, "CSeq": f"{cseq} {method}",
                        "Contact": f"<sip:caller@127.0.0.1:{ua.port}{ua.contact_params}>"}
        if self.body:
            self.headers["Content-Type"] = "application/sdp"
        self.headers["Content-Length"] = str(len(self.body.encode()))
        self.set(**headers)

    def set(self, **headers):
        """Record_Route=… sets Record-Route."""
        for name, value in headers.items():
            self.headers[name.replace("_", "-")] = value
        return self

    def text(self):
        lines = [f"{self.method} {self.uri} {self.version}"]
        for name, value in self.headers.items():
            for one in value if isinstance(value, list) else [] if value is None else [value]:
                lines.append(f"{name}: {one}")
        return "\r\n".join([*lines, "", self.body])

    def send(self):
        self.ua.send(self.text())
        return self

    def own_branch(self):
        """Of the top Via; "" when it has none."""
        via = self.headers["Via"]
        return (via[0] if isinstance(via, list) else via).partition(";branch=")[2].partition(";")[0]

    def mine(self, m):
        wanted = self.headers["Call-ID"]
        if self.own_branch() not in (header(m, "Via") or ""):
            return False
        return status(m) is not None and (wanted is None or header(m, "Call-ID") == wanted) \
            and (header(m, "CSeq") or "").endswith(" " + self.headers["CSeq"].split()[-1])

    def response(self, least=200, seconds=5):
        return self.ua.expect(f"answer to {self.method}", seconds, lambda m: self.mine(m) and status(m) >= least)

    def follow(self, method, answer, cseq=None, branch=None, **headers):
        """A request in the dialog that `answer` opened; ACK by default for its INVITE, with the INVITE's number."""
        number = cseq or int(self.headers["CSeq"].split()[0])
        next_one = Raw(self.ua, method, uri=self.uri, body="", cseq=number, **headers)
        branch = branch or next_one.branch
        target = (header(answer, "Contact") or f"<{self.uri}>").strip("<>").split(">")[0]
        next_one.uri = target if status(answer) < 300 else self.uri
        for name in ("From", "Call-ID"):
            next_one.headers[name] = self.headers[name]
        if "To" not in headers:
            next_one.headers["To"] = header(answer, "To")
        if "Via" not in headers:
            next_one.headers["Via"] = f"SIP/2.0/{self.ua.transport} 127.0.0.1:{self.ua.port};branch={branch};rport"
        next_one.call_id, next_one.branch = self.call_id, branch
        return next_one

    def ack(self, answer):
        """2xx: a request of its own; else of the INVITE's transaction (§17.1.1.3)."""
        if status(answer) < 300:
            self.follow("ACK", answer).send()
        else:
            self.follow("ACK", answer, Via=self.headers["Via"]).send()

    def final(self, seconds=10):
        """The final answer; of an INVITE, acknowledged."""
        answer = self.response(200, seconds)
        if self.method == "INVITE":
            self.ack(answer)
        return answer

    def bye(self, answer, cseq=99):
        return self.follow("BYE", answer, cseq=cseq).send().final()


class RawTest(OneCall):
    settings = FAST

    def tearDown(self):
        """A port is given back a moment after its BYE was answered."""
        with contextlib.suppress(AssertionError):
            self.stack.assert_clean(5)

    def raw(self, method="INVITE", **kw):
        return Raw(self.ua, method, **kw)

    def refused(self, request, code, phrase=None):
        """The request gets this answer, and no call comes of it."""
        answer = request.send().final()
        self.assertEqual(status(answer), code, answer.first)
        if phrase is not None:
            self.assertEqual(answer.first, f"SIP/2.0 {code} {phrase}")
        return answer

    def served(self, request):
        """The INVITE is answered with 200; the call is ended again."""
        answer = request.send().final()
        self.assertEqual(status(answer), 200, answer)
        self.assertEqual(status(request.bye(answer)), 200)
        return answer

    def answers_our_offer(self, request):
        """The 200 makes an offer, the ACK answers it; the call is ended again."""
        answer = request.send().response()
        self.assertTrue(answer.body.startswith("v=0\r\n"), answer)
        ack = request.follow("ACK", answer)
        ack.body = OFFER.format(port=40000)
        ack.set(Content_Type="application/sdp", Content_Length=str(len(ack.body))).send()
        self.assertEqual(status(request.bye(answer)), 200)

    def call(self, **kw):
        """An established call: its INVITE and the 200."""
        request = self.raw(**kw).send()
        answer = request.final()
        self.assertEqual(status(answer), 200, answer)
        harness.wait_for("the call is established", 5, lambda: [
            c for c in self.stack.calls() if c["call_id"] == request.call_id and c["state"].lower() == "established"])
        return request, answer

    def hang_up(self, request):
        """The service ends the call; its BYE, not yet answered."""
        self.assertEqual(self.stack.ctl_raw("hangup", request.call_id).returncode, 0)

    def silent(self, seconds=0.5):
        """Nothing comes; a message that comes all the same is shown."""
        self.ua.unread = []
        m = self.ua.receive(seconds * harness.SLOW)
        self.assertIsNone(m, m and m.first)

    def collect(self, seconds):
        """Everything that comes in this time; what has come before is passed over."""
        self.ua.unread = []
        got, deadline = [], time.monotonic() + seconds
        while (m := self.ua.receive(deadline - time.monotonic())) is not None:
            got.append(m)
        return got


__all__ = ["FAST", "Raw", "RawTest", "Ua", "header", "status", "tag", "token", "values"]
