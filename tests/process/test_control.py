"""Calls placed for the platform and operators: what who is called, the platform's ledger, the broker and the asker see."""
import re
import threading
import unittest
import uuid

import peers
from callee import Callee, Rung
from harness import KINDS, wait_for
from test_call import OneCall
from ua import header, status

OURS = "902121234567"  # its plan: DP_DEMO_AI
UNANSWERED = ("call.started", "call.ended")


class Phone(Callee):
    def rung_for(self, call_id, seconds=5):
        """The INVITE of this call: repeats of an older one may still lie about."""
        invite = self.expect(f"INVITE of {call_id}", seconds,
                             lambda m: m.first.startswith("INVITE ") and header(m, "Call-ID") == call_id)
        return Rung(self, invite, self.user)

    def reinvited(self, rung, seconds=5):
        return self.expect(f"re-INVITE of {rung.call_id}", seconds, lambda m: m.first.startswith("INVITE ") and
                           header(m, "Call-ID") == rung.call_id and ";tag=" in header(m, "To"))

    def assert_not_rung_again(self, rung, seconds=0.4):
        """No INVITE but repeats of this one."""
        while (m := self.receive(seconds)) is not None:
            if m.first.startswith("INVITE "):
                assert header(m, "Via") == header(rung.request, "Via"), m.first


class DialTest(OneCall):
    settings = {"SIP_T1_MS": 100, "NO_ANSWER_S": 20}

    def setUp(self):
        super().setUp()
        self.alice = self.phone("alice")

    def phone(self, user):
        phone = Phone(self.stack.sip_port, user=user)
        self.addCleanup(phone.sock.close)
        self.assertEqual(status(phone.register(["*"], ["Expires: 0"])), 200)
        self.assertEqual(status(phone.register()), 200)
        return phone

    def dial(self, to="sip:alice@sentiric.cloud", line=OURS, **how):
        """A call to alice for the platform, from a number of ours, and the INVITE that reached her."""
        call_id = how.pop("call_id", "out-" + str(uuid.uuid4()))
        self.alice.unread.clear()
        r = peers.b2bua(self.stack, "dial", f"sip:{line}@sentiric.cloud", to, call_id, **how)
        self.assertEqual((r["status"], r.get("call_id")), ("OK", call_id), r)
        return call_id, self.alice.rung_for(call_id)

    def talks(self, **how):
        call_id, rung = self.dial(**how)
        rung.ring().pick_up()
        rung.expect_ack()
        self.wait_state(call_id, "established")
        return call_id, rung

    def wait_state(self, call_id, state):
        wait_for(f"{call_id} is {state}", 5, lambda: [
            c for c in self.stack.calls() if c["call_id"] == call_id and c["state"] == state])

    def over(self, call_id, reason, by=None, keys=KINDS):
        bodies = self.stack.events.wait_ended(call_id)
        self.assertEqual([b["eventType"] for b in bodies], list(keys))
        self.assertEqual(bodies[-1]["reason"], reason)
        if by:
            self.assertEqual(bodies[-1]["endedBy"], by)
        self.stack.assert_clean()
        return bodies


