"""What a live call may do beside re-INVITE: UPDATE, INFO, MESSAGE, OPTIONS; answered by us and between people."""
import json
import os
import select
import socket
import unittest

from harness import KINDS, wait_for
from test_bridge import HELD, HOLD, BridgeTest
from test_call import OneCall
from ua import OFFER, Call, header, status

DTMF = "call.dtmf.received"
KEY = "Signal=5\r\nDuration=160\r\n"
RELAY, TEXT = "application/dtmf-relay", "text/plain"
ALLOWS = ["Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO, MESSAGE"]
TOLD_ONE = ("call.started", "call.answered", DTMF, "call.ended")


def typed(text, content_type, body):
    """A message with another body of another type."""
    head = [line for line in text.partition("\r\n\r\n")[0].split("\r\n")
            if not line.startswith(("Content-Length:", "Content-Type:"))]
    return "\r\n".join([*head, f"Content-Type: {content_type}", f"Content-Length: {len(body)}", "", body])


def send(call, method, body="", content_type="application/sdp", extra=()):
    """A request of the caller in his dialog."""
    call.cseq += 1
    call.branch = "z9hG4bK" + os.urandom(6).hex()
    call.sent = typed(call.text(method, call.cseq, call.branch, "", extra), content_type, body) if body else \
        call.text(method, call.cseq, call.branch, "", extra)
    call.ua.send(call.sent)


def asked(call, method, *args, **how):
    """The same, and its final answer."""
    send(call, method, *args, **how)
    return call.final(5, method)


def said(rung, method, body, content_type, extra=()):
    """A request of the callee in his dialog."""
    rung.phone.send(typed(rung.text(method, "", extra), content_type, body))


PUNCH_PACKETS = 3  # to a new address, unless the local platform is told otherwise (tests/platform/README.md)


