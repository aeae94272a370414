"""Session timers (RFC 4028), OPTIONS in calls and Expires of INVITE: what each side of a call sees of them."""
import select
import time
import unittest

from harness import KINDS
from test_bridge import TO_ALICE, BridgeTest
from test_call import OneCall
from ua import OFFER, Call, header, status

T1_MS = 20
SECOND = T1_MS / 500  # of the RFC's
TIMED = ["Supported: timer", "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE"]
NO_UPDATE = ["Supported: timer", "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS"]
MINE = "Session-Expires: 90;refresher=uac"
YOURS = "Session-Expires: 90;refresher=uas"
UNANSWERED = ("call.started", "call.ended")


def say(ua, request, code="200 OK", extra=(), body=""):
    """A response to a request in a dialog."""
    kept = ("via", "from", "to", "call-id", "cseq")
    lines = [f"{n}: {v}" for n, v in request.headers if n.lower() in kept]
    if body:
        lines.append("Content-Type: application/sdp")
    lines.append(f"Contact: <sip:x@127.0.0.1:{ua.port}>")
    ua.send("\r\n".join([f"SIP/2.0 {code}", *lines, *extra, f"Content-Length: {len(body)}", "", body]))


def o_line(body):
    return next(line for line in body.split("\r\n") if line.startswith("o="))


class TimersTest(OneCall):
    settings = {"SIP_T1_MS": T1_MS, "SESSION_EXPIRES_S": 100, "LIVENESS_S": 0}

    def setUp(self):
        super().setUp()
        self.taken = []

    def up(self, extra):
        call = Call(self.ua)
        answer = call.answered(extra=extra)
        self.stack.wait_established(call)
        return call, answer

    def refresh_of(self, call, method, seconds=5):
        """One that did not come before."""
        known = {header(m, "CSeq") for m in self.taken}
        m = self.ua.expect(f"new {method}", seconds, lambda m: m.first.startswith(method + " ") and
                           header(m, "Call-ID") == call.call_id and header(m, "CSeq") not in known)
        self.taken.append(m)
        return m

    def expired(self, call, by="timer", words="session expired"):
        self.assertIn(words, header(call.expect_bye(), "Reason"))
        bodies = self.ended(call, "failure")
        self.assertEqual(bodies[-1]["endedBy"], by)


class TestAsUas(TimersTest):
    def test_the_caller_refreshes_and_then_does_not(self):
        call, answer = self.up([*TIMED, MINE])
        self.assertEqual((header(answer, "Session-Expires"), header(answer, "Require")), ("90;refresher=uac", "timer"))
        for method, body in (("UPDATE", ""), ("INVITE", OFFER.format(port=call.rtp_port)), ("UPDATE", "")):
            time.sleep(45 * SECOND)
            call.request(method, body, [*TIMED, MINE])
            again = call.final(5, method)
            self.assertEqual((status(again), header(again, "Session-Expires")), (200, "90;refresher=uac"))
            if body:
                self.assertEqual(o_line(again.body), o_line(answer.body))
                call.ack(again)
        began = again.at
        self.expired(call)
        self.assertGreater(self.ua.seen[-1].at - began, 59 * SECOND)

    def test_too_short_an_interval_gets_422(self):
        call = Call(self.ua).invite(extra=[*TIMED, "Session-Expires: 60"])
        refused = call.final()
        self.assertEqual((status(refused), header(refused, "Min-SE")), (422, "90"))
        call, _ = self.up(TIMED)
        call.request("UPDATE", extra=["k: timer", "x: 89"])
        refused = call.final(5, "UPDATE")
        self.assertEqual((status(refused), header(refused, "Min-SE")), (422, "90"))
        self.assertEqual(status(call.bye()), 200)
        self.ended(call, "normal_clearing")

    def test_a_caller_without_timers_need_not_know_of_them(self):
        call, answer = self.up(["Session-Expires: 200"])
        self.assertEqual((header(answer, "Session-Expires"), header(answer, "Require")), ("200;refresher=uas", None))
        call.bye()
        self.ended(call, "normal_clearing")

    def test_timers_may_be_required(self):
        call, answer = self.up(["Require: timer", "Session-Expires: 300;refresher=uas"])
        self.assertEqual(header(answer, "Session-Expires"), "300;refresher=uas")
        self.assertIn("timer", header(answer, "Supported"))
        call.bye()
        self.ended(call, "normal_clearing")