class TestDialToPlatform(DialTest):
    """InitiateCall with a `from` that is nobody's: who is called talks to the platform."""

    def test_answered_and_the_callee_hangs_up(self):
        call_id, rung = self.talks()
        self.assertEqual(rung.call_id, call_id)
        held = self.stack.ctl("call", call_id)
        self.assertEqual(held["direction"], "outbound")
        self.assertIn(f"m=audio {held['rtp_port']} RTP/AVP", rung.request.body)
        self.assertEqual(status(rung.bye()), 200)
        started, answered, ended = self.over(call_id, "normal_clearing", "callee")
        self.assertEqual({started["direction"], ended["direction"]}, {"outbound"})
        self.assertEqual(started["from"], f"<sip:{OURS}@sentiric.cloud>")
        self.assertEqual(started["to"], "<sip:alice@sentiric.cloud>")
        self.assertEqual(started["media"]["server_rtp_port"], held["rtp_port"])
        plan = started["dialplanResolution"]
        self.assertEqual((plan["dialplanId"], plan["action"]["action"]), ("DP_DEMO_AI", "START_AI_CONVERSATION"))

    def test_the_platform_hangs_up(self):
        call_id, rung = self.talks()
        self.assertIn("OK", peers.terminate(self.stack, call_id, "done").stdout)
        rung.expect_bye()
        self.over(call_id, "system_terminated", "platform")

    def test_it_is_put_on_hold(self):
        call_id, rung = self.talks()
        rung.ask("INVITE", rung.sdp().replace("a=x-of", "a=sendonly\r\na=x-of"))
        answer = rung.final("INVITE")
        self.assertEqual(status(answer), 200)
        self.assertIn("a=recvonly", answer.body)
        rung.ack()
        rung.bye()
        self.over(call_id, "normal_clearing", "callee")

    def test_busy(self):
        call_id, rung = self.dial()
        rung.say("486 Busy Here", contact=False)
        rung.expect_ack()
        ended = self.over(call_id, "busy", "callee", UNANSWERED)[-1]
        self.assertEqual(ended["sipCode"], 486)

    def test_declined(self):
        call_id, rung = self.dial()
        rung.ring().say("603 Decline", contact=False)
        rung.expect_ack()
        self.over(call_id, "busy", "callee", UNANSWERED)

    def test_an_operator_gives_up_while_it_rings(self):
        call_id, rung = self.dial()
        rung.ring()
        self.wait_state(call_id, "ringing")
        self.stack.ctl("hangup", call_id)
        rung.expect_cancel()
        self.over(call_id, "system_terminated", "operator", UNANSWERED)

    def test_the_answer_crosses_the_cancel(self):
        call_id, rung = self.dial()
        rung.ring()
        self.wait_state(call_id, "ringing")
        peers.terminate(self.stack, call_id, "done")
        cancel = rung.expect("CANCEL")
        rung.pick_up()
        self.alice.answer(cancel)
        rung.expect_ack()
        rung.expect_bye()
        self.over(call_id, "system_terminated", "platform", UNANSWERED)

    def test_an_answer_without_a_codec_of_ours(self):
        call_id, rung = self.dial()
        rung.say("200 OK", rung.sdp().replace("RTP/AVP 0", "RTP/SAVP 0"))
        rung.expect_ack()
        rung.expect_bye()
        self.over(call_id, "failure", keys=UNANSWERED)

    def test_repeated_2xx_are_acknowledged(self):
        call_id, rung = self.talks()
        rung.pick_up()
        rung.expect_ack()
        rung.bye()
        self.over(call_id, "normal_clearing", "callee")

    def test_a_call_id_is_made(self):
        r = peers.b2bua(self.stack, "dial", f"sip:{OURS}@sentiric.cloud", "sip:alice@sentiric.cloud")
        self.assertEqual(r["status"], "OK")
        self.assertEqual(str(uuid.UUID(r["call_id"])), r["call_id"])
        rung = self.alice.rung_for(r["call_id"])
        rung.say("486 Busy Here", contact=False)
        rung.expect_ack()
        self.over(r["call_id"], "busy", keys=UNANSWERED)


