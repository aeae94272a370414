"""Calls of every kind, so many a second, whatever happens to the service meanwhile. Each party repeats what it said as RFC
3261 §17.1 has it and nothing else, and writes down what it was answered.

    with Traffic(stack, rate=20) as traffic:
        ...                                   # kill something
    traffic.check(self)                       # calls, events, registrations
"""
import collections
import contextlib
import importlib.util
import itertools
import json
import os
import random
import socket
import threading
import time

import grpc
import pika

from callee import Callee, Rung
from digest_ua import Phone
from harness import EXCHANGE, KINDS, TOP, wait_for
from stream_ua import StreamUa
from ua import OFFER, Call, Ua, header, status

T1, T2 = 0.5, 4.0  # of the callers: the RFC's, whatever the service's are
GIVE_UP = 20  # well below 64*T1: what takes so long has been lost
LINGER_S = 0.7  # he answers what is repeated to him after all is said
TO_US, TO_ALICE = "902121234567", "902121230004"  # plans: START_AI_CONVERSATION, BRIDGE_CALL to extension 1001
SHORT = "905551239999"  # a caller on whom Alice hangs up
HOLD = OFFER.replace("sendrecv", "sendonly")
UNANSWERED = ("call.started", "call.ended")


class Wrong(Exception):
    """What must not happen to a call."""


class Refused(Exception):
    """503 with Retry-After."""


class Repeats:
    """When a request is said again: timers A and E."""

    def __init__(self, method):
        self.capped = method != "INVITE"
        self.wait, self.begun = T1, time.monotonic()
        self.at = self.begun + T1

    def next(self):
        self.wait = min(2 * self.wait, T2) if self.capped else 2 * self.wait
        self.at = time.monotonic() + self.wait


class Line(StreamUa):
    """A connection that is made again when it breaks; what had no answer is said again over the new one."""

    pending = None
    remade = 0

    def send(self, text):
        self.pending = text if not text.startswith(("ACK ", "SIP/2.0 ")) else self.pending
        try:
            super().send(text)
        except OSError:
            self.closed = True

    def receive(self, seconds):
        deadline = time.monotonic() + seconds
        m = super().receive(seconds)
        while m is None and self.closed and time.monotonic() < deadline:
            self.remake()
            m = super().receive(max(0, deadline - time.monotonic()))
        return m

    def remake(self):
        try:
            sock = socket.create_connection(self.target, timeout=10)
        except OSError:
            time.sleep(0.05)  # the supervisor is away, and with it the port
            return
        self.sock.close()
        self.sock, self.rest, self.closed = sock, b"", False
        self.sock.settimeout(30)
        self.remade += 1
        if self.pending:
            self.send(self.pending)


