"""Calls between people: what the caller, the callee, the platform's ledger and the broker see."""
import os
import socket
import subprocess
import tempfile
import unittest

import harness
import sipp
from callee import Callee
from harness import KINDS, WITH_US, wait_for
from test_call import OneCall
from ua import OFFER, Call, Ua, header, status

TO_ALICE = "902121230004"  # its plan: BRIDGE_CALL to extension 1001
UNANSWERED = ("call.started", "call.ended")
HOLD = OFFER.replace("sendrecv", "sendonly")
HELD = OFFER.format(port=41000).replace("sendrecv", "recvonly")


class BridgeTest(OneCall):
    settings = {"SIP_T1_MS": 100, "NO_ANSWER_S": 30}

    def setUp(self):
        super().setUp()
        self.before = self.stack.platform.status()
        self.alice = self.phone(register=["*"])

    def phone(self, register=None):
        """A phone of alice, registered; register=["*"]: the only one."""
        phone = Callee(self.stack.sip_port)
        self.addCleanup(phone.sock.close)
        if register:
            self.assertEqual(status(phone.register(register, ["Expires: 0"])), 200)
        self.assertEqual(status(phone.register()), 200)
        return phone

    def calls(self, **how):
        """A call to alice, and the INVITE that reached her."""
        call = Call(self.ua, to=TO_ALICE).invite(**how)
        return call, self.alice.rung()

    def talks(self):
        call, rung = self.calls()
        rung.ring().pick_up()
        answer = call.final()
        self.assertEqual((status(answer), answer.body), (200, rung.sdp()))
        rung.expect_ack()
        call.ack(answer)
        self.stack.wait_established(call)
        return call, rung

    def over(self, call, reason, by, keys=KINDS):
        bodies = self.ended(call, reason, keys)
        self.assertEqual(bodies[-1]["endedBy"], by)
        after = self.stack.platform.status()
        self.assertEqual(after["allocated"], self.before["allocated"], "a bridged call took a media port")
        return bodies


class TestAnswered(BridgeTest):
    def test_the_caller_hangs_up(self):
        call, rung = self.talks()
        call.request("BYE", extra=['Reason: Q.850;cause=16;text="enough"'])
        self.assertIn("enough", header(rung.expect_bye(), "Reason"))
        self.assertEqual(status(call.final(5, "BYE")), 200)
        self.over(call, "normal_clearing", "caller")

    def test_the_callee_hangs_up(self):
        call, rung = self.talks()
        self.assertEqual(status(rung.bye()), 200)
        call.expect_bye()
        self.over(call, "normal_clearing", "callee")

    def test_both_hang_up_at_once(self):
        call, rung = self.talks()
        rung.ask("BYE")
        call.request("BYE")
        self.assertEqual(status(call.final(5, "BYE")), 200)
        self.assertEqual(status(rung.final("BYE")), 200)
        for told in (self.ua, self.alice):  # whoever was told before his own BYE was heard
            while (m := told.receive(0.3)) is not None:
                if m.first.startswith("BYE "):
                    told.answer(m)
        bodies = self.ended(call, "normal_clearing")
        self.assertIn(bodies[-1]["endedBy"], ("caller", "callee"))

    def test_an_operator_hangs_up(self):
        call, rung = self.talks()
        self.stack.ctl("hangup", call.call_id)
        call.expect_bye()
        rung.expect_bye()
        self.over(call, "system_terminated", "operator")

    def test_early_media(self):
        call, rung = self.calls()
        rung.say("183 Session Progress", rung.sdp(41002))
        early = call.response(183)
        self.assertEqual(early.body, rung.sdp(41002))
        rung.pick_up()
        answer = call.final()
        self.assertEqual(answer.body, rung.sdp())
        self.assertEqual(header(answer, "To"), header(early, "To"))
        call.ack(answer)
        call.request("BYE")
        rung.expect_bye()
        self.over(call, "normal_clearing", "caller")

    def test_the_callees_offer(self):
        call, rung = self.calls(offer=None)
        self.assertEqual(rung.request.body, "")
        rung.pick_up()
        answer = call.final()
        self.assertEqual(answer.body, rung.sdp())
        rung.phone.unread.clear()
        rung.assert_silent()
        call.ack(answer, OFFER.format(port=40000))
        self.assertEqual(rung.expect_ack().body, OFFER.format(port=40000))
        self.stack.wait_established(call)
        rung.bye()
        call.expect_bye()
        self.over(call, "normal_clearing", "callee")

    def test_a_lost_ack_is_said_again(self):
        call, rung = self.talks()
        rung.pick_up()
        rung.expect_ack()
        call.request("BYE")
        rung.expect_bye()
        self.over(call, "normal_clearing", "caller")

    def test_the_caller_holds(self):
        call, rung = self.talks()
        call.invite(offer=HOLD)
        again = rung.expect("INVITE")
        self.assertEqual(again.body, HOLD.format(port=call.rtp_port))
        rung.say("200 OK", HELD, request=again)
        answer = call.final()
        self.assertEqual((status(answer), answer.body), (200, HELD))
        rung.expect_ack()
        call.ack(answer)
        call.request("BYE")
        rung.expect_bye()
        self.over(call, "normal_clearing", "caller")

    def test_the_callee_holds(self):
        call, rung = self.talks()
        rung.ask("INVITE", HOLD.format(port=41000))
        again = self.ua.expect_request("INVITE", call)
        self.assertEqual(again.body, HOLD.format(port=41000))
        self.ua.send(answer_with(again, f"<sip:905551234567@127.0.0.1:{self.ua.port}>", HELD))
        answer = rung.final("INVITE")
        self.assertEqual((status(answer), answer.body), (200, HELD))
        self.ua.expect_request("ACK", call)
        rung.ack()
        call.request("BYE")
        rung.expect_bye()
        self.over(call, "normal_clearing", "caller")

    def test_both_hold_at_once(self):
        call, rung = self.talks()
        call.invite(offer=HOLD)
        again = rung.expect("INVITE")
        rung.ask("INVITE", HOLD.format(port=41000))
        self.assertEqual(status(rung.final("INVITE")), 491)
        rung.ack()
        rung.say("491 Request Pending", request=again)
        self.assertEqual(status(call.final()), 491)
        call.request("BYE")
        rung.expect_bye()
        self.over(call, "normal_clearing", "caller")