class TestAsRefresher(TimersTest):
    def test_by_update(self):
        call, answer = self.up(TIMED)
        self.assertEqual(header(answer, "Session-Expires"), "100;refresher=uas")
        before = answer.at
        for _ in range(3):
            update = self.refresh_of(call, "UPDATE")
            self.assertGreater(update.at - before, 49 * SECOND)
            self.assertEqual((header(update, "Session-Expires"), update.body), ("100;refresher=uac", ""))
            say(self.ua, update, extra=["Session-Expires: 100;refresher=uac"])
            before = update.at
        call.bye()
        self.ended(call, "normal_clearing")

    def test_by_reinvite_and_glare(self):
        call, answer = self.up(NO_UPDATE)
        offer = self.refresh_of(call, "INVITE")
        self.assertEqual(offer.body, answer.body)
        call.request("INVITE", OFFER.format(port=call.rtp_port), NO_UPDATE)  # both at once
        self.assertEqual(status(call.final(5)), 491)
        say(self.ua, offer, "491 Request Pending")
        again = self.refresh_of(call, "INVITE")
        self.assertEqual(again.body, answer.body)
        say(self.ua, again, extra=[*NO_UPDATE, "Session-Expires: 100;refresher=uac"], body=OFFER.format(port=call.rtp_port))
        self.ua.expect("its ACK", 5, lambda m: header(m, "CSeq") == header(again, "CSeq").replace("INVITE", "ACK"))
        call.bye()
        self.ended(call, "normal_clearing")

    def test_422_raises_the_interval(self):
        call, _ = self.up(TIMED)
        say(self.ua, self.refresh_of(call, "UPDATE"), "422 Session Interval Too Small", ["Min-SE: 150"])
        again = self.ua.expect("another refresh", 5, lambda m: header(m, "Session-Expires") == "150;refresher=uac")
        self.assertEqual(header(again, "Min-SE"), "150")
        say(self.ua, again, extra=["Session-Expires: 150;refresher=uac"])
        call.bye()
        self.ended(call, "normal_clearing")

    def test_nobody_answers(self):
        call, _ = self.up(TIMED)
        self.refresh_of(call, "UPDATE")
        self.expired(call)

    def test_the_call_is_not_known_any_more(self):
        call, _ = self.up(TIMED)
        say(self.ua, self.refresh_of(call, "UPDATE"), "481 Call Does Not Exist")
        self.expired(call, "caller", "session lost")


class TestKilled(TimersTest):
    def test_between_refreshes(self):
        call, _ = self.up(TIMED)
        for _ in range(2):
            self.stack.wait_restarted(self.stack.kill_worker("call-actor"))
            say(self.ua, self.refresh_of(call, "UPDATE", 10), extra=["Session-Expires: 100;refresher=uac"])
        self.assertEqual(status(call.bye()), 200)
        self.ended(call, "normal_clearing")

    def test_during_a_refresh(self):
        call, _ = self.up(TIMED)
        first = self.refresh_of(call, "UPDATE", 10)
        self.stack.wait_restarted(self.stack.kill_worker("call-actor"))
        say(self.ua, first, extra=["Session-Expires: 100;refresher=uac"])
        say(self.ua, self.refresh_of(call, "UPDATE", 10), extra=["Session-Expires: 100;refresher=uac"])
        self.assertEqual(status(call.bye()), 200)
        self.ended(call, "normal_clearing")

    def test_the_edge_dies_during_a_refresh(self):
        call, _ = self.up(TIMED)
        first = self.refresh_of(call, "UPDATE", 10)
        self.stack.wait_restarted(self.stack.kill_worker("sip-edge"))
        self.ua.unread.clear()
        again = self.ua.expect("the same again", 10, lambda m: m.first.startswith("UPDATE "))
        self.assertEqual(header(again, "CSeq"), header(first, "CSeq"))
        say(self.ua, again, extra=["Session-Expires: 100;refresher=uac"])
        say(self.ua, self.refresh_of(call, "UPDATE", 10), extra=["Session-Expires: 100;refresher=uac"])
        self.assertEqual(status(call.bye()), 200)
        self.ended(call, "normal_clearing")

    def test_the_expiry_is_not_forgotten(self):
        call, _ = self.up([*TIMED, MINE])
        self.stack.wait_restarted(self.stack.kill_worker("call-actor"))
        self.expired(call)