class Caller:
    """One call, from INVITE to the end, in a thread of its own."""

    def __init__(self, traffic, kind):
        self.traffic, self.kind = traffic, kind
        self.reliable = kind == "tcp"
        self.ua = (Line if self.reliable else Ua)(traffic.stack.sip_port)
        self.call = Call(self.ua, to=TO_ALICE if kind.startswith("bridged") else TO_US,
                         caller=SHORT if kind == "bridged_callee_ends" else "905551234567")
        self.began, self.over = time.time(), 0
        self.finals = collections.defaultdict(set)  # CSeq -> {(status, To tag)}
        self.resent = collections.Counter()
        self.longest = 0.0  # until a request had its first answer
        self.wrong, self.acks, self.hung_up = [], {}, False
        self.answered = self.rejected = 0

    # --- what comes ---

    def take(self, seconds):
        """The next message that is more than a repeat or a BYE; None: none in time."""
        deadline = time.monotonic() + seconds
        while (m := self.ua.receive(deadline - time.monotonic())) is not None:
            if header(m, "Call-ID") != self.call.call_id:
                continue  # for whoever had this port before
            if status(m) is None:
                self.on_request(m)
                if self.hung_up:
                    return m
            elif not self.is_repeat(m):
                return m
        return None

    def on_request(self, m):
        self.ua.answer(m)
        if m.first.startswith("BYE "):
            self.hung_up = True

    def is_repeat(self, m):
        """A final response is written down; to one of INVITE that had its ACK the ACK is said again."""
        cseq, code = header(m, "CSeq"), status(m)
        if code < 200:
            if self.finals.get(cseq):
                self.wrong.append(f"{code} behind the final response to {cseq}")
            return False
        self.finals[cseq].add((code, header(m, "To").partition(";tag=")[2]))
        if cseq in self.acks:
            self.ua.send(self.acks[cseq])
        return cseq in self.acks

    # --- what is said ---

    def ask(self, method, body="", until=lambda m: False):
        """A request and its final response, or the provisional one that until() is for."""
        self.call.request(method, body)
        return self.answer_to(method, self.call.sent, until)

    def answer_to(self, method, text, until=lambda m: False):
        r, heard = Repeats(method), False
        while True:
            m = self.take(r.at - time.monotonic())
            now = time.monotonic()
            if m is not None and status(m) is not None and self.call.mine(m, method):
                self.longest = max(self.longest, 0 if heard else now - r.begun)
                heard = True
                if status(m) >= 200:
                    self.ua.pending = None
                if status(m) >= 200 or until(m):
                    return m
            if m is not None and status(m) is None and method == "BYE":
                continue  # both hang up at once
            if now > r.begun + GIVE_UP:
                raise Wrong(f"no final response to {method}")
            if m is None:
                if not (method == "INVITE" and heard) and not self.reliable:
                    self.ua.send(text)
                    self.resent[method] += 1
                r.next()

    def ack(self, m):
        call = self.call
        if status(m) < 300:
            call.uri = header(m, "Contact").strip("<>").split(">")[0]
            text = call.text("ACK", call.cseq, "z9hG4bK" + os.urandom(6).hex())
        else:
            text = call.text("ACK", call.cseq, call.branch)
        self.acks[header(m, "CSeq")] = text
        self.ua.send(text)

    def invite(self, offer=OFFER):
        m = self.ask("INVITE", offer.format(port=self.call.rtp_port))
        self.call.to_value = header(m, "To")
        self.ack(m)
        if status(m) == 503 and header(m, "Retry-After"):
            raise Refused(m.first)
        if status(m) == 491 and self.answered:
            return  # it overtook the ACK that a death lost (RFC 5407 §3.1.5): he does without holding
        if status(m) != 200:
            raise Wrong(f"refused: {m.first}")
        self.answered = 1

    def listen(self, seconds):
        deadline = time.monotonic() + seconds
        while not self.hung_up and time.monotonic() < deadline:
            self.take(deadline - time.monotonic())

    def bye(self):
        m = self.ask("BYE")
        if status(m) != 200 and not (status(m) == 481 and self.hung_up):
            raise Wrong(f"BYE: {m.first}")

    def wait_bye(self, why, seconds=20):
        self.listen(seconds)
        if not self.hung_up:
            raise Wrong(f"no BYE though {why}")

    # --- kinds of calls ---

    def run_answered(self):
        self.invite()
        self.listen(random.uniform(0.05, 0.4))
        self.bye()

    def run_tcp(self):
        self.run_answered()

    def run_held(self):
        self.invite()
        self.listen(random.uniform(0.05, 0.2))
        self.invite(HOLD)
        self.listen(random.uniform(0.05, 0.2))
        self.bye()

    def run_cancelled(self):
        call = self.call
        call.request("INVITE", OFFER.format(port=call.rtp_port))
        invite, m = call.sent, None
        if (first := self.answer_to("INVITE", invite, lambda m: True)) is not None and status(first) < 200:
            cancel = call.text("CANCEL", call.cseq, call.branch)
            self.ua.send(cancel)
            m = self.both_answers(cancel)
        m = m or first
        call.to_value = header(m, "To")
        self.ack(m)
        if status(m) == 200:
            self.answered = 1
            self.bye()
        elif status(m) == 503 and header(m, "Retry-After"):
            raise Refused(m.first)
        elif status(m) != 487:
            raise Wrong(f"cancelled, and: {m.first}")

    def both_answers(self, cancel):
        """The final response to the INVITE; CANCEL has one too."""
        r, found = Repeats("CANCEL"), {}
        while len(found) < 2:
            m = self.take(r.at - time.monotonic())
            if m is not None and status(m) >= 200:
                found[header(m, "CSeq").split()[1]] = m
            elif m is None and "CANCEL" not in found:
                self.ua.send(cancel)
                self.resent["CANCEL"] += 1
            if m is None:
                r.next()
            if time.monotonic() > r.begun + GIVE_UP:
                raise Wrong(f"after CANCEL only answers to {list(found)}")
        if status(found["CANCEL"]) not in (200, 481):
            raise Wrong(f"CANCEL: {found['CANCEL'].first}")
        return found["INVITE"]

    def run_hung_up_ctl(self):
        self.invite()
        self.hang_up(lambda: self.traffic.stack.ctl_raw("hangup", self.call.call_id).returncode == 0)

    def run_hung_up_grpc(self):
        self.invite()
        self.hang_up(lambda: self.traffic.terminate(self.call.call_id))

    def hang_up(self, ask):
        """Asked again until it is done: who asks has an answer to wait for."""
        deadline = time.monotonic() + GIVE_UP
        while not self.hung_up and not ask():
            self.listen(0.1)
            if time.monotonic() > deadline:
                raise Wrong("nobody takes the request to hang up")
        self.wait_bye("the platform hung up")

    def run_hung_up_amqp(self):
        self.invite()
        self.listen(0.05)
        self.traffic.commands.append(self.call.call_id)
        self.wait_bye("the platform hung up by AMQP")

    def run_bridged(self):
        self.invite()
        self.listen(random.uniform(0.05, 0.3))
        self.bye()

    def run_bridged_callee_ends(self):
        self.invite()
        self.wait_bye("alice hung up")

    def run(self):
        try:
            getattr(self, "run_" + self.kind)()
        except Refused as e:
            self.wrong += [] if self.traffic.may_refuse else [f"refused: {e}"]
        except (Wrong, OSError) as e:
            self.wrong.append(str(e))
        self.over = time.time()
        end = time.monotonic() + LINGER_S
        while (left := end - time.monotonic()) > 0:
            m = self.ua.receive(left)
            if m is not None and header(m, "Call-ID") != self.call.call_id:
                continue
            if m is not None and status(m) is None:
                self.on_request(m)
            elif m is not None:
                self.is_repeat(m)
        self.ua.sock.close()
        self.wrong += [f"{len(f)} final responses to {c}: {sorted(f)}" for c, f in self.finals.items() if len(f) > 1]


