"""The cells of tests/unit/call-actor/test_call_matrix.c, lived over real sockets: a caller and his callees who do what they
owe, and what each of them saw. What must come of a cell is read from that program's own table."""
import select
import time

import harness
from ua import OFFER, Call, header, status

HOLD = OFFER.format(port=40000).replace("sendrecv", "sendonly")
HELD = OFFER.format(port=41000).replace("sendrecv", "recvonly")
TO_US, TO_ALICE, TO_ALICE_BY_NAME = "902121234567", "902121230004", "1001"


def table():
    """{(stage, cause): {column: text}} as the unit test has it."""
    cells, stage, columns = {}, None, []
    for line in harness.make("matrix-calls").split("\n"):
        fields = [field.strip() for field in line.strip("|").split("|")]
        if line.startswith("### "):
            stage = line[4:]
        elif line.startswith("| cause "):
            columns = fields
        elif line.startswith("| ") and not line.startswith("| ---"):
            row = {name: "" if text == "-" else text for name, text in zip(columns, fields)}
            cells[stage, row["cause"]] = row
    return cells


def told(text):
    """The messages of a column, whatever their order. INVITEs to callees are repeated by the edge too."""
    return {m.rstrip("+") for m in text.split(", ") if m and not m.startswith("INVITE")}


class Saw:
    """What one side saw since the cause struck, but for what is only said again. Refusals are acknowledged by the edge:
    those ACKs are none of the call's."""

    def __init__(self, ua, call_id, invite_branch=None):
        self.ua, self.call_id, self.invite_branch = ua, call_id, invite_branch
        self.since, self.known = 0, set()

    def begin(self):
        self.since = len(self.ua.seen)
        self.known = self.named(self.ua.seen)

    def messages(self):
        return self.named(self.ua.seen[self.since:]) - self.known

    def named(self, messages):
        found = set()
        for m in messages:
            method = (header(m, "CSeq") or " ").split()[-1]
            refused = method == "ACK" and self.invite_branch and self.invite_branch in header(m, "Via")
            if header(m, "Call-ID") != self.call_id or refused or (status(m) or 200) < 180:
                continue
            found.add(f"{status(m)} {method}" if status(m) else method)
        return found - {"INVITE"}


class Parties:
    """One call, its caller and its callees, and who of them says nothing more."""

    def __init__(self, stack, ua, phones):
        self.stack, self.ua, self.phones = stack, ua, phones
        self.call, self.rungs, self.caller_silent = None, [], False
        self.quiet = False   # the callee has said nothing yet
        self.unacked = []    # answers that the caller has not acknowledged
        self.relayed = None  # a re-INVITE that waits for the callee

    # --- towards a stage ---

    def dial(self, to):
        self.call, self.bridged = Call(self.ua, to=to).invite(), to != TO_US
        self.cancel_text = self.call.text("CANCEL", self.call.cseq, self.call.branch)
        return self

    def at(self, state):
        harness.wait_for(f"the call is {state}", 8, lambda: any(
            c["call_id"] == self.call.call_id and c["state"] == state for c in self.stack.calls()))
        return self

    def rings(self, ring=True):
        self.rungs = [phone.rung(name=f"phone {n}") for n, phone in enumerate(self.phones)]
        self.quiet = not ring
        for rung in self.rungs if ring else ():
            rung.ring()
        for _ in self.rungs if ring else ():
            self.call.to_value = header(self.call.response(180), "To")
        return self

    def is_answered(self):
        self.unacked.append(self.call.final())
        assert status(self.unacked[-1]) == 200, self.unacked[-1].first
        return self

    def picks_up(self):
        self.rungs[0].pick_up()
        self.rungs[0].expect_ack()
        return self.is_answered()

    def ack(self):
        for answer in self.unacked:  # of the INVITE, whatever was asked since
            number, self.call.cseq = self.call.cseq, int(header(answer, "CSeq").split()[0])
            self.call.ack(answer)
            self.call.cseq = number
        self.unacked = []
        return self

    def reinvites(self):
        self.call.request("INVITE", HOLD)
        self.cancel_text = self.call.text("CANCEL", self.call.cseq, self.call.branch)
        return self

    # --- who does what he owes ---

    def hear_caller(self, m):
        ours = header(m, "Call-ID") == self.call.call_id
        if self.caller_silent or not ours:
            return
        if m.first.startswith("BYE "):
            self.ua.answer(m)
        elif self.call.mine(m, "INVITE") and status(m) >= 300:
            self.call.to_value = header(m, "To")
            number = header(m, "CSeq").split()[0]
            self.ua.send(self.call.text("ACK", number, header(m, "Via").partition("branch=")[2].partition(";")[0]))
        elif self.call.mine(m, "INVITE") and status(m) >= 200 and not self.unacked:
            self.call.to_value = header(m, "To")
            self.unacked.append(m)

    def hear_callee(self, rung, m):
        if header(m, "Call-ID") != rung.call_id:
            return
        if m.first.startswith(("CANCEL ", "BYE ")):
            rung.phone.answer(m)
        if m.first.startswith("CANCEL ") and (self.relayed or not rung.picked_up):
            rung.say("487 Request Terminated", contact=False, request=self.relayed)
            self.relayed = None

    def hear(self, until, seconds, what):
        """Everybody listens and answers until until() is true."""
        deadline = time.monotonic() + seconds * harness.SLOW
        while not until():
            self.break_silence()
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
            socks = {self.ua.sock: None} | {rung.phone.sock: rung for rung in self.rungs}
            for sock in select.select(list(socks), [], [], 0.05)[0]:
                rung = socks[sock]
                if rung is None:
                    self.hear_caller(self.ua.receive(0))
                else:
                    self.hear_callee(rung, rung.phone.receive(0))

    def break_silence(self):
        """A callee who had not said a word: nothing is cancelled before (RFC 3261 §9.1)."""
        if self.quiet and any(self.call.mine(m, "INVITE") and status(m) >= 300 for m in self.ua.seen):
            self.quiet = False
            self.rungs[0].ring()

    def hear_unread(self):
        for m in self.ua.unread[:]:
            self.ua.unread.remove(m)
            self.hear_caller(m)

    def state(self):
        return self.stack.ctl("call", self.call.call_id)

    def is_over(self):
        detail = self.state()
        return detail["state"] == "ended" and detail["open_requests"] == 0 and detail["open_jobs"] == 0 and all(
            leg["state"] in ("over", "up") for leg in detail.get("legs", ()))

    def callees_answer(self):
        """Whoever rings, or will."""
        if self.bridged and not self.rungs:
            self.rungs = [self.phones[0].rung()]
            self.rungs[0].picked_up = False
        for rung in self.rungs:
            if not rung.picked_up and self.state()["state"] == "ringing":
                rung.pick_up().picked_up = True

    # --- to the end of a call that goes on ---

    def goes_on(self):
        """To talking, and hung up by the caller when nobody else does."""
        self.callees_answer()
        if self.relayed is not None:
            self.rungs[0].say("200 OK", HELD, request=self.relayed)
        self.hear(lambda: self.unacked or self.state()["state"] in ("established", "ending", "ended"), 10, "it goes on")
        self.ack()
        self.hear(lambda: self.unacked or self.state()["state"] in ("established", "ending", "ended"), 10, "it goes on")
        self.ack()
        if self.state()["state"] == "established":
            self.call.request("BYE")
        self.hear(self.is_over, 15, "it ends")