def answer_with(request, contact, body):
    kept = ("via", "from", "to", "call-id", "cseq", "record-route")
    lines = [f"{n}: {v}" for n, v in request.headers if n.lower() in kept]
    return "\r\n".join(["SIP/2.0 200 OK", *lines, f"Contact: {contact}", "Content-Type: application/sdp",
                        f"Content-Length: {len(body)}", "", body])


class TestNotAnswered(BridgeTest):
    settings = {"SIP_T1_MS": 100, "NO_ANSWER_S": 2}

    def refused(self, code, told, reason):
        call, rung = self.calls()
        rung.ring().say(code)
        self.assertEqual(status(call.final()), told)
        rung.expect_ack()
        self.over(call, reason, "callee", UNANSWERED)

    def test_busy(self):
        self.refused("486 Busy Here", 486, "busy")

    def test_decline(self):
        self.refused("603 Decline", 603, "busy")

    def test_a_challenge_goes_no_further(self):
        self.refused("407 Proxy Authentication Required", 500, "failure")

    def test_no_answer(self):
        call, rung = self.calls()
        rung.ring()
        self.assertEqual(status(call.final()), 480)
        rung.expect_cancel()
        self.over(call, "no_answer", "timer", UNANSWERED)

    def test_a_callee_that_is_gone(self):
        self.alice.sock.close()
        call = Call(self.ua, to=TO_ALICE).invite()
        self.assertEqual(status(call.final()), 480)
        self.ended(call, "no_answer", UNANSWERED)

    def test_nobody_registered(self):
        self.assertEqual(status(self.alice.register(["*"], ["Expires: 0"])), 200)
        call = Call(self.ua, to=TO_ALICE).invite()
        self.assertEqual(status(call.final()), 480)
        self.stack.assert_clean()
        self.assertEqual(self.stack.events.of_call(call.call_id), [])

    def test_the_caller_gives_up_before_it_rings(self):
        call, rung = self.calls()
        cancel(call)
        self.assertEqual(status(call.final()), 487)
        while (m := self.alice.receive(0.3)) is not None:  # no CANCEL before a provisional (§9.1)
            self.assertTrue(m.first.startswith("INVITE "), m.first)
            if len([s for s in self.alice.seen if s.first.startswith("INVITE ")]) > 3:
                break
        rung.ring()
        rung.expect_cancel()
        self.over(call, "cancelled", "caller", UNANSWERED)

    def test_the_caller_gives_up_while_it_rings(self):
        call, rung = self.calls()
        rung.ring()
        call.response(180)
        cancel(call, ["Reason: Q.850;cause=16"])
        self.assertEqual(status(call.final()), 487)
        self.assertEqual(header(rung.expect_cancel(), "Reason"), "Q.850;cause=16")
        self.over(call, "cancelled", "caller", UNANSWERED)

    def test_an_answer_crosses_the_cancel(self):
        call, rung = self.calls()
        rung.ring()
        call.response(180)
        cancel(call)
        self.assertEqual(status(call.final()), 487)
        self.alice.answer(rung.expect("CANCEL"))
        rung.pick_up()
        rung.expect_ack()
        rung.expect_bye()
        self.over(call, "cancelled", "caller", UNANSWERED)

    def test_a_redirection(self):
        bob = Callee(self.stack.sip_port, "bob")
        self.addCleanup(bob.sock.close)
        self.assertEqual(status(bob.register()), 200)
        call, rung = self.calls()
        rung.say("302 Moved Temporarily", extra=["Contact: <sip:bob@sentiric_demo>"], contact=False)
        there = bob.rung()
        there.pick_up()
        answer = call.final()
        self.assertEqual(answer.body, there.sdp())
        call.ack(answer)
        there.bye()
        call.expect_bye()
        self.over(call, "normal_clearing", "callee")