class RtpPort:
    """Where the caller hears."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]

    def hears(self, seconds=3):
        """Whether the media came, with every packet of it: what is late would be taken for new."""
        packets = 0
        while packets < PUNCH_PACKETS and select.select([self.sock], [], [], seconds)[0]:
            self.sock.recv(2048)
            packets += 1
        return packets == PUNCH_PACKETS


class TestAnswered(OneCall):
    """Calls that we answer ourselves."""

    settings = {"SIP_T1_MS": 100}

    def call(self, **how):
        call = Call(self.ua, **how)
        return call, call.answered()

    def bye(self, call, keys=KINDS):
        self.assertEqual(status(call.bye()), 200)
        return self.ended(call, "normal_clearing", keys)

    def test_a_key_is_told_once(self):
        call, answer = self.call()
        self.assertIn("INFO", header(answer, "Allow"))
        self.assertEqual(status(asked(call, "INFO", KEY, RELAY)), 200)
        call.repeat()
        self.assertEqual(status(call.final(5, "INFO")), 200)
        told = self.bye(call, TOLD_ONE)[2]
        self.assertEqual({n: told[n] for n in ("digit", "duration", "party", "callId")},
                         {"digit": "5", "duration": 160, "party": "caller", "callId": call.call_id})
        self.assertIn("traceId", told)

    def test_keys_have_ids_of_their_own_and_stay_in_order(self):
        call, _ = self.call()
        for key in "159*0#":
            self.assertEqual(status(asked(call, "INFO", key, "application/dtmf")), 200)
        self.bye(call, ("call.started", "call.answered", *[DTMF] * 6, "call.ended"))
        told = [e for e in self.stack.events.of_call(call.call_id) if e.key == DTMF]
        self.assertEqual("".join(json.loads(e.body)["digit"] for e in told), "159*0#")
        self.assertEqual(len({e.message_id for e in told}), 6)

    def test_other_infos(self):
        call, _ = self.call()
        self.assertEqual(status(asked(call, "INFO")), 200)
        refused = asked(call, "INFO", "hi", TEXT)
        self.assertEqual((status(refused), header(refused, "Accept")), (415, "application/dtmf-relay, application/dtmf"))
        self.assertEqual(status(asked(call, "INFO", "Signal=99\r\n", RELAY)), 400)
        unknown = asked(call, "INFO", KEY, RELAY, extra=["Info-Package: foo"])
        self.assertEqual((status(unknown), header(unknown, "Recv-Info")), (469, ""))
        self.bye(call)

    def test_a_message_is_not_allowed_and_not_taken(self):
        call, answer = self.call()
        refused = asked(call, "MESSAGE", "hi", TEXT)
        self.assertEqual(status(refused), 405)
        for told in (answer, refused, asked(call, "OPTIONS")):
            self.assertNotIn("MESSAGE", header(told, "Allow"))
        self.bye(call)

    def test_an_update_without_offer_refreshes(self):
        call, answer = self.call()
        self.assertIn("UPDATE", header(answer, "Allow"))
        refreshed = asked(call, "UPDATE")
        self.assertEqual((status(refreshed), refreshed.body), (200, ""))
        self.assertIsNotNone(header(refreshed, "Contact"))
        self.bye(call)

    def test_an_update_holds_and_resumes(self):
        call, answer = self.call()
        for offer, direction in ((HOLD, "a=recvonly"), (OFFER.replace("sendrecv", "inactive"), "a=inactive"),
                                 (OFFER, "a=sendrecv")):
            got = asked(call, "UPDATE", offer.format(port=call.rtp_port))
            self.assertEqual(status(got), 200)
            self.assertIn(direction, got.body)
        self.assertEqual(status(asked(call, "UPDATE", OFFER.format(port=1).replace("RTP/AVP 0 8 101", "RTP/AVP 96"))), 488)
        self.assertNotEqual(got.body, answer.body)  # o= has grown, the call goes on
        self.bye(call)

    def test_the_media_follows(self):
        """By re-INVITE and by UPDATE, and after a hold that named no address; a stream that is taken away is refused."""
        call, _ = self.call()
        for method in ("UPDATE", "INVITE"):
            new = RtpPort()
            got = asked(call, method, OFFER.format(port=new.port))
            self.assertEqual(status(got), 200)
            if method == "INVITE":
                call.ack(got)
            self.assertTrue(new.hears(), method)
            held = asked(call, "UPDATE", HOLD.format(port=new.port))
            self.assertIn("a=recvonly", held.body)
            self.assertFalse(new.hears(0.3), "it hears what it has heard before")
            nowhere = HOLD.format(port=new.port).replace("c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0")
            self.assertEqual(status(asked(call, "UPDATE", nowhere)), 200)
            self.assertEqual(status(asked(call, "UPDATE", OFFER.format(port=0))), 488)
            self.assertEqual(status(asked(call, "UPDATE", OFFER.format(port=new.port))), 200)
            self.assertTrue(new.hears(), "after a hold")
            new.sock.close()
        self.bye(call)

    def test_an_offer_beside_ours_gets_491(self):
        call = Call(self.ua).invite(offer=None)
        answer = call.final()
        call.uri = header(answer, "Contact").strip("<>")
        invite = call.cseq
        self.assertEqual(status(asked(call, "UPDATE", OFFER.format(port=40000))), 491)
        call.cseq, last = invite, call.cseq
        call.ack(answer, OFFER.format(port=40000))
        self.stack.wait_established(call)
        call.cseq = last
        self.assertEqual(status(asked(call, "UPDATE", OFFER.format(port=40000))), 200)
        self.bye(call)

    def test_after_a_kill(self):
        for name in ("call-actor", "sip-edge"):
            with self.subTest(worker=name):
                call, _ = self.call()
                self.assertEqual(status(asked(call, "INFO", KEY, RELAY)), 200)
                self.stack.wait_restarted(self.stack.kill_worker(name))
                self.stack.wait_ready()
                call.repeat()
                self.assertEqual(status(call.final(5, "INFO")), 200)
                self.assertEqual(status(asked(call, "UPDATE", HOLD.format(port=call.rtp_port))), 200)
                self.bye(call, TOLD_ONE)


class TestBridged(BridgeTest):
    def talks_with(self, extra=()):
        """As talks(), with further headers in the callee's 200."""
        call, rung = self.calls()
        rung.pick_up(extra=extra)
        answer = call.final()
        rung.expect_ack()
        call.ack(answer)
        self.stack.wait_established(call)
        return call, rung, answer

    def hang_up(self, call, rung, keys=KINDS):
        call.request("BYE")
        rung.expect_bye()
        self.assertEqual(status(call.final(5, "BYE")), 200)
        return self.over(call, "normal_clearing", "caller", keys)

    def test_an_update_without_offer_is_between_two(self):
        call, rung, _ = self.talks_with()
        self.assertEqual(status(asked(call, "UPDATE")), 200)
        rung.ask("UPDATE")
        self.assertEqual(status(rung.final("UPDATE")), 200)
        rung.assert_silent()
        self.hang_up(call, rung)

    def test_an_offer_in_an_update(self):
        """Goes on as UPDATE to who takes one, else as re-INVITE."""
        for extra, method in ((ALLOWS, "UPDATE"), ((), "INVITE")):
            with self.subTest(method=method):
                call, rung, _ = self.talks_with(extra)
                send(call, "UPDATE", HOLD.format(port=call.rtp_port))
                again = rung.expect(method)
                self.assertEqual(again.body, HOLD.format(port=call.rtp_port))
                rung.say("200 OK", HELD, request=again)
                answer = call.final(5, "UPDATE")
                self.assertEqual((status(answer), answer.body), (200, HELD))
                if method == "INVITE":
                    rung.expect_ack()
                self.hang_up(call, rung)

    def test_offers_that_cross(self):
        """Each side is told 491, and the call is as it was."""
        call, rung, _ = self.talks_with(ALLOWS)
        for method in ("UPDATE", "INVITE"):
            send(call, method, HOLD.format(port=call.rtp_port))
            theirs = rung.expect(method)
            rung.ask(method, HELD)
            self.assertEqual(status(rung.final(method)), 491)
            if method == "INVITE":
                rung.ack()
            rung.say("491 Request Pending", request=theirs)
            self.assertEqual(status(call.final(5, method)), 491)
            if method == "INVITE":
                rung.expect_ack()
        send(call, "UPDATE", HOLD.format(port=call.rtp_port))
        theirs = rung.expect("UPDATE")
        second = asked(call, "UPDATE")
        self.assertEqual(status(second), 500)
        self.assertLessEqual(int(header(second, "Retry-After")), 10)
        rung.say("200 OK", HELD, request=theirs)
        self.assertEqual(call.final(5, "UPDATE").body, HELD)
        self.hang_up(call, rung)

    def test_an_info_passes_and_its_key_is_told(self):
        call, rung, _ = self.talks_with()
        send(call, "INFO", KEY, RELAY)
        theirs = rung.expect("INFO")
        self.assertEqual((theirs.body, header(theirs, "Content-Type")), (KEY, RELAY))
        rung.say("200 OK", request=theirs, contact=False)
        self.assertEqual(status(call.final(5, "INFO")), 200)
        said(rung, "INFO", "#", "application/dtmf")
        ours = call.ua.expect_request("INFO", call)
        self.assertEqual(ours.body, "#")
        call.ua.answer(ours, "415 Unsupported Media Type")
        self.assertEqual(status(rung.final("INFO")), 415)
        told = self.hang_up(call, rung, ("call.started", "call.answered", DTMF, DTMF, "call.ended"))
        self.assertEqual([(b["digit"], b["party"]) for b in told if b["eventType"] == DTMF],
                         [("5", "caller"), ("#", "callee")])

    def test_packages_are_told_from_side_to_side(self):
        call, rung = self.calls(extra=["Recv-Info: foo"])
        self.assertEqual(header(rung.request, "Recv-Info"), "foo")
        rung.pick_up(extra=["Recv-Info: bar, baz"])
        answer = call.final()
        self.assertEqual(header(answer, "Recv-Info"), "bar, baz")
        rung.expect_ack()
        call.ack(answer)
        self.stack.wait_established(call)
        self.hang_up(call, rung)

    def test_a_package_is_the_peers_to_know(self):
        call, rung, _ = self.talks_with()
        send(call, "INFO", "x", "application/foo", extra=["Info-Package: foo", "Content-Disposition: Info-Package"])
        theirs = rung.expect("INFO")
        self.assertEqual([header(theirs, n) for n in ("Info-Package", "Content-Disposition")], ["foo", "Info-Package"])
        rung.say("469 Bad Info Package", extra=["Recv-Info: bar"], request=theirs, contact=False)
        refused = call.final(5, "INFO")
        self.assertEqual((status(refused), header(refused, "Recv-Info")), (469, "bar"))
        self.hang_up(call, rung)

    def test_messages(self):
        call, rung, answer = self.talks_with()
        self.assertIn("MESSAGE", header(answer, "Allow"))
        self.assertIn("MESSAGE", header(rung.request, "Allow"))
        send(call, "MESSAGE", "merhaba", TEXT)
        theirs = rung.expect("MESSAGE")
        self.assertEqual(theirs.body, "merhaba")
        rung.say("202 Accepted", request=theirs, contact=False)
        self.assertEqual(status(call.final(5, "MESSAGE")), 202)
        self.assertEqual(status(asked(call, "MESSAGE", "x" * 16385, TEXT)), 413)
        said(rung, "MESSAGE", "selam", TEXT)
        ours = call.ua.expect_request("MESSAGE", call)
        self.assertEqual(ours.body, "selam")
        call.ua.answer(ours)
        self.assertEqual(status(rung.final("MESSAGE")), 200)
        self.hang_up(call, rung)

    def test_many_at_once_in_order(self):
        call, rung, _ = self.talks_with()
        for n in range(8):
            send(call, "INFO", str(n), TEXT)
        theirs = [rung.expect("INFO") for _ in range(8)]
        self.assertEqual([m.body for m in theirs], [str(n) for n in range(8)])
        self.assertEqual(sorted({int(header(m, "CSeq").split()[0]) for m in theirs}),
                         [int(header(m, "CSeq").split()[0]) for m in theirs])
        ninth = asked(call, "INFO", "9", TEXT)
        self.assertEqual(status(ninth), 500)
        self.assertIsNotNone(header(ninth, "Retry-After"))
        for m in theirs:
            rung.say("200 OK", request=m, contact=False)
        answers = [call.final(5, "INFO") for _ in range(8)]
        self.assertEqual({status(m) for m in answers}, {200})
        self.hang_up(call, rung)

    def test_nobody_answers(self):
        call, rung, _ = self.talks_with()
        send(call, "INFO", "x", TEXT)
        rung.expect("INFO")
        self.assertEqual(status(call.final(15, "INFO")), 504)  # 64*T1 is 6.4 s here
        rung.phone.unread.clear()
        self.hang_up(call, rung)

    def test_a_bye_answers_what_is_pending(self):
        call, rung, _ = self.talks_with()
        send(call, "INFO", "x", TEXT)
        rung.expect("INFO")
        rung.ask("BYE")
        self.assertEqual(status(rung.final("BYE")), 200)
        self.assertEqual(status(call.final(5, "INFO")), 487)
        call.expect_bye()
        self.over(call, "normal_clearing", "callee")

    def test_killed_while_an_info_is_under_way(self):
        for name in ("call-actor", "sip-edge"):
            with self.subTest(worker=name):
                call, rung, _ = self.talks_with()
                send(call, "INFO", KEY, RELAY)
                first = rung.expect("INFO")
                self.stack.wait_restarted(self.stack.kill_worker(name))
                self.stack.wait_ready()
                call.repeat()
                again = rung.expect("INFO")  # the edge repeats it, or it was asked again
                self.assertEqual(header(again, "CSeq"), header(first, "CSeq"))
                self.assertEqual(branch_of(again), branch_of(first))
                rung.say("200 OK", request=again, contact=False)
                self.assertEqual(status(call.final(5, "INFO")), 200)
                rung.phone.unread.clear()
                self.hang_up(call, rung, TOLD_ONE)

    def test_killed_while_an_update_is_under_way(self):
        for name in ("call-actor", "sip-edge"):
            with self.subTest(worker=name):
                call, rung, _ = self.talks_with(ALLOWS)
                send(call, "UPDATE", HOLD.format(port=call.rtp_port))
                first = rung.expect("UPDATE")
                self.stack.wait_restarted(self.stack.kill_worker(name))
                self.stack.wait_ready()
                call.repeat()
                again = rung.expect("UPDATE")
                self.assertEqual(branch_of(again), branch_of(first))
                rung.say("200 OK", HELD, request=again)
                self.assertEqual(call.final(5, "UPDATE").body, HELD)
                rung.phone.unread.clear()
                self.hang_up(call, rung)


def branch_of(message):
    return header(message, "Via").partition(";branch=")[2].partition(";")[0]


class TestUnroutable(OneCall):
    """Nobody has bound a queue for keys: call.ended comes all the same."""

    def test_it_holds_up_nothing(self):
        connection = self.stack.broker.connect()
        channel = connection.channel()
        events = self.stack.events
        for key in KINDS:
            channel.queue_bind(events.queue, "sentiric_events", key)
        channel.queue_unbind(events.queue, "sentiric_events", "#")
        self.addCleanup(lambda: (channel.queue_bind(events.queue, "sentiric_events", "#"), connection.close()))
        call = Call(self.ua)
        call.answered()
        self.assertEqual(status(asked(call, "INFO", KEY, RELAY)), 200)
        self.assertEqual(status(call.bye()), 200)
        wait_for("the outbox is empty", 5, lambda: self.stack.outbox() == 0)
        self.ended(call, "normal_clearing")


if __name__ == "__main__":
    unittest.main()