class TestDialTwo(DialTest):
    """`from` is a registered user: he is rung first, and then joined to `to`."""

    def setUp(self):
        super().setUp()
        self.bob = self.phone("bob")

    def first(self, to="sip:bob@sentiric.cloud", **how):
        """Bob is wanted by alice, who has answered."""
        call_id, alice = self.dial(to, "alice", **how)
        self.assertIn("bob", header(alice.request, "From"))
        alice.ring().pick_up()
        alice.expect_ack()
        return call_id, alice

    def second(self, **how):
        call_id, alice = self.first(**how)
        bob = self.bob.rung()
        self.assertIn("alice", header(bob.request, "From"))
        self.assertEqual(bob.request.body, alice.sdp())
        return call_id, alice, bob

    def picked_up(self, bob, alice, port=43000):
        bob.ring().say("200 OK", bob.sdp(port))
        bob.expect_ack()
        offer = alice.phone.reinvited(alice)
        self.assertIn(f"m=audio {port} ", offer.body)
        return offer

    def joined(self):
        call_id, alice, bob = self.second()
        offer = self.picked_up(bob, alice)
        alice.say("200 OK", alice.sdp(), request=offer)
        alice.expect_ack()
        wait_for("the port is back", 5, lambda: self.stack.ctl("call", call_id).get("port_state") == "released")
        return call_id, alice, bob

    def test_joined_and_the_first_hangs_up(self):
        call_id, alice, bob = self.joined()
        self.assertEqual(status(alice.bye()), 200)
        bob.expect_bye()
        started = self.over(call_id, "normal_clearing", "caller")[0]
        plan = started["dialplanResolution"]["action"]
        self.assertEqual((plan["action"], plan["actionData"]["data"]["target"]), ("BRIDGE_CALL", "<sip:bob@sentiric.cloud>"))

    def test_joined_and_the_second_hangs_up(self):
        call_id, alice, bob = self.joined()
        self.assertEqual(status(bob.bye()), 200)
        alice.expect_bye()
        self.over(call_id, "normal_clearing", "callee")

    def test_joined_and_an_operator_hangs_up(self):
        call_id, alice, bob = self.joined()
        self.stack.ctl("hangup", call_id)
        alice.expect_bye()
        bob.expect_bye()
        self.over(call_id, "system_terminated", "operator")

    def test_the_session_goes_on_for_the_first(self):
        """One o= line from beginning to end, whose version grows."""
        call_id, alice, bob = self.second()
        before = re.search(r"o=- (\d+) (\d+) ", alice.request.body)
        after = re.search(r"o=- (\d+) (\d+) ", self.picked_up(bob, alice).body)
        self.assertEqual((after[1], int(after[2])), (before[1], int(before[2]) + 1))
        self.stack.ctl("hangup", call_id)
        alice.expect_bye()
        bob.expect_bye()
        self.over(call_id, "system_terminated", keys=UNANSWERED)

    def test_the_first_answers_elsewhere(self):
        """His media moved with the re-INVITE: the second hears of it."""
        call_id, alice, bob = self.second()
        offer = self.picked_up(bob, alice)
        alice.say("200 OK", alice.sdp(43210), request=offer)
        alice.expect_ack()
        told = bob.phone.reinvited(bob)
        self.assertIn("m=audio 43210 ", told.body)
        bob.say("200 OK", bob.sdp(43000), request=told)
        bob.expect_ack()
        bob.bye()
        alice.expect_bye()
        self.over(call_id, "normal_clearing", "callee")

    def test_glare(self):
        call_id, alice, bob = self.second()
        offer = self.picked_up(bob, alice)
        alice.say("491 Request Pending", request=offer)
        alice.expect_ack()
        again = alice.phone.reinvited(alice)
        alice.say("200 OK", alice.sdp(), request=again)
        alice.expect_ack()
        bob.bye()
        alice.expect_bye()
        self.over(call_id, "normal_clearing", "callee")

    def test_the_second_is_busy(self):
        call_id, alice, bob = self.second()
        bob.say("486 Busy Here", contact=False)
        bob.expect_ack()
        alice.expect_bye()
        ended = self.over(call_id, "busy", "callee", UNANSWERED)[-1]
        self.assertEqual(ended["sipCode"], 486)

    def test_the_second_is_not_there(self):
        self.assertEqual(status(self.bob.register(["*"], ["Expires: 0"])), 200)
        call_id, alice = self.first()
        alice.expect_bye()
        self.over(call_id, "no_answer", keys=UNANSWERED)

    def test_the_first_does_not_take_it(self):
        call_id, alice, bob = self.second()
        offer = self.picked_up(bob, alice)
        alice.say("488 Not Acceptable Here", request=offer)
        alice.expect_ack()
        alice.expect_bye()
        bob.expect_bye()
        self.over(call_id, "failure", "service", UNANSWERED)

    def test_the_first_hangs_up_meanwhile(self):
        call_id, alice, bob = self.second()
        bob.ring()
        self.assertEqual(status(alice.bye()), 200)
        bob.expect_cancel()
        self.over(call_id, "normal_clearing", "caller", UNANSWERED)

    def test_the_second_hangs_up_while_they_are_joined(self):
        call_id, alice, bob = self.second()
        self.picked_up(bob, alice)
        self.assertEqual(status(bob.bye()), 200)
        alice.expect_bye()
        self.over(call_id, "normal_clearing", "callee", UNANSWERED)

    def test_killed_while_the_second_rings(self):
        for name in ("call-actor", "sip-edge"):
            with self.subTest(name):
                call_id, alice, bob = self.second()
                bob.ring()
                wait_for("bob rings", 5, lambda: any(
                    leg["state"] == "ringing" for leg in self.stack.ctl("call", call_id)["legs"]))
                self.stack.wait_restarted(self.stack.kill_worker(name))
                offer = self.picked_up(bob, alice)
                alice.say("200 OK", alice.sdp(), request=offer)
                alice.expect_ack()
                alice.bye()
                bob.expect_bye()
                self.over(call_id, "normal_clearing", "caller")

    def test_killed_while_they_are_joined(self):
        for name in ("call-actor", "sip-edge"):
            with self.subTest(name):
                call_id, alice, bob = self.second()
                offer = self.picked_up(bob, alice)
                self.stack.wait_restarted(self.stack.kill_worker(name))
                alice.say("200 OK", alice.sdp(), request=offer)
                alice.expect_ack(10)
                alice.bye()
                bob.expect_bye()
                self.over(call_id, "normal_clearing", "caller")