def cancel(call, extra=()):
    call.ua.send(call.text("CANCEL", call.cseq, call.branch, extra=extra))


class TestForked(BridgeTest):
    def two(self):
        other = self.phone()
        call, first = self.calls()
        return call, first, other.rung(name="the other phone")

    def test_the_first_to_answer_wins(self):
        call, loser, winner = self.two()
        loser.ring()
        winner.ring()
        winner.pick_up()
        answer = call.final()
        self.assertEqual(answer.body, winner.sdp())
        self.assertIn("cause=200", header(loser.expect_cancel(), "Reason"))
        winner.expect_ack()
        call.ack(answer)
        winner.bye()
        call.expect_bye()
        self.over(call, "normal_clearing", "callee")

    def test_both_answer(self):
        call, loser, winner = self.two()
        loser.ring()
        call.response(180)
        winner.pick_up()
        answer = call.final()
        self.alice.answer(loser.expect("CANCEL"))
        loser.pick_up()
        loser.expect_ack()
        loser.expect_bye()
        call.ack(answer)
        call.request("BYE")
        winner.expect_bye()
        self.over(call, "normal_clearing", "caller")

    def test_all_refuse(self):
        call, first, second = self.two()
        first.say("480 Temporarily Unavailable")
        second.say("486 Busy Here")
        self.assertEqual(status(call.final()), 486)
        self.over(call, "busy", "callee", UNANSWERED)

    def test_one_declines_for_all(self):
        call, first, second = self.two()
        second.ring()
        call.response(180)
        first.say("603 Decline")
        self.assertEqual(status(call.final()), 603)
        second.expect_cancel()
        self.over(call, "busy", "callee", UNANSWERED)

    def test_people_see_both(self):
        call, first, second = self.two()
        second.pick_up()
        call.ack(call.final())
        self.stack.wait_established(call)
        shown = self.stack.ctl("call", call.call_id)
        self.assertEqual(sorted(leg["state"] for leg in shown["legs"]), ["cancelling", "up"])
        self.assertEqual({leg["user"] for leg in shown["legs"]}, {"alice"})
        ladder = self.stack.ctl_raw("ladder", call.call_id).stdout
        self.assertIn("callee 1", ladder)
        self.assertEqual(self.stack.ctl("call", second.call_id)["call_id"], call.call_id)
        first.ring()
        first.expect_cancel()
        call.request("BYE")
        second.expect_bye()
        self.over(call, "normal_clearing", "caller")