KINDS_OF_CALL = [name[4:] for name in vars(Caller) if name.startswith("run_")]


class Talk:
    """One INVITE that reached Alice."""

    def __init__(self, rung):
        self.rung, self.answer, self.acked, self.over = rung, None, False, False
        self.bye = None
        self.act, self.at, self.wait = None, 0, T1  # what is done at a time, and how long until it is done again

    def later(self, seconds, act):
        self.act, self.at = act, time.monotonic() + seconds

    def again(self, act):
        """Timers of the 2xx (§13.3.1.4) and of a BYE (E): the same ones."""
        self.later(self.wait, act)
        self.wait = min(2 * self.wait, T2)


class Alice(threading.Thread):
    """Who is rung: answers after a moment, and hangs up on the callers that SHORT tells."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.phone = Callee(port)
        self.calls, self.ending, self.resent = {}, False, 0

    def say(self, talk, code, body=""):
        talk.answer = talk.rung.answer_text(code, body)
        self.phone.send(talk.answer)

    def pick_up(self, talk):
        self.resent += talk.wait > T1
        self.say(talk, "200 OK", talk.rung.sdp())
        talk.again(self.pick_up)

    def hang_up(self, talk):
        talk.bye = talk.bye or talk.rung.text("BYE")
        self.phone.send(talk.bye)
        talk.again(self.hang_up)

    def on_request(self, m):
        call_id, method = header(m, "Call-ID"), m.first.split()[0]
        talk = self.calls.get(call_id)
        if method == "INVITE" and talk is None:
            talk = self.calls[call_id] = Talk(Rung(self.phone, m))
            self.say(talk, "180 Ringing")
            talk.later(random.uniform(0.01, 0.05), self.pick_up)
        elif method == "INVITE":
            self.phone.send(talk.answer)
        elif method == "ACK" and talk is not None and not talk.acked:
            talk.acked, talk.act, talk.wait = True, None, T1
            if SHORT in header(talk.rung.request, "From"):
                talk.later(0.1, self.hang_up)
        elif method in ("BYE", "CANCEL"):
            self.phone.answer(m)
            if talk is not None:
                talk.act, talk.over = None, True

    def on_response(self, m):
        talk = self.calls.get(header(m, "Call-ID"))
        if talk is not None and header(m, "CSeq").endswith(" BYE"):
            talk.act, talk.over = None, True

    def run(self):
        while not self.ending:
            due = [t.at - time.monotonic() for t in list(self.calls.values()) if t.act]
            m = self.phone.receive(max(0, min([0.1, *due])))
            if m is not None:
                (self.on_request if status(m) is None else self.on_response)(m)
            for talk in [t for t in self.calls.values() if t.act and t.at <= time.monotonic()]:
                talk.act(talk)


class Registered(Phone):
    """A phone that says its REGISTER again as any client does."""

    resent = 0

    def ask_register(self, contacts=(), extra=(), seconds=GIVE_UP, **how):
        self.sent = self.text(contacts, extra, **how)
        self.send(self.sent)
        r = Repeats("REGISTER")
        while True:
            m = self.receive(max(0, r.at - time.monotonic()))
            if m is not None and self.call.mine(m, "REGISTER") and header(m, "CSeq").startswith(f"{self.call.cseq} "):
                return m
            if time.monotonic() > r.begun + seconds:
                raise Wrong("no answer to REGISTER")
            if m is None:
                self.send(self.sent)
                self.resent += 1
                r.next()


class Traffic:
    def __init__(self, stack, rate=20, may_refuse=False):
        self.stack, self.rate, self.may_refuse = stack, rate, may_refuse
        self.calls, self.threads, self.faults = [], [], []
        self.commands = collections.deque()
        self.ending, self.over = threading.Event(), threading.Event()
        self.load_grpc()

    # --- parties ---

    def __enter__(self):
        self.alice = Alice(self.stack.sip_port)
        self.phones = [Registered(self.stack.sip_port, user="bob")]
        for phone in (self.alice.phone, *self.phones):
            assert status(phone.register()) == 200
        self.alice.start()
        self.jobs = [threading.Thread(target=f, daemon=True) for f in (self.begin_calls, self.keep_registered, self.publish)]
        for t in self.jobs:
            t.start()
        return self

    def __exit__(self, kind, value, trace):
        """No new calls; those there are end as they wanted to."""
        self.ending.set()
        self.jobs[0].join()
        for t in self.threads:
            t.join(3 * GIVE_UP if kind is None else 0.1)
        self.over.set()  # nobody has a command to publish any more
        for t in self.jobs:
            t.join(GIVE_UP)
        self.alice.ending = True
        self.alice.join(2)

    def begin_calls(self):
        for kind in itertools.cycle(KINDS_OF_CALL):
            if self.ending.wait(1 / self.rate):
                return
            try:
                c = Caller(self, kind)
            except OSError:
                continue  # nobody takes a connection now
            self.calls.append(c)
            self.threads.append(threading.Thread(target=c.run, daemon=True))
            self.threads[-1].start()

    def keep_registered(self):
        while not self.ending.wait(0.1):
            for phone in self.phones:
                try:
                    answer = phone.register()
                    if status(answer) != 200:
                        self.faults.append(f"REGISTER of {phone.user}: {answer.first}")
                except Wrong as e:
                    self.faults.append(str(e))

    def publish(self):
        """Commands of the platform by AMQP; a broker that is away gets them when it is back."""
        connection = None
        while not self.over.wait(0.02):
            try:
                connection = connection or self.stack.broker.connect()
                connection.process_data_events()
                while self.commands:
                    body = json.dumps({"callId": self.commands[0], "reason": "test"}).encode()
                    connection.channel().basic_publish(EXCHANGE, "call.terminate.request", body)
                    self.commands.popleft()
            except (pika.exceptions.AMQPError, OSError):
                connection = None
        if connection:
            connection.close()

    def load_grpc(self):
        path = os.path.join(TOP, "tests/peers/wire.py")
        spec = importlib.util.spec_from_file_location("peers_wire", path)
        self.wire = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.wire)
        self.sip = self.wire.load("sip")
        pki = self.stack.pki
        self.channel = self.wire.channel(f"127.0.0.1:{self.stack.grpc_port}", f"{pki}/client.crt", f"{pki}/client.key",
                                         f"{pki}/ca.crt", "sip-signaling-service",
                                         **{"grpc.max_reconnect_backoff_ms": 200, "grpc.initial_reconnect_backoff_ms": 100})

    def terminate(self, call_id):
        """TerminateCall; True when the service says that it is done."""
        request = self.sip.TerminateCallRequest(call_id=call_id, reason="test")
        try:
            return self.wire.unary(self.channel, "/sentiric.sip.v1.SipSignalingService/TerminateCall", request,
                                   self.sip.TerminateCallResponse, timeout=5).success
        except grpc.RpcError:
            return False

    # --- what came of it ---

    def wrong(self):
        """What went wrong, with the times between which it did: text, from, until."""
        found = [(f"{c.kind} {c.call.call_id}: {w}", c.began, c.over or time.time()) for c in self.calls for w in c.wrong]
        found += [(f"{c.kind} {c.call.call_id} does not end", c.began, time.time()) for c in self.calls if not c.over]
        found += [(f"Alice's {k}: {'no BYE' if t.acked else 'no ACK'}", t.rung.request.at, t.rung.request.at)
                  for k, t in self.alice.calls.items() if not t.over]
        return found + [(f, 0, 0) for f in self.faults]

    def times(self, call_id):
        """Between which a call was."""
        return next(((c.began, c.over) for c in self.calls if c.call.call_id == call_id), (0, 0))

    def resent(self):
        """{requests repeated so many times: how many requests}, those never repeated left out."""
        return collections.Counter(n for c in self.calls for n in c.resent.values())

    def check_events(self):
        """Each event once, in order: of answered calls three, of others none, or that they were begun and over."""
        answered = {c.call.call_id: c for c in self.calls if c.answered}
        known = {c.call.call_id for c in self.calls}

        def missing():
            told = self.stack.events.by_call()
            return [call for call in answered if "call.ended" not in told.get(call, ())]
        with contextlib.suppress(AssertionError):
            wait_for("every event", 15, lambda: not missing())
        found = [(f"events of {c.kind} {call}: call.ended is missing", c.began, c.over) for call, c in answered.items()
                 if call in missing()]
        for call, keys in self.stack.events.by_call().items():
            # Who hangs up before his lost ACK was asked for again has a call that was never answered (docs/calls.md).
            allowed = (KINDS, UNANSWERED) if call in answered else ((), UNANSWERED)
            if call in known and tuple(keys) not in allowed:
                found.append((f"events of {call}: {keys}", *self.times(call)))
        return found

    def check_registered(self):
        held = {r["contact"] for r in self.stack.ctl("registrations")["registrations"]}
        return [(f"the registration of {p.user} is lost", 0, 0) for p in [self.alice.phone, *self.phones]
                if p.contact.strip("<>") not in {h.strip("<>") for h in held}]
