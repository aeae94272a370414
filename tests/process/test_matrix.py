"""Each stage of a call over real sockets, ended by this or that: what caller, callee, ports and events come to is what
tests/unit/call-actor/test_call_matrix.c has for the same cell. FULL=1: every cell that can be had from outside.
STAGE=text: only stages with that in their name."""
import json
import os
import unittest

import harness
from matrix import HELD, TO_ALICE, TO_ALICE_BY_NAME, TO_US, Parties, Saw, table, told
from test_bridge import BridgeTest
from ua import Ua, status

FULL = bool(os.environ.get("FULL"))
HELD_UP = {"delay_ms": 900}  # a backend, until the cause has struck
SILENT_S = 12
MARKS = ("", "(2)")  # of what the second callee saw

# What is always run of each stage; FULL runs every cause below for every stage.
ALWAYS = {
    "user_lookup": ("CANCEL", "call-actor killed"),
    "dialplan": ("CANCEL", "backend fails"),
    "media": ("CANCEL", "backend fails"),
    "answered by us, before the ACK": ("BYE of the caller", "timeout"),
    "established with us": ("BYE of the caller", "sip-edge killed"),
    "re-INVITE to us, before its ACK": ("BYE of the caller", "timeout"),
    "closing: hung up before the ACK": ("BYE of the caller", "CANCEL"),
    "ending: our BYE is out": ("BYE of the caller", "call-actor killed"),
    "ended by the caller's BYE": ("BYE of the caller", "orchestrator killed"),
    "locating a user who was called by name": ("CANCEL",),
    "locating whom the plan names": ("CANCEL",),
    "callee called, nothing heard": ("the callee answers",),
    "one callee rings": ("CANCEL", "timeout", "BYE of the caller", "call-actor killed"),
    "two callees ring": ("CANCEL", "the callee answers"),
    "cancelled while it rang, the callee has not said 487": ("the callee answers",),
    "callee answered, before the ACK": ("BYE of the callee", "BYE of the caller", "the caller is lost"),
    "caller and callee talk": ("BYE of the callee", "an operator hangs up"),
    "re-INVITE passed on": ("BYE of the caller", "CANCEL", "timeout", "sip-edge killed"),
    "callee hung up before the ACK": ("BYE of the caller", "call-actor killed"),
    "callee hung up: our BYE is out": ("BYE of the caller", "timeout"),
}

CAUSES = {"CANCEL", "BYE of the caller", "BYE of the callee", "timeout", "the caller is lost", "backend fails",
          "the callee answers", "an operator hangs up", "call-actor killed", "sip-edge killed", "orchestrator killed"}

# Stages that test_prack has.
PRACK = {"answering: our 180 waits for its PRACK", "one callee rings, the caller owes a PRACK",
         "callee answered, the 200 waits for a PRACK"}

# Cells that others have, or that cannot be had from outside.
ELSEWHERE = {
    # the orchestrator's own deadlines come first: test_backends
    "timeout": {"user_lookup", "dialplan", "media", "locating whom the plan names",
                "locating a user who was called by name"},
    # of the look-up behind a redirection, or one that makes the callee a guest's number: test_bridge, test_route
    "backend fails": {"callee called, nothing heard", "one callee rings", "two callees ring",
                      "locating a user who was called by name"},
    # it needs the tag of an early dialog
    "BYE of the caller": {"callee called, nothing heard"},
}