class TestKilled(BridgeTest):
    """kill -9 of either process a call goes through."""

    WORKERS = ("call-actor", "sip-edge")

    def restarted(self, name):
        self.stack.wait_outbox_empty()
        self.stack.wait_restarted(self.stack.kill_worker(name))
        self.stack.wait_ready()

    def test_while_it_rings(self):
        for name in self.WORKERS:
            with self.subTest(worker=name):
                call, rung = self.calls()
                rung.ring()
                call.response(180)
                self.restarted(name)
                rung.pick_up()
                answer = call.final()
                self.assertEqual(answer.body, rung.sdp())
                rung.expect_ack()
                call.ack(answer)
                self.stack.wait_established(call)
                rung.bye()
                call.expect_bye()
                self.over(call, "normal_clearing", "callee")

    def test_while_it_rings_then_the_caller_gives_up(self):
        for name in self.WORKERS:
            with self.subTest(worker=name):
                call, rung = self.calls()
                rung.ring()
                call.response(180)
                self.restarted(name)
                rung.ring()  # a callee repeats its provisional, or was asked again
                cancel(call)
                self.assertEqual(status(call.final()), 487)
                rung.expect_cancel()
                self.over(call, "cancelled", "caller", UNANSWERED)

    def test_while_they_talk(self):
        for name in self.WORKERS:
            with self.subTest(worker=name):
                call, rung = self.talks()
                self.restarted(name)
                call.invite(offer=HOLD)
                again = rung.expect("INVITE")
                rung.say("200 OK", HELD, request=again)
                call.ack(call.final())
                rung.expect_ack()
                call.request("BYE")
                rung.expect_bye()
                self.assertEqual(status(call.final(5, "BYE")), 200)
                self.over(call, "normal_clearing", "caller")

    def test_while_the_bye_is_out(self):
        for name in self.WORKERS:
            with self.subTest(worker=name):
                call, rung = self.talks()
                call.request("BYE")
                self.assertEqual(status(call.final(5, "BYE")), 200)
                rung.expect("BYE")
                self.restarted(name)
                rung.expect_bye()  # again
                self.over(call, "normal_clearing", "caller")


class TestSipp(BridgeTest):
    """SIPp on both sides: nothing of it is ours."""

    settings = {"NO_ANSWER_S": 30}

    def setUp(self):
        super().setUp()
        self.port = harness.free_port(socket.SOCK_DGRAM)
        self.assertEqual(status(self.alice.register(["*"], ["Expires: 0"])), 200)
        self.assertEqual(status(self.alice.register([f"<sip:alice@127.0.0.1:{self.port}>"])), 200)
        self.folder = tempfile.TemporaryDirectory(prefix="sig-sipp-")
        self.addCleanup(self.folder.cleanup)

    def answering(self, *extra):
        media = str(harness.free_port())
        screen = open(f"{self.folder.name}/uas", "wb")
        process = subprocess.Popen([*WITH_US, "sipp", "-sn", "uas", "-i", "127.0.0.1", "-p", str(self.port), "-mp", media,
                                    "-nostdin", *extra], cwd=self.folder.name, stdin=subprocess.DEVNULL, stdout=screen,
                                   stderr=subprocess.STDOUT)
        screen.close()
        self.addCleanup(harness.stop_process, process, 5)
        return process

    def assert_told(self, calls, before):
        """Each call has its three events, in order."""
        def seen():
            return [keys for call_id, keys in self.stack.events.by_call().items() if call_id not in before]
        wait_for("every event", 20, lambda: sum(len(keys) for keys in seen()) >= 3 * calls)
        self.assertEqual(sum(keys == list(KINDS) for keys in seen()), calls)

    def test_calls(self):
        self.answering()
        before = set(self.stack.events.by_call())
        calls, rate = (12000, 200) if os.environ.get("FULL") else (200, 50)
        r = sipp.call(self.stack.sip_port, seconds=120, calls=calls, rate=rate, hold_ms=500, service=TO_ALICE, limit=4000)
        self.assertEqual((r.ok, r.failed), (calls, 0), r.text)
        self.stack.assert_clean()
        self.assert_told(calls, before)
        self.assertEqual(self.stack.platform.status()["allocated"], self.before["allocated"])

    def test_calls_outlive_kills(self):
        """Each process a call goes through is killed under load; SIPp on both sides repeats as any peer does."""
        self.answering()
        calls = 300
        before = set(self.stack.events.by_call())
        with tempfile.TemporaryDirectory(prefix="sig-sipp-") as folder:
            caller = sipp.start(self.stack.sip_port, folder, calls=calls, rate=30, hold_ms=1500, service=TO_ALICE, limit=2000)
            for name in ("sip-edge", "call-actor", "sip-edge", "call-actor"):
                self.stack.wait_restarted(self.stack.kill_worker(name))
                self.stack.wait_ready()
            r = sipp.finish(caller, folder, 90)
        self.assertEqual((r.ok, r.failed), (calls, 0), r.text)
        self.stack.assert_clean(60)
        self.assert_told(calls, before)


if __name__ == "__main__":
    unittest.main()