class TestDialFast(DialTest):
    settings = {"SIP_T1_MS": 100, "NO_ANSWER_S": 1}

    def test_no_answer(self):
        call_id, rung = self.dial()
        rung.ring()
        rung.expect_cancel()
        self.over(call_id, "no_answer", "timer", UNANSWERED)


class TestDialRefused(DialTest):
    def refused(self, code, *what, **how):
        r = peers.b2bua(self.stack, "dial", *what, **how)
        self.assertEqual(r["status"], code, r)
        return r["message"]

    def test_who_may_not(self):
        why = self.refused("PERMISSION_DENIED", "sip:a@b", "sip:alice@sentiric.cloud", cert="bad/wrong-name")
        self.assertIn("SIP_SIGNALING_SERVICE_GRPC_MAY_DIAL", why)

    def test_what_is_no_uri(self):
        for bad in ("sip:", "sip:a b@c", "sip:alice@x>;evil=<sip:x", "sip:alice@h\r\nX: y", "x" * 600):
            self.refused("INVALID_ARGUMENT", f"sip:{OURS}@sentiric.cloud", bad)
            self.refused("INVALID_ARGUMENT", bad, "sip:alice@sentiric.cloud")

    def test_what_is_no_call_id(self):
        for bad in ("with blank", "a\r\nb", "x" * 300, "<x>", "é"):
            self.refused("INVALID_ARGUMENT", f"sip:{OURS}@sentiric.cloud", "sip:alice@sentiric.cloud", bad)

    def test_nobody_there(self):
        self.refused("NOT_FOUND", f"sip:{OURS}@sentiric.cloud", "sip:nobody@sentiric.cloud")
        self.refused("NOT_FOUND", f"sip:{OURS}@sentiric.cloud", "sip:1002@sentiric.cloud")  # bob is not registered
        self.stack.assert_clean()

    def test_no_trunk(self):
        self.refused("NOT_FOUND", f"sip:{OURS}@sentiric.cloud", "sip:905551112233@sentiric.cloud")
        self.stack.assert_clean()

    def test_another_call_has_the_id(self):
        call_id, rung = self.talks()
        self.refused("ALREADY_EXISTS", f"sip:{OURS}@sentiric.cloud", "sip:alice@sentiric.cloud", call_id, key="another key")
        rung.bye()
        self.over(call_id, "normal_clearing", "callee")