class TestBridged(BridgeTest):
    settings = {"SIP_T1_MS": T1_MS, "NO_ANSWER_S": 30, "SESSION_EXPIRES_S": 100, "LIVENESS_S": 0}

    def up(self, callers, callees):
        call, rung = self.calls(extra=callers)
        self.assertEqual((header(rung.request, "Session-Expires"), header(rung.request, "Min-SE")), ("100", "90"))
        self.assertIn("timer", header(rung.request, "Supported"))
        rung.pick_up(extra=callees)
        answer = call.final()
        rung.expect_ack()
        call.ack(answer)
        self.stack.wait_established(call)
        return call, rung, answer

    def test_each_side_has_its_own(self):
        call, rung, answer = self.up([*TIMED, MINE], [*TIMED, "Session-Expires: 200;refresher=uac"])
        self.assertEqual(header(answer, "Session-Expires"), "90;refresher=uac")
        for _ in range(2):
            time.sleep(45 * SECOND)
            call.request("UPDATE", extra=[*TIMED, MINE])
            self.assertEqual(status(call.final(5, "UPDATE")), 200)
        update = rung.expect("UPDATE")  # at 100, and of nobody but us
        self.assertEqual(header(update, "Session-Expires"), "200;refresher=uac")
        say(self.alice, update, extra=["Session-Expires: 200;refresher=uac"])
        self.assertIn("session expired", header(call.expect_bye(), "Reason"))
        self.assertIn("session expired", header(rung.expect_bye(), "Reason"))
        self.over(call, "failure", "timer")

    def test_a_refresh_is_answered_with_what_stands(self):
        call, rung, answer = self.up([*TIMED, MINE], [*NO_UPDATE, "Session-Expires: 90;refresher=uas"])
        call.request("INVITE", OFFER.format(port=call.rtp_port), [*TIMED, MINE])
        again = call.final(5)
        self.assertEqual((status(again), again.body), (200, answer.body))
        call.ack(again)
        rung.ask("INVITE", rung.sdp(), [*NO_UPDATE, MINE])
        again = rung.final("INVITE")
        self.assertEqual((status(again), again.body), (200, OFFER.format(port=call.rtp_port)))
        self.assertEqual(header(again, "Session-Expires"), "90;refresher=uac")
        rung.ack()
        for seen in (self.ua.seen, self.alice.seen):
            self.assertFalse([m for m in seen if m.first.startswith("INVITE ") and ";tag=" in header(m, "To")])
        call.bye()
        rung.expect_bye()
        self.over(call, "normal_clearing", "caller")

    def test_we_refresh_with_what_the_other_side_said(self):
        call, rung, answer = self.up([*NO_UPDATE], [*NO_UPDATE, "Session-Expires: 100;refresher=uac"])
        to_caller = self.ua.expect_request("INVITE", call)
        self.assertEqual(to_caller.body, answer.body)
        say(self.ua, to_caller, extra=["Session-Expires: 100;refresher=uac"], body=OFFER.format(port=call.rtp_port))
        self.ua.expect_request("ACK", call)
        to_callee = rung.expect("INVITE")
        self.assertEqual(to_callee.body, OFFER.format(port=call.rtp_port))
        say(self.alice, to_callee, extra=["Session-Expires: 100;refresher=uac"], body=rung.sdp())
        rung.expect_ack()
        self.assertEqual(status(rung.bye()), 200)
        call.expect_bye()
        self.over(call, "normal_clearing", "callee")

    def test_a_callee_wants_longer(self):
        call, rung = self.calls()
        rung.say("422 Session Interval Too Small", extra=["Min-SE: 400"], contact=False)
        again = self.alice.rung()
        self.assertEqual((header(again.request, "Session-Expires"), header(again.request, "Min-SE")), ("400", "400"))
        again.pick_up(extra=[*TIMED, "Session-Expires: 400;refresher=uac"])
        answer = call.final()
        self.assertEqual(status(answer), 200)
        call.ack(answer)
        self.stack.wait_established(call)
        call.bye()
        again.expect_bye()
        self.over(call, "normal_clearing", "caller")

    def test_the_invite_expires(self):
        call = Call(self.ua, to=TO_ALICE).invite(extra=["Expires: 25"])
        rung = self.alice.rung().ring()
        began = time.monotonic()
        self.assertEqual(status(call.final()), 487)
        self.assertGreater(time.monotonic() - began, 15 * SECOND)
        rung.expect_cancel()
        self.over(call, "no_answer", "timer", UNANSWERED)


