"""RFC 3261 §17 and §18, RFC 3581, RFC 6026 as a peer sees them: one test a rule, named after its section. T1 is 100 ms."""
import time
import unittest

import harness
from digest_ua import Phone
from raw import Raw, RawTest, header, status, tag, token, values
from ua import Ua

T1 = 0.1


def gaps(messages):
    return [b.at - a.at for a, b in zip(messages, messages[1:])]


class TestServer(RawTest):
    def grows(self, messages, count, first=T1):
        """Repeats at T1, 2*T1, 4*T1 … up to T2, which is 8*T1."""
        self.assertGreaterEqual(len(messages), count)
        for i, gap in enumerate(gaps(messages)[:count - 1]):
            wanted = min(first * 2 ** i, 8 * T1)
            self.assertGreater(gap, wanted * 0.8, i)
            self.assertLess(gap, wanted * 1.3 + 0.15 * harness.SLOW, i)

    def test_17_2_1_an_invite_gets_100_at_once(self):
        """Before anything else, whether its answer takes long or not."""
        invite = self.raw().send()
        first = invite.response(100)
        self.assertEqual((status(first), tag(header(first, "To"))), (100, ""))
        invite.bye(invite.final())
        self.stack.platform.faults(ResolveDialplan={"delay_ms": 400})
        self.addCleanup(self.stack.platform.faults)
        begin = time.monotonic()
        invite = self.raw().send()
        trying = invite.response(100)
        self.assertEqual(status(trying), 100)
        self.assertLess(trying.at - begin, 0.05 * harness.SLOW + 0.1)
        invite.bye(invite.final())

    def test_17_2_1_a_repeated_invite_is_one_call(self):
        invite = self.raw().send().send()
        answer = invite.final()
        invite.send()
        self.assertEqual(len(self.stack.calls()), 1)
        invite.bye(answer)

    def refused(self, invite, code):
        answer = invite.send().response()
        self.assertEqual(status(answer), code)
        return answer

    def test_17_2_1_timer_g_repeats_a_refusal_until_its_ack(self):
        """Refused by the call-actor, whose transactions have state."""
        invite = self.raw(body="hi", Content_Type="text/plain")
        answer = self.refused(invite, 415)
        repeats = [answer, *self.collect(T1 * 8)]
        self.grows(repeats, 4)
        self.assertEqual({m.first for m in repeats}, {answer.first})
        invite.ack(answer)
        self.assertLessEqual(len(self.collect(T1 * 10)), 1)  # one may have been under way

    def test_17_2_1_a_repeated_invite_gets_its_refusal_again(self):
        invite = self.raw(body="hi", Content_Type="text/plain")
        answer = self.refused(invite, 415)
        again = self.refused(invite, 415)
        self.assertEqual(again.headers, answer.headers)
        invite.ack(answer)

    def test_17_2_3_an_ack_on_another_branch_does_not_end_a_refusal(self):
        invite = self.raw(body="hi", Content_Type="text/plain")
        answer = self.refused(invite, 415)
        invite.follow("ACK", answer, Via=self.raw().headers["Via"]).send()
        self.assertGreaterEqual(len(self.collect(T1 * 4)), 1)
        invite.ack(answer)

    def test_17_2_2_a_repeated_bye_gets_the_same_reply(self):
        invite, answer = self.call()
        bye = invite.follow("BYE", answer, cseq=2)
        first, again = bye.send().response(), bye.send().response()
        self.assertEqual((first.first, first.headers), (again.first, again.headers))
        self.assertEqual(status(first), 200)

    def test_17_2_3_the_same_branch_of_another_sender_is_another_request(self):
        with Ua(self.stack.sip_port) as other:
            one = self.raw()
            two = Raw(other, Via=one.headers["Via"].replace(str(self.ua.port), str(other.port)))
            answers = [r.send().final() for r in (one, two)]
            self.assertEqual([status(a) for a in answers], [200, 200])
            self.assertEqual(len(self.stack.calls()), 2)
            for request, answer in zip((one, two), answers):
                self.assertEqual(status(request.bye(answer)), 200)

    def test_17_2_3_peers_of_rfc_2543_are_told_apart_without_branches(self):
        via = f"SIP/2.0/UDP 127.0.0.1:{self.ua.port}"
        invite = self.raw(Via=via).send().send()
        answer = invite.final()
        self.assertEqual(len(self.stack.calls()), 1)
        bye = invite.follow("BYE", answer, cseq=2, Via=via)
        self.assertEqual([status(bye.send().response()) for _ in range(2)], [200, 200])
        refused = self.raw(Via=via, body="hi", Content_Type="text/plain")
        answer = self.refused(refused, 415)
        refused.ack(answer)
        self.assertLessEqual(len(self.collect(T1 * 6)), 1)

    def test_4475_3_4_1_an_invite_of_rfc_2543_without_contact_is_served(self):
        via = f"SIP/2.0/UDP 127.0.0.1:{self.ua.port}"
        invite = self.raw(Via=via, Contact=None, Max_Forwards=None, Content_Length=None,
                          From="<sip:905551234567@127.0.0.1>").send()
        answer = invite.final()
        self.assertEqual(status(answer), 200)
        self.assertEqual(status(invite.follow("BYE", answer, cseq=2, Via=via).send().final()), 200)

    def test_13_3_1_4_a_2xx_is_repeated_until_its_ack(self):
        invite = self.raw().send()
        answer = invite.response()
        repeats = [answer, *self.collect(T1 * 8)]
        self.grows(repeats, 4)
        self.assertEqual({m.body for m in repeats}, {answer.body})
        invite.ack(answer)
        self.assertLessEqual(len(self.collect(T1 * 10)), 1)
        invite.bye(answer)

    def test_13_3_1_4_without_ack_the_call_is_ended_with_bye(self):
        invite = self.raw().send()
        answer = invite.response()
        bye = self.ua.expect("BYE", 64 * T1 + 2, lambda m: m.first.startswith("BYE "))
        self.assertGreater(bye.at - answer.at, 60 * T1)
        self.ua.answer(bye)

    def test_6026_7_1_a_repeated_invite_after_the_2xx_is_absorbed(self):
        invite, answer = self.call()
        for _ in range(3):
            invite.send()
        self.silent(T1 * 5)
        self.assertEqual(status(invite.bye(answer)), 200)

    def test_18_2_1_received_tells_another_address(self):
        options = self.raw("OPTIONS", Via=f"SIP/2.0/UDP pc.example.com:{self.ua.port};branch=z9hG4bK{token()}")
        self.assertTrue(header(options.send().final(), "Via").endswith(";received=127.0.0.1"))

    def test_18_2_1_nothing_is_added_to_a_true_sent_by(self):
        via = f"SIP/2.0/UDP 127.0.0.1:{self.ua.port};branch=z9hG4bK{token()}"
        self.assertEqual(header(self.raw("OPTIONS", Via=via).send().final(), "Via"), via)

    def test_18_2_1_a_forged_received_is_corrected(self):
        via = f"SIP/2.0/UDP 127.0.0.1:{self.ua.port};branch=z9hG4bK{token()};received=192.0.2.1"
        self.assertIn(";received=127.0.0.1", header(self.raw("OPTIONS", Via=via).send().final(), "Via"))

    def test_18_2_2_without_rport_replies_go_to_the_port_in_via(self):
        with Ua(self.stack.sip_port) as there:
            request = self.raw("OPTIONS", Via=f"SIP/2.0/UDP 127.0.0.1:{there.port};branch=z9hG4bK{token()}").send()
            self.assertEqual(status(there.expect("200", 5, request.mine)), 200)

    def test_3581_4_with_rport_replies_go_where_the_request_came_from(self):
        via = f"SIP/2.0/UDP 10.9.8.7:9;rport;branch=z9hG4bK{token()}"
        answer = self.raw("OPTIONS", Via=via).send().final()
        self.assertIn(f";rport={self.ua.port}", header(answer, "Via"))
        self.assertIn(";received=127.0.0.1", header(answer, "Via"))
        invite = self.raw(Via=via.replace(";branch=z9hG4bK", ";branch=z9hG4bKi"))
        self.served_with(invite, f";rport={self.ua.port}")

    def served_with(self, invite, words):
        answer = invite.send().final()
        self.assertIn(words, header(answer, "Via"))
        self.assertEqual(status(invite.bye(answer)), 200)

    def test_3581_4_replies_without_a_call_say_it_too(self):
        """481 comes from the call-actor, not from the edge."""
        invite, answer = self.call()
        stranger = invite.follow("BYE", answer, cseq=9)
        stranger.headers["From"] = "<sip:x@127.0.0.1>;tag=other"
        got = stranger.send().final()
        self.assertEqual(status(got), 481)
        self.assertIn(f";rport={self.ua.port}", header(got, "Via"))
        self.assertEqual(status(invite.bye(answer)), 200)


