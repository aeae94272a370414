"""A phone: a Ua that registers and calls with digest credentials (RFC 7616, RFC 2617, without qop RFC 2069)."""
import hashlib
import os
import re

from stream_ua import StreamUa
from ua import Call, Ua, header, status


def md5(*parts):
    return hashlib.md5(":".join(parts).encode()).hexdigest()


def challenge_of(message):
    """The parameters of the first Digest challenge of a 401 or 407."""
    value = header(message, "WWW-Authenticate") or header(message, "Proxy-Authenticate")
    return {k.lower(): v.strip('"') for k, v in re.findall(r'([\w-]+)=("[^"]*"|[^\s,]+)', value)}


def credentials(challenge, method, to, user, password, nc=1, qop="auth", realm=None, **more):
    """The value of Authorization; `more` replaces single parameters (None leaves one out)."""
    realm, nonce, cnonce = realm or challenge["realm"], challenge["nonce"], os.urandom(4).hex()
    ha1, ha2 = md5(user, realm, password), md5(method, to)
    fields = {"username": f'"{user}"', "realm": f'"{realm}"', "nonce": f'"{nonce}"', "uri": f'"{to}"', "algorithm": "MD5"}
    if qop:
        fields |= {"qop": qop, "nc": f"{nc:08x}", "cnonce": f'"{cnonce}"',
                   "response": '"' + md5(ha1, nonce, f"{nc:08x}", cnonce, qop, ha2) + '"'}
    else:
        fields["response"] = '"' + md5(ha1, nonce, ha2) + '"'
    fields |= more
    return "Digest " + ", ".join(f"{k}={v}" for k, v in fields.items() if v is not None)


class Registers:
    """One user agent of one user. The dialog-like Call-ID and CSeq of its REGISTERs go on from one to the next."""

    def become(self, user, password, host="127.0.0.1", domain="sentiric_demo"):
        self.user, self.password = user, password or f"{user}-secret"
        self.call = Call(self, to=user, caller=user, host=domain)
        self.call.from_value = f"<sip:{user}@{domain}>;tag={os.urandom(4).hex()}"
        self.call.uri = f"sip:{domain}"
        self.nonce_count = 0
        self.challenge = None
        self.contact = f"<sip:{user}@{host}:{self.port}{self.contact_params}>"

    def text(self, contacts, extra=(), cseq=None, branch=None):
        if cseq is None:
            self.call.cseq += 1
            cseq = self.call.cseq
        text = self.call.text("REGISTER", cseq, branch or "z9hG4bK" + os.urandom(6).hex(), extra=extra)
        lines = [line for line in text.split("\r\n") if not line.startswith("Contact:")]
        lines[-2:-2] = [f"Contact: {c}" for c in contacts]
        return "\r\n".join(lines)

    def ask_register(self, contacts=(), extra=(), seconds=5, **how):
        """One REGISTER and its final answer."""
        self.sent = self.text(contacts, extra, **how)
        self.send(self.sent)
        return self.call.final(seconds, "REGISTER")

    def authorization(self, **more):
        self.nonce_count += 1
        more.setdefault("nc", self.nonce_count)
        return "Authorization: " + credentials(self.challenge, "REGISTER", self.call.uri, self.user, self.password, **more)

    def register(self, contacts=None, extra=(), **how):
        """REGISTER as a phone does it: with the nonce it has, and once more when that is challenged again."""
        contacts = [self.contact] if contacts is None else contacts
        if self.challenge is not None:
            answer = self.ask_register(contacts, [self.authorization(), *extra], **how)
            if status(answer) != 401 or "stale" not in challenge_of(answer):
                return answer
        else:
            answer = self.ask_register(contacts, extra, **how)
        if status(answer) != 401:
            return answer
        self.challenge, self.nonce_count = challenge_of(answer), 0
        return self.ask_register(contacts, [self.authorization(), *extra], **how)

    def invite(self, to="902121234567", password=None, caller=None, **more):
        """An INVITE that answers its challenge. returns (call, last final answer or the 200)."""
        call = Call(self, to=to, caller=caller or self.user)
        first = call.invite().final()
        if status(first) != 407:
            return call, first
        call.to_value = call.to_value.split(";tag=")[0]
        value = credentials(challenge_of(first), "INVITE", call.uri, self.user, password or self.password, **more)
        call.invite(extra=["Proxy-Authorization: " + value])
        return call, call.final()


class Phone(Registers, Ua):
    def __init__(self, port, user="alice", password=None, host="127.0.0.1", domain="sentiric_demo"):
        super().__init__(port, host)
        self.become(user, password, domain=domain)


class StreamPhone(Registers, StreamUa):
    """Over TCP, or with a context over TLS."""

    def __init__(self, port, user="alice", password=None, context=None):
        super().__init__(port, context)
        self.become(user, password)


def contacts_of(answer):
    """{URI: {parameter: value}} of the bindings in a 200."""
    found = {}
    for name, value in answer.headers:
        if name.lower() == "contact":
            uri, _, params = value[1:].partition(">")
            found[uri] = dict(p.partition("=")[::2] for p in params.split(";")[1:])
    return found