class TestMatrix(BridgeTest):
    settings = {"SIP_T1_MS": 50, "NO_ANSWER_S": 4, "SETUP_S": 5}  # 64*T1, after which who says nothing is gone, comes first

    # --- stages ---

    def reach(self, stage, cause):
        p = Parties(self.stack, self.ua, [self.alice])
        held = HELD_UP | ({"status": "UNAVAILABLE"} if cause == "backend fails" else {})
        if stage in ("user_lookup", "dialplan", "media"):
            rpc = {"user_lookup": "FindUserByContact", "dialplan": "ResolveDialplan", "media": "AllocatePort"}[stage]
            self.stack.platform.faults(**{rpc: held | ({"when": "after"} if cause == "CANCEL" else {})})
            return p.dial(TO_US).at(stage)
        if stage.startswith("locating"):
            self.forget_extension()
            self.stack.platform.faults(FindUserByContact=held)
            return p.dial(TO_ALICE_BY_NAME if "name" in stage.split() else TO_ALICE).at("locating")
        if "callee" in stage or "passed on" in stage:
            return self.reach_bridged(p, stage, cause)
        return self.reach_answered(p, stage)

    def reach_answered(self, p, stage):
        p.dial(TO_US).is_answered().at("answered")
        if stage.startswith("closing"):
            self.stack.ctl("hangup", p.call.call_id)
            return p.at("closing")
        if stage.startswith("answered"):
            return p
        p.ack().at("established")
        if stage.startswith("re-INVITE"):
            return p.reinvites().is_answered()
        if stage.startswith("ending"):
            self.stack.ctl("hangup", p.call.call_id)
            p.ua.expect_request("BYE", p.call)
        if stage.startswith("ended"):
            self.assertEqual(status(p.call.bye()), 200)
        return p

    def reach_bridged(self, p, stage, cause):
        if stage.startswith("two"):
            p.phones.append(self.phone())
        p.dial(TO_ALICE).rings(ring="nothing heard" not in stage)
        for rung in p.rungs:
            rung.picked_up = False
        if stage.startswith("cancelled"):
            p.ua.send(p.cancel_text)
            self.assertEqual(status(p.call.final()), 487)
            p.rungs[0].phone.answer(p.rungs[0].expect("CANCEL"))
        if "ring" in stage or "rang" in stage or "heard" in stage:
            return p
        p.picks_up()
        p.rungs[0].picked_up = True
        if "before the ACK" in stage:
            p.at("answered")
        else:
            p.ack().at("established")
        if "passed on" in stage:
            p.reinvites()
            p.relayed = p.rungs[0].expect("INVITE")
            if cause != "timeout":  # nothing is cancelled before (§9.1), nothing times out after it
                p.rungs[0].say("100 Trying", request=p.relayed, contact=False)
        if "hung up" in stage:
            self.assertEqual(status(p.rungs[0].bye()), 200)
            if "before" in stage:
                return p.at("closing")
            p.ua.expect_request("BYE", p.call)
        return p

    def forget_extension(self):
        """Who has an extension is remembered for a while, but not beyond a restart."""
        self.stack.wait_restarted(self.stack.kill_worker("call-actor"))
        self.stack.wait_ready()

    # --- causes ---

    def strike(self, p, cause):
        if cause == "CANCEL":
            p.ua.send(p.cancel_text)
        elif cause == "BYE of the caller":
            p.call.request("BYE")
        elif cause == "BYE of the callee":
            p.rungs[0].ask("BYE")
        elif cause == "the callee answers":
            p.rungs[0].pick_up()
            p.rungs[0].picked_up = True
        elif cause == "an operator hangs up":
            self.stack.ctl_raw("hangup", p.call.call_id)  # one that has ended is not found
        elif cause.endswith(" killed"):
            self.stack.wait_restarted(self.stack.kill_worker(cause[:-len(" killed")]))
            self.stack.wait_ready()
        elif cause in ("timeout", "the caller is lost"):
            self.fall_silent(p, cause)

    def fall_silent(self, p, cause):
        p.caller_silent = True
        if cause == "the caller is lost":
            p.callees_answer()
            if p.relayed:
                p.rungs[0].say("200 OK", HELD, request=p.relayed)
                p.relayed = None

    # --- cells ---

    def settle(self, p, cell):
        """Until the cause has done what it does: all that was to be told has been, and the call is over when it ends."""
        saw = (told(cell["the caller sees"]) - self.caller.known, told(cell["the callee sees"]) - self.known_to_callees())

        def seen():
            return self.seen() == saw and (cell["the call"] == "goes on" or p.is_over())
        try:
            p.hear(seen, SILENT_S, "all was told")
        except AssertionError:
            self.assertEqual(self.seen(), saw)
            raise

    def seen(self):
        return self.caller.messages(), {m + MARKS[n] for n, saw in enumerate(self.callees) for m in saw.messages()}

    def known_to_callees(self):
        return {m + MARKS[n] for n, saw in enumerate(self.callees) for m in saw.known}

    def check_ending(self, p, cell):
        """The same words in sigctl, the log and the event."""
        words = ("reason", "ended_by", "stage", "sip_code", "q850_cause")
        detail = p.state()
        if cell["the call"] != "goes on":
            self.assertEqual(" ".join(str(detail[w]) for w in words), cell["the call"])
        line = [m for m in map(json.loads, filter(lambda x: x.startswith("{"), self.stack.log().split("\n")))
                if m["message"] == "call ended" and m["call_id"] == p.call.call_id]
        words += ("setup_ms", "ring_ms", "talk_ms")
        self.assertEqual([{w: m[w] for w in words} for m in line], [{w: detail[w] for w in words}])
        keys = [f"call.{word}" for word in cell["events"].split()]
        if keys:
            event = self.stack.events.wait_ended(p.call.call_id)[-1]
            names = ("reason", "endedBy", "stage", "sipCode", "q850Cause", "setupMs", "ringMs")
            self.assertEqual([event[n] for n in names], [detail[w] for w in words[:-1]])
            self.assertEqual(event.get("talkMs", 0), detail["talk_ms"])
        self.assertEqual(self.stack.events.keys_of_call(p.call.call_id), keys)

    def watched(self, rungs):
        return [Saw(r.phone, r.call_id, r.via[0].partition("branch=")[2].partition(";")[0]) for r in rungs]

    def live(self, stage, cause, cell):
        before = self.stack.platform.status()
        p = self.reach(stage, cause)
        self.caller = Saw(p.ua, p.call.call_id)
        self.callees = self.watched(p.rungs)
        for saw in (self.caller, *self.callees):
            saw.begin()
        self.strike(p, cause)
        self.callees += self.watched(p.rungs[len(self.callees):])  # who was found by then
        p.hear_unread()
        self.settle(p, cell)
        p.caller_silent = p.caller_silent and cell["the call"] != "goes on"
        if cell["the call"] == "goes on":
            p.goes_on()
        self.check_ending(p, cell)
        self.stack.platform.faults()
        self.stack.assert_clean()
        ports = int(cell["ports"].split()[0])
        after = self.stack.platform.status()
        self.assertEqual([after[k] - before[k] for k in ("allocated", "released")], [ports, ports])

    def test_cells(self):
        cells = table()
        self.assertEqual(set(ALWAYS) | PRACK, {stage for stage, _ in cells})
        for (stage, cause), cell in cells.items():
            chosen = stage not in PRACK and os.environ.get("STAGE", "") in stage and (FULL or cause in ALWAYS[stage])
            if not chosen or cause not in CAUSES or stage in ELSEWHERE.get(cause, ()):
                continue
            with self.subTest(stage=stage, cause=cause):
                self.live(stage, cause, cell)
            if self.stack.calls():  # it went wrong: the next one gets a stack of its own
                self.stack.close(failed=True)
                self.setUpClass()
                self.ua = Ua(self.stack.sip_port)
                self.addCleanup(self.ua.sock.close)
            self.alice = self.phone(register=["*"])


if __name__ == "__main__":
    unittest.main()