class TestRegistrar(RawTest):
    def phone(self):
        phone = Phone(self.stack.sip_port)
        self.addCleanup(phone.sock.close)
        return phone

    def test_8_2_7_a_challenge_has_the_same_tag_each_time(self):
        phone = self.phone()
        first = phone.ask_register()
        phone.send(phone.sent)
        again = phone.expect("401 again", 5, lambda m: status(m) == 401)
        self.assertTrue(tag(header(first, "To")))
        self.assertEqual(header(again, "To"), header(first, "To"))
        self.assertNotEqual(tag(header(phone.ask_register(), "To")), tag(header(first, "To")))

    def test_10_3_a_registrar_writes_no_record_route(self):
        phone = self.phone()
        answer = phone.register(extra=["Record-Route: <sip:p.example;lr>"])
        self.assertEqual((status(answer), values(answer, "Record-Route")), (200, []))
        self.assertEqual(status(phone.register(["*"], ["Expires: 0"])), 200)


class TestClient(RawTest):
    """Our BYE is the request."""

    def our_bye(self):
        invite, _ = self.call()
        self.hang_up(invite)
        return self.ua.expect("BYE", 5, lambda m: m.first.startswith("BYE "))

    def reply(self, bye, line="200 OK", via=None, cseq=None):
        vias = [via or header(bye, "Via")]
        lines = [f"SIP/2.0 {line}", *(f"Via: {v}" for v in vias), f"From: {header(bye, 'From')}",
                 f"To: {header(bye, 'To')}", f"Call-ID: {header(bye, 'Call-ID')}", f"CSeq: {cseq or header(bye, 'CSeq')}",
                 "Content-Length: 0", "", ""]
        self.ua.send("\r\n".join(lines))

    def test_8_1_1_what_a_request_of_ours_has(self):
        bye = self.our_bye()
        self.assertEqual(len(values(bye, "Via")), 1)
        self.assertRegex(header(bye, "Via"), r"^SIP/2\.0/UDP 127\.0\.0\.1:\d+;branch=z9hG4bK\S+$")
        self.assertIn("rport", header(bye, "Via"))
        self.assertEqual(header(bye, "Max-Forwards"), "70")
        for name in ("From", "To"):
            self.assertTrue(tag(header(bye, name)))
        self.reply(bye)

    def test_17_1_2_2_timer_e_repeats_it_and_the_reply_ends_that(self):
        bye = self.our_bye()
        repeats = [bye, *self.collect(T1 * 8)]
        self.assertGreaterEqual(len(repeats), 4)
        for i, gap in enumerate(gaps(repeats)[:3]):
            self.assertGreater(gap, T1 * 2 ** i * 0.8)
        self.assertEqual({header(m, "Via") for m in repeats}, {header(bye, "Via")})
        self.reply(bye)
        self.collect(T1)
        self.silent(T1 * 10)

    def test_17_1_2_2_after_a_provisional_it_is_repeated_every_t2(self):
        bye = self.our_bye()
        self.reply(bye, "100 Trying")
        repeats = self.collect(T1 * 20)
        self.assertLessEqual(len(repeats), 4)
        self.reply(bye)

    def ignored(self, **change):
        bye = self.our_bye()
        self.reply(bye, **change)
        self.assertGreaterEqual(len(self.collect(T1 * 4)), 1)
        self.reply(bye)
        self.collect(T1)
        self.silent(T1 * 5)

    def test_17_1_3_another_branch_is_not_for_it(self):
        self.ignored(via=f"SIP/2.0/UDP 127.0.0.1:{self.stack.sip_port};branch=z9hG4bK{token()}")

    def test_17_1_3_another_method_is_not_for_it(self):
        self.ignored(cseq="1 OPTIONS")

    def test_18_1_2_another_sent_by_is_not_ours(self):
        bye = self.our_bye()
        self.reply(bye, via=header(bye, "Via").replace("127.0.0.1", "127.0.0.2"))
        self.assertGreaterEqual(len(self.collect(T1 * 4)), 1)
        self.reply(bye)

    def test_8_1_3_3_two_vias_are_not_for_us(self):
        bye = self.our_bye()
        self.reply(bye, via=header(bye, "Via") + ", SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx")
        self.assertGreaterEqual(len(self.collect(T1 * 4)), 1)
        self.reply(bye)

    def test_17_1_2_2_timer_f_ends_it(self):
        bye = self.our_bye()
        got = self.collect(64 * T1 + 1)
        self.assertLess(got[-1].at - bye.at, 64 * T1 + 0.2 * harness.SLOW)
        self.silent(T1 * 10)

    def test_15_1_1_any_final_answer_to_our_bye_ends_the_call(self):
        for line in ("481 Call/Transaction Does Not Exist", "408 Request Timeout", "500 x", "299 y"):
            with self.subTest(line=line):
                self.reply(self.our_bye(), line)
                self.collect(T1)
                self.silent(T1 * 5)
                self.assertEqual(self.stack.calls(), [])


if __name__ == "__main__":
    unittest.main()