class TestDialTwice(DialTest):
    def test_the_same_call_id(self):
        call_id, rung = self.talks()
        for _ in range(2):
            r = peers.b2bua(self.stack, "dial", f"sip:{OURS}@sentiric.cloud", "sip:alice@sentiric.cloud", call_id)
            self.assertEqual((r["status"], r["call_id"]), ("OK", call_id))
        self.alice.assert_not_rung_again(rung)
        rung.bye()
        self.over(call_id, "normal_clearing", "callee")

    def test_the_same_key_across_a_kill(self):
        call_id, rung = self.talks(key="order 66")
        old = self.stack.kill_worker("call-actor")
        self.stack.wait_restarted(old)
        self.stack.wait_ready()
        r = peers.b2bua(self.stack, "dial", f"sip:{OURS}@sentiric.cloud", "sip:alice@sentiric.cloud", key="order 66")
        self.assertEqual((r["status"], r["call_id"]), ("OK", call_id))
        self.alice.assert_not_rung_again(rung)
        rung.bye()
        self.over(call_id, "normal_clearing", "callee")

    def test_many_at_once(self):
        call_id, answers = "out-" + str(uuid.uuid4()), []

        def ask():
            answers.append(peers.b2bua(self.stack, "dial", f"sip:{OURS}@sentiric.cloud", "sip:alice@sentiric.cloud", call_id))
        askers = [threading.Thread(target=ask) for _ in range(4)]
        for t in askers:
            t.start()
        rung = self.alice.rung_for(call_id, 10)
        for t in askers:
            t.join()
        self.assertEqual({(r["status"], r.get("call_id")) for r in answers}, {("OK", call_id)})
        self.alice.assert_not_rung_again(rung)
        rung.say("486 Busy Here", contact=False)
        rung.expect_ack()
        self.over(call_id, "busy", keys=UNANSWERED)


class TestDialByOperator(DialTest):
    def test_dial(self):
        r = self.stack.ctl("dial", OURS, "alice")
        rung = self.alice.rung_for(r["call_id"])
        self.assertEqual(self.stack.ctl("call", r["call_id"])["call_id"], rung.call_id)
        rung.say("486 Busy Here", contact=False)
        rung.expect_ack()
        self.over(r["call_id"], "busy", keys=UNANSWERED)

    def test_plain_words(self):
        r = self.stack.ctl_raw("dial", OURS, "alice")
        rung = self.alice.rung_for(r.stdout.strip())
        rung.say("486 Busy Here", contact=False)
        rung.expect_ack()
        self.over(rung.call_id, "busy", keys=UNANSWERED)

    def test_the_same_key(self):
        first = self.stack.ctl("dial", OURS, "alice", "--key", "k1")
        rung = self.alice.rung_for(first["call_id"])
        self.assertEqual(self.stack.ctl("dial", OURS, "alice", "--key", "k1")["call_id"], first["call_id"])
        self.alice.assert_not_rung_again(rung)
        rung.say("486 Busy Here", contact=False)
        rung.expect_ack()
        self.over(rung.call_id, "busy", keys=UNANSWERED)

    def test_refused(self):
        r = self.stack.ctl_raw("dial", OURS, "sip:a b@c")
        self.assertEqual(r.returncode, 1)
        self.assertIn("bad_request", r.stderr)


class TestDialKilled(DialTest):
    """kill -9 of each worker at each step."""

    def kill(self, name):
        old = self.stack.kill_worker(name)
        self.stack.wait_restarted(old)

    def test_while_it_rings(self):
        for name in ("call-actor", "sip-edge", "orchestrator", "publisher"):
            with self.subTest(name):
                call_id, rung = self.dial()
                rung.ring()
                self.wait_state(call_id, "ringing")
                self.kill(name)
                wait_for("answered", 10, lambda: rung.pick_up().phone.expect(
                    "ACK", 0.5, lambda m: m.first.startswith("ACK ")))
                self.wait_state(call_id, "established")
                rung.bye()
                self.over(call_id, "normal_clearing", "callee")

    def test_while_they_talk(self):
        for name in ("call-actor", "sip-edge", "orchestrator", "publisher"):
            with self.subTest(name):
                call_id, rung = self.talks()
                self.kill(name)
                self.stack.wait_ready()
                self.stack.ctl("hangup", call_id)
                rung.expect_bye()
                self.over(call_id, "system_terminated", "operator")


if __name__ == "__main__":
    unittest.main()
