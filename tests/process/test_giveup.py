"""A caller who gives up, and one who is gone: what the platform is asked and not asked, and that nothing of the call stays."""
import unittest

import harness
from harness import KINDS
from stream_ua import StreamUa
from test_bridge import TO_ALICE, UNANSWERED, BridgeTest, cancel
from test_call import OneCall
from ua import Call, header, status

# State of the call, the RPC it waits for, and whether that is cancelled on the wire. AllocatePort is not: a port that is
# taken and told to nobody would be lost.
WAITS = (("user_lookup", "FindUserByContact", True), ("dialplan", "ResolveDialplan", True), ("media", "AllocatePort", False))


class TestCancelledRpc(OneCall):
    def given_up(self, state, rpc):
        self.stack.platform.faults(**{rpc: {"delay_ms": 1500}})
        call = Call(self.ua).invite()
        harness.wait_for(state, 5, lambda: [c["state"] for c in self.stack.calls()] == [state])
        cancel(call, ['Reason: SIP;cause=487, Q.850;cause=31'])
        self.assertEqual(status(call.final(1, "CANCEL")), 200)
        self.assertEqual(status(call.final(1)), 487)
        return call

    def test_each(self):
        for state, rpc, on_the_wire in WAITS:
            with self.subTest(rpc=rpc):
                before, rpcs = self.stack.platform.status(), len(self.stack.platform.ledger("rpc"))
                call = self.given_up(state, rpc)
                told = harness.wait_for(f"{rpc} is over", 5, lambda: [
                    line for line in self.stack.platform.ledger("rpc")[rpcs:] if line["rpc"] == rpc])
                self.assertEqual([line["cancelled"] for line in told], [on_the_wire])
                self.stack.assert_clean()
                after = self.stack.platform.status()
                ports = [after[k] - before[k] for k in ("allocated", "released")]
                self.assertEqual(ports, [0, 0] if on_the_wire else [1, 1])
                ending = self.stack.ctl("call", call.call_id)
                self.assertEqual([ending[k] for k in ("reason", "ended_by", "stage", "sip_code", "q850_cause")],
                                 ["cancelled", "caller", state, 487, 31])
                self.assertEqual(self.stack.events.of_call(call.call_id), [])
        self.stack.platform.faults()


class TestLostConnection(BridgeTest):
    """A caller over TCP whose connection breaks. He may come back over another one: he is waited for as long as RFC 3261
    says, and then nothing of his call is left."""

    settings = {"SIP_T1_MS": 50, "NO_ANSWER_S": 30}

    def caller(self):
        ua = StreamUa(self.stack.sip_port)
        self.addCleanup(ua.sock.close)
        return ua

    def gone(self, call, keys, reason="failure", by="timer", stage="answered"):
        body = self.ended(call, reason, keys)[-1]
        self.assertEqual((body["endedBy"], body["stage"]), (by, stage))

    def test_during_the_set_up(self):
        self.stack.platform.faults(ResolveDialplan={"delay_ms": 500})
        call = Call(self.caller()).invite()
        call.response(100)
        call.ua.sock.close()
        self.gone(call, UNANSWERED)
        self.stack.platform.faults()

    def test_before_his_ack(self):
        call = Call(self.caller()).invite()
        self.assertEqual(status(call.final()), 200)
        call.ua.sock.close()
        self.gone(call, UNANSWERED)

    def test_while_it_rings(self):
        """Who rings is not told: a phone may register and call anew over another connection."""
        call = Call(self.caller(), to=TO_ALICE).invite()
        rung = self.alice.rung().ring()
        call.response(180)
        call.ua.sock.close()
        rung.pick_up()
        rung.expect_ack()
        self.assertIn("cause=102", header(rung.expect_bye(10), "Reason"))
        self.gone(call, UNANSWERED)

    def test_while_they_talk(self):
        """Nobody notices before somebody hangs up: the BYE has nobody to go to, and the call ends all the same."""
        call = Call(self.caller(), to=TO_ALICE).invite()
        rung = self.alice.rung()
        rung.pick_up()
        call.ack(call.final())
        rung.expect_ack()
        self.stack.wait_established(call)
        call.ua.sock.close()
        self.assertEqual(status(rung.bye()), 200)
        self.gone(call, KINDS, "normal_clearing", "callee", "established")

    def test_while_he_talks_to_us(self):
        call = Call(self.caller())
        call.answered()
        self.stack.wait_established(call)
        call.ua.sock.close()
        self.stack.ctl("hangup", call.call_id)
        self.gone(call, KINDS, "system_terminated", "operator", "established")


if __name__ == "__main__":
    unittest.main()