class TestThirtyMinutes(BridgeTest):
    """A call to the platform and one between people, with a session timer of 90 seconds each."""
    settings = {"SIP_T1_MS": 10, "NO_ANSWER_S": 30, "LIVENESS_S": 0}
    SECOND = 10 / 500

    def refreshed(self, ua, counts):
        """Answers every refresh that has come."""
        while select.select([ua.sock], [], [], 0)[0] or ua.unread:
            m = ua.receive(0)
            if m.first.startswith("UPDATE ") and header(m, "CSeq") + header(m, "Call-ID") not in counts:
                say(ua, m, extra=["Session-Expires: 90;refresher=uac"])
                counts.add(header(m, "CSeq") + header(m, "Call-ID"))
            self.assertFalse(m.first.startswith("BYE "), m)

    def test_both(self):
        ours = Call(self.ua)
        ours.answered(extra=[*TIMED, MINE])
        call, rung = self.calls(extra=[*TIMED, YOURS])
        rung.pick_up(extra=[*TIMED, "Session-Expires: 90;refresher=uac"])
        answer = call.final()
        call.ack(answer)
        self.stack.wait_established(call)
        began = last = time.monotonic()
        by_us, by_caller = set(), 0
        while time.monotonic() - began < 1800 * self.SECOND:
            select.select([self.ua.sock, self.alice.sock], [], [], 5 * self.SECOND)
            self.refreshed(self.ua, by_us)
            self.refreshed(self.alice, by_us)
            if time.monotonic() - last >= 45 * self.SECOND:
                last = time.monotonic()
                ours.request("UPDATE", extra=[*TIMED, MINE])
                by_caller += 1
        self.assertEqual(len(self.stack.calls()), 2)
        self.assertGreater(by_caller, 30)
        self.assertGreater(len(by_us), 60)
        self.assertEqual(status(ours.bye()), 200)
        self.assertEqual(status(call.bye()), 200)
        rung.expect_bye()
        for each in (ours, call):
            bodies = self.stack.events.wait_ended(each.call_id)
            self.assertEqual([b["eventType"] for b in bodies], list(KINDS))
            self.assertEqual(bodies[-1]["reason"], "normal_clearing")
        self.stack.assert_clean()


class TestLiveness(TimersTest):
    settings = {"SIP_T1_MS": T1_MS, "LIVENESS_S": 1}

    def test_who_answered_and_then_does_not_is_gone(self):
        call, _ = self.up(())
        for _ in range(2):
            say(self.ua, self.refresh_of(call, "OPTIONS"))
        self.expired(call)
        asked = {header(m, "CSeq") for m in self.ua.seen if m.first.startswith("OPTIONS ")}
        self.assertEqual(len(asked), 4)

    def test_who_never_answers_is_not(self):
        call, _ = self.up(())
        for _ in range(3):
            self.refresh_of(call, "OPTIONS")
        self.assertEqual(status(call.bye()), 200)
        self.ended(call, "normal_clearing")

    def test_who_knows_nothing_of_it_ends_it(self):
        call, _ = self.up(())
        say(self.ua, self.refresh_of(call, "OPTIONS"), "481 Call Does Not Exist")
        self.expired(call, "caller", "session lost")

    def test_not_with_a_session_timer(self):
        call, _ = self.up([*TIMED, "Session-Expires: 600;refresher=uac"])
        time.sleep(1.5)
        self.assertFalse([m for m in self.ua.seen if m.first.startswith("OPTIONS ")])
        call.bye()
        self.ended(call, "normal_clearing")


if __name__ == "__main__":
    unittest.main()
