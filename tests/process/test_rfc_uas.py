"""RFC 3261 §8.2 to §15 as a caller sees them: one test a rule, named after its section."""
import re
import socket
import unittest

import harness
from ports import sip_listener
from raw import FAST, Raw, RawTest, header, status, tag, token, values
from ua import OFFER, Ua

KNOWN = ("REGISTER", "PRACK", "UPDATE", "INFO", "REFER", "NOTIFY", "SUBSCRIBE", "MESSAGE", "PUBLISH")
SDP = OFFER.format(port=40000)
MIXED = ("--b1\r\nContent-Type: application/x-other\r\n{}\r\nhi\r\n--b1\r\nContent-Type: application/sdp\r\n\r\n" + SDP
         + "\r\n--b1--\r\n")


class TestMethodAndHeaders(RawTest):
    """§8.2.1, §8.2.2"""

    def test_8_2_1_methods_we_do_not_serve_get_405_with_allow(self):
        allow = header(self.raw("OPTIONS").send().final(), "Allow")
        for method in KNOWN:
            if method in allow.split(", "):
                continue
            with self.subTest(method=method):
                self.assertEqual(header(self.refused(self.raw(method), 405), "Allow"), allow)

    def test_8_2_1_the_method_is_looked_at_before_the_dialog(self):
        for method, expected in (("NOTIFY", 481), ("REFER", 481), ("SUBSCRIBE", 481), ("INFO", 481), ("UPDATE", 481), ("BYE", 481), ("OPTIONS", 481)):
            with self.subTest(method=method):
                self.refused(self.raw(method, To="<sip:902121234567@127.0.0.1>;tag=nobody"), expected)

    def test_21_5_2_methods_nobody_knows_get_501(self):
        for method in ("FOO", "invite", "x-%41", "A" * 64):
            with self.subTest(method=method):
                self.assertIsNotNone(header(self.refused(self.raw(method), 501), "Allow"))

    def test_8_2_2_1_other_schemes_get_416(self):
        for uri in ("http://127.0.0.1/", "mailto:a@b", "urn:service:sos"):
            for method in ("INVITE", "OPTIONS"):
                with self.subTest(uri=uri, method=method):
                    self.refused(self.raw(method, uri=uri), 416)

    def test_8_2_2_1_tel_is_a_scheme_we_know(self):
        self.served(self.raw(uri="tel:+90-212-123-45-67;phone-context=example.com"))

    def test_8_2_2_2_the_same_request_on_another_way_gets_482(self):
        first = self.raw().send()
        other = self.raw().set(Call_ID=first.headers["Call-ID"], From=first.headers["From"])
        second = other.send().response()
        self.assertEqual(status(second), 482)
        other.ack(second)
        first.bye(first.final())

    def test_8_2_2_2_merged_is_looked_at_before_require(self):
        first = self.raw().send()
        answer = first.final()
        other = self.raw(Require="foo").set(Call_ID=first.headers["Call-ID"], From=first.headers["From"])
        self.refused(other, 482)
        first.bye(answer)

    def test_8_2_2_3_every_unknown_option_is_named(self):
        answer = self.refused(self.raw(Require=["100rel, x-none, foo", "bar"]), 420)
        self.assertEqual(values(answer, "Unsupported"), ["x-none", "foo", "bar"])
        self.refused(self.raw("OPTIONS", Require="foo"), 420)

    def test_8_2_2_3_proxy_require_is_not_for_us(self):
        self.served(self.raw(Proxy_Require="foo"))

    def test_8_2_2_3_require_is_ignored_in_cancel_and_ack(self):
        invite = self.raw(uri=f"sip:901@127.0.0.1:{self.stack.sip_port}").send()
        cancel = Raw(self.ua, "CANCEL", uri=invite.uri, Require="foo")
        for name in ("Via", "From", "To", "Call-ID"):
            cancel.headers[name] = invite.headers[name]
        self.assertIn(status(cancel.send().final()), (200, 481))
        answer = invite.response()
        if status(answer) == 200:
            invite.follow("ACK", answer, Require="foo").send()
            invite.bye(answer)
        else:
            invite.ack(answer)

    def test_8_1_1_6_max_forwards_0_ends_an_invite_but_not_a_ping(self):
        self.refused(self.raw(Max_Forwards="0"), 483)
        self.assertEqual(status(self.raw("OPTIONS", Max_Forwards="0").send().final()), 200)

    def test_8_1_1_peers_without_max_forwards_are_served(self):
        self.served(self.raw(Max_Forwards=None))


class TestBodies(RawTest):
    """§8.2.3, §20.1, §20.11, §20.15, §21.4.13"""

    def test_8_2_3_unknown_type_gets_415_with_what_is_known(self):
        for method in ("INVITE", "OPTIONS"):
            answer = self.refused(self.raw(method, body="hi", Content_Type="text/plain"), 415)
            self.assertIn("application/sdp", header(answer, "Accept"))
            self.assertEqual(header(answer, "Accept-Encoding"), "identity")
            self.assertIsNotNone(header(answer, "Accept-Language"))

    def test_8_2_3_unknown_encoding_gets_415(self):
        self.refused(self.raw(Content_Encoding="gzip"), 415)
        self.served(self.raw(Content_Encoding="identity"))

    def test_20_11_other_dispositions_get_415(self):
        self.refused(self.raw(Content_Disposition="early-session"), 415)
        self.served(self.raw(Content_Disposition="session;handling=required"))

    def test_20_11_an_optional_body_is_passed_over(self):
        """As if there were no body: the 200 makes the offer."""
        self.answers_our_offer(
            self.raw(body="hi", Content_Type="text/plain", Content_Disposition="icon;handling=optional"))

    def test_20_15_a_body_without_a_type_gets_400(self):
        self.refused(self.raw(Content_Type=None), 400, "Missing Header: Content-Type")

    def test_20_1_whoever_takes_no_sdp_gets_406(self):
        self.assertIn("application/sdp", header(self.refused(self.raw(Accept="text/plain"), 406), "Accept"))
        self.served(self.raw(Accept="text/plain, application/*;q=0.5"))
        for no in ("application/sdp;q=0, text/plain", "*/*, application/sdp ; Q=0.000", "application/*;q=0.0, */*;q=1"):
            with self.subTest(accept=no):
                self.refused(self.raw(Accept=no), 406)
        for yes in ("application/sdp, */*;q=0", "application/*;q=0, application/sdp;q=0.001"):
            with self.subTest(accept=yes):
                self.served(self.raw(Accept=yes))

    def test_21_4_26_media_over_the_other_ip_version_gets_488(self):
        for address in ("::1", "[::1]"):
            with self.subTest(address=address):
                answer = self.refused(self.raw(body=SDP.replace("IN IP4 127.0.0.1", f"IN IP6 {address}")), 488)
                self.assertTrue(header(answer, "Warning").startswith("300 "), header(answer, "Warning"))

    def test_19_1_1_a_uri_parameter_may_come_twice_with_one_value(self):
        uri = f"sip:902121234567@127.0.0.1:{self.stack.sip_port};transport={{}};transport={{}}"
        self.served(self.raw(uri=uri.format("udp", "udp")))
        self.refused(self.raw(uri=uri.format("udp", "tcp")), 400, "Malformed Request-URI")

    def test_multipart_with_an_offer_is_served(self):
        self.served(self.raw(body=MIXED.format(""), Content_Type="multipart/mixed;boundary=b1"))

    def test_multipart_with_an_unknown_required_part_gets_415(self):
        body = MIXED.format("Content-Disposition: signal;handling=required\r\n")
        self.refused(self.raw(body=body, Content_Type='multipart/mixed;boundary="b1"'), 415)

    def test_multipart_that_cannot_be_read_gets_400(self):
        for body in ("--b2\r\n\r\n", "--b1--\r\n" + SDP, "--b1\r\nContent-Type: application/sdp\r\n\r\n" + SDP):
            with self.subTest(body=body[:20]):
                answer = self.raw(body=body, Content_Type="multipart/mixed;boundary=b1").send().final()
                self.assertIn(status(answer), (400, 415))

    def test_a_description_that_cannot_be_read_gets_400(self):
        self.refused(self.raw(body="v=0\r\nm=audio x RTP/AVP 0\r\n"), 400, "Malformed Session Description")

    def test_21_4_11_an_overlong_description_gets_413(self):
        self.refused(self.raw(body=SDP + "a=x:y\r\n" * 600), 413)

    def test_18_3_content_length_rules(self):
        self.refused(self.raw(Content_Length="9999"), 400, "Body Shorter Than Content-Length")
        self.refused(self.raw(Content_Length="-5"), 400, "Malformed Content-Length")
        invite = self.raw()
        invite.ua.send(invite.text() + "these bytes are not part of it")
        answer = invite.final()
        self.assertEqual(status(answer), 200)
        invite.bye(answer)

    def test_18_3_without_content_length_the_body_ends_with_the_datagram(self):
        self.served(self.raw(Content_Length=None))


class TestMalformed(RawTest):
    """§21.4.1: the reason phrase names the fault. §21.4.12, §21.5.6, §21.5.7"""

    def test_21_4_1_the_fault_is_named(self):
        cases = [
            (dict(From=None), "Missing Header: From"), (dict(To=None), "Missing Header: To"),
            (dict(Call_ID=None), "Missing Header: Call-ID"), (dict(CSeq=None), "Missing Header: CSeq"),
            (dict(Contact=None), "Missing Header: Contact"),
            (dict(Contact="<tel:+90>"), "Malformed Address: Contact"),
            (dict(Contact="<sip:a@h>, <sip:b@h>"), "More Than One Contact"),
            (dict(Record_Route="<sip:p;lr"), "Malformed Address: Record-Route"),
            (dict(Record_Route="<tel:123>"), "Malformed Address: Record-Route"),
            (dict(CSeq="1 OPTIONS"), "CSeq Method Does Not Match"), (dict(CSeq="x INVITE"), "Malformed CSeq"),
            (dict(CSeq="2147483648 INVITE"), "Malformed CSeq"), (dict(From="<<<"), "Malformed Address: From"),
            (dict(To='"x <sip:a@b>'), "Malformed Address: To"), (dict(Call_ID="a b"), "Malformed Call-ID"),
            (dict(Call_ID=["a@b", "c@d"]), "Repeated Header: Call-ID"),
            (dict(CSeq=["1 INVITE", "1 INVITE"]), "Repeated Header: CSeq"),
            (dict(Max_Forwards=["70", "70"]), "Repeated Header: Max-Forwards"),
            (dict(Content_Length=["0", "0"]), "Repeated Header: Content-Length"),
            (dict(Max_Forwards="300"), "Malformed Number: Max-Forwards"), (dict(Expires="x"), "Malformed Number: Expires"),
            (dict(Subject="a\x01b"), "Malformed Header: Subject"),
        ]
        for change, phrase in cases:
            with self.subTest(phrase=phrase, **change):
                request = self.raw(**change)
                request.send()
                answer = self.ua.expect("400", 5, lambda m: status(m) is not None and status(m) >= 200)
                self.assertEqual(answer.first, f"SIP/2.0 400 {phrase}")

    def test_7_3_1_a_repeat_in_compact_form_is_a_repeat(self):
        request = self.raw()
        request.ua.send(request.text().replace("\r\nCSeq", "\r\ni: other@raw\r\nCSeq"))
        answer = self.ua.expect("400", 5, lambda m: status(m) is not None)
        self.assertEqual(answer.first, "SIP/2.0 400 Repeated Header: Call-ID")

    def test_7_3_3_compact_forms_folds_and_lists_are_read(self):
        invite = self.raw()
        text = invite.text()
        for full, compact in (("Via", "v"), ("From", "f"), ("To", "t"), ("Call-ID", "i"), ("Contact", "m"),
                              ("Content-Type", "c"), ("Content-Length", "l")):
            text = text.replace(f"\r\n{full}: ", f"\r\n{compact} :\r\n \t")
        invite.ua.send(text)
        answer = invite.final()
        self.assertEqual(status(answer), 200)
        invite.bye(answer)

    def test_7_5_crlf_before_a_request_is_skipped(self):
        options = self.raw("OPTIONS")
        options.ua.send("\r\n\r\n" + options.text())
        self.assertEqual(status(options.final()), 200)

    def test_21_5_6_other_versions_get_505(self):
        self.refused(self.raw(version="SIP/3.0"), 505)
        self.assertEqual(status(self.raw("OPTIONS", version="sip/2.0").send().final()), 200)

    def test_21_4_12_a_long_request_uri_gets_414(self):
        self.refused(self.raw(uri="sip:" + "a" * 3000 + "@127.0.0.1"), 414)

    def test_21_5_7_too_much_of_anything_gets_513(self):
        self.refused(self.raw(X_Y=["y"] * 300), 513)
        self.refused(self.raw(X_Y="y" * 9000), 513)

    def test_8_2_an_ack_is_never_answered(self):
        for change in ({}, dict(CSeq="1 INVITE"), dict(Content_Length="99"), dict(Require="foo"), dict(From=None)):
            self.raw("ACK", **change).send()
        self.raw("ACK", To=f"<sip:a@b>;tag={token()}").send()
        self.silent()

    def test_18_1_2_a_response_is_never_answered(self):
        for line in ("SIP/2.0 200 OK", "SIP/2.0 180 Ringing", "SIP/2.0 999 x", "SIP/3.0 200 OK"):
            text = self.raw("OPTIONS").text()
            self.ua.send(line + text[text.index("\r\n"):])
        self.silent()


class TestReplies(RawTest):
    """§8.2.6, §8.2.7, §9.2, §11.2"""

    def test_8_2_6_1_timestamp_is_copied_into_100(self):
        invite = self.raw(Timestamp="54.5").send()
        trying = invite.response(100)
        self.assertEqual((status(trying), header(trying, "Timestamp")), (100, "54.5"))
        invite.bye(invite.final())

    def test_8_2_6_2_what_a_response_copies(self):
        vias = [self.raw().headers["Via"], "SIP/2.0/TCP two.example.com;branch=z9hG4bKtwo;x=\"a,b\"", "SIP/2.0/UDP 3"]
        invite = self.raw(Via=[vias[0], f"{vias[1]}, {vias[2]}"]).send()
        for least in (100, 180, 200):
            m = invite.response(least)
            got = values(m, "Via")
            self.assertTrue(got[0].startswith(vias[0].replace(";rport", "")[:40]))
            self.assertEqual(got[1:], [f"{vias[1]}, {vias[2]}"])
            for name in ("From", "Call-ID", "CSeq"):
                self.assertEqual(header(m, name), invite.headers[name])
            self.assertEqual(bool(tag(header(m, "To"))), least > 100)
        invite.ack(m)
        invite.bye(m)

    def test_8_2_6_2_one_tag_for_all_responses(self):
        invite = self.raw().send()
        ringing, answer = invite.response(180), invite.response(200)
        self.assertEqual(header(ringing, "To"), header(answer, "To"))
        self.assertGreaterEqual(len(tag(header(answer, "To"))), 8)
        invite.ack(answer)
        invite.bye(answer)

    def test_8_2_7_a_stateless_answer_is_the_same_each_time(self):
        request = self.raw("OPTIONS", Require="foo")
        first, second = request.send().final(), request.send().final()
        self.assertEqual((first.first, first.headers), (second.first, second.headers))

    def test_11_2_options_tells_what_is_understood(self):
        answer = self.raw("OPTIONS", Contact=None).send().final()
        self.assertEqual(status(answer), 200)
        for name in ("Allow", "Accept", "Accept-Encoding", "Accept-Language", "Supported"):
            self.assertIsNotNone(header(answer, name), name)
        self.assertIn("replaces", header(answer, "Supported"))

    def cancel_of(self, invite):
        cancel = Raw(self.ua, "CANCEL", uri=invite.uri, Contact=None)
        for name in ("Via", "From", "To", "Call-ID"):
            cancel.headers[name] = invite.headers[name]
        return cancel

    def test_9_2_cancel_of_nothing_gets_481(self):
        self.assertEqual(status(self.cancel_of(self.raw()).send().final()), 481)

    def test_9_2_cancel_of_an_answered_invite_changes_nothing(self):
        invite, answer = self.call()
        cancelled = self.cancel_of(invite).send().final()
        self.assertEqual(status(cancelled), 200)
        self.assertEqual(header(cancelled, "To"), header(answer, "To"))
        self.assertEqual(status(invite.bye(answer)), 200)

    def test_9_2_cancel_on_another_branch_is_not_for_it(self):
        invite, answer = self.call()
        cancel = self.cancel_of(invite).set(Via=self.raw().headers["Via"])
        self.assertEqual(status(cancel.send().final()), 481)
        self.assertEqual(status(invite.bye(answer)), 200)


class TestDialog(RawTest):
    """§12, §14, §15"""
    settings = {**FAST, "SIPS_PORT": harness.free_port()}

    ROUTES = ["<sip:127.0.0.1:{port};lr;Odd=%41>;ftag=\"1,2\"", "\"P 1\" <sip:p1.example.com;lr=on> , <sip:p0.example.com;lr>"]

    def test_12_1_1_record_route_comes_back_byte_for_byte(self):
        routes = [r.format(port=self.ua.port) for r in self.ROUTES]
        invite = self.raw(Record_Route=routes).send()
        for least in (180, 200):
            m = invite.response(least)
            self.assertEqual(values(m, "Record-Route"), routes)
            self.assertIsNotNone(header(m, "Contact"))
        invite.ack(m)
        invite.bye(m)
        refused = self.refused(self.raw(Record_Route=routes, Require="x"), 420)
        self.assertEqual(values(refused, "Record-Route"), [])

    def test_12_1_1_sips_is_answered_with_a_sips_contact(self):
        for change in (dict(uri="sips:902121234567@127.0.0.1"), dict(Contact=f"<sips:a@127.0.0.1:{self.ua.port}>")):
            with self.subTest(**change):
                invite = self.raw(**change).send()
                answer = invite.final()
                self.assertTrue(header(answer, "Contact").startswith("<sips:"), header(answer, "Contact"))
                invite.bye(answer)

    def test_13_3_1_a_2xx_has_contact_allow_and_supported(self):
        answer = self.served(self.raw())
        for name in ("Contact", "Allow", "Supported"):
            self.assertIsNotNone(header(answer, name))

    def bye_of(self, invite, ua=None):
        self.hang_up(invite)
        bye = (ua or self.ua).expect("BYE", 5, lambda m: m.first.startswith("BYE ")
                                     and header(m, "Call-ID") == invite.call_id)
        (ua or self.ua).answer(bye)
        return bye

    def plain_via(self, ua):
        return f"SIP/2.0/UDP 127.0.0.1:{ua.port};branch=z9hG4bK{token()}"

    def test_12_2_1_1_our_bye_follows_loose_routes_in_their_order(self):
        with Ua(self.stack.sip_port) as proxy:
            routes = [r.format(port=proxy.port) for r in self.ROUTES]
            invite, _ = self.call(Record_Route=routes, Via=self.plain_via(self.ua))
            bye = self.bye_of(invite, proxy)
        self.assertEqual(bye.first, f"BYE sip:caller@127.0.0.1:{self.ua.port} SIP/2.0")
        self.assertEqual(values(bye, "Route"), [routes[0], *routes[1].split(" , ")])

    def test_12_2_1_1_a_strict_router_becomes_the_request_uri(self):
        with Ua(self.stack.sip_port) as proxy:
            strict = f"<sip:127.0.0.1:{proxy.port};method=INVITE;x=1>"
            invite, _ = self.call(Record_Route=[strict, "<sip:p1.example.com;lr>"], Via=self.plain_via(self.ua))
            bye = self.bye_of(invite, proxy)
        self.assertEqual(bye.first, f"BYE sip:127.0.0.1:{proxy.port};x=1 SIP/2.0")
        self.assertEqual(values(bye, "Route"), ["<sip:p1.example.com;lr>", f"<sip:caller@127.0.0.1:{self.ua.port}>"])

    def test_12_2_1_1_our_bye_goes_to_the_contact(self):
        with Ua(self.stack.sip_port) as there:
            invite, _ = self.call(Contact=f"<sip:me@127.0.0.1:{there.port};ob?Subject=x>", Via=self.plain_via(self.ua))
            bye = self.bye_of(invite, there)
        self.assertEqual(bye.first, f"BYE sip:me@127.0.0.1:{there.port};ob SIP/2.0")
        self.assertEqual(header(bye, "To"), invite.headers["From"])
        self.assertEqual(header(bye, "Max-Forwards"), "70")

    def test_behind_a_nat_our_bye_goes_back_the_way_requests_came(self):
        invite, _ = self.call(Contact="<sip:me@10.1.2.3:5099>",
                              Via=f"SIP/2.0/UDP 10.1.2.3:5099;branch=z9hG4bK{token()};rport")
        self.assertEqual(self.bye_of(invite).first, "BYE sip:me@10.1.2.3:5099 SIP/2.0")

    def bye_at(self, there, invite):
        """Our BYE, as it comes by TCP."""
        self.hang_up(invite)
        there.settimeout(5 * harness.SLOW)
        conn, _ = there.accept()
        with conn, conn.makefile("r", newline="\r\n") as lines:
            conn.settimeout(5 * harness.SLOW)
            head = [line.strip() for line in iter(lines.readline, "\r\n")]
            kept = [x for x in head if x.split(":")[0] in ("Via", "From", "To", "Call-ID", "CSeq")]
            conn.sendall("\r\n".join(["SIP/2.0 200 OK", *kept, "Content-Length: 0", "", ""]).encode())
        return "\n".join(head)

    def test_12_2_1_1_our_bye_goes_by_the_transport_of_the_uri(self):
        for place in ("Contact", "Record-Route"):
            with self.subTest(place), sip_listener() as there:
                uri = f"<sip:me@127.0.0.1:{there.getsockname()[1]};transport=tcp;lr>"
                invite, _ = self.call(**{place.replace("-", "_"): uri}, Via=self.plain_via(self.ua))
                bye = self.bye_at(there, invite)
                self.assertTrue(bye.startswith("BYE "), bye)
                self.assertIn("Via: SIP/2.0/TCP ", bye)

    def test_12_2_1_1_routes_are_followed_from_behind_a_nat(self):
        with Ua(self.stack.sip_port) as proxy:
            invite, _ = self.call(Record_Route=f"<sip:127.0.0.1:{proxy.port};lr>",
                                  Via=f"SIP/2.0/UDP 10.1.2.3:5099;branch=z9hG4bK{token()};rport")
            self.bye_of(invite, proxy)

    def test_26_2_2_a_bye_to_a_sips_contact_is_not_sent_in_clear(self):
        with socket.create_server(("127.0.0.1", 0)) as there:
            there.settimeout(5 * harness.SLOW)
            invite, _ = self.call(Contact=f"<sips:me@127.0.0.1:{there.getsockname()[1]}>", Via=self.plain_via(self.ua))
            self.hang_up(invite)
            conn, _ = there.accept()
            with conn:
                self.assertEqual(conn.recv(1), b"\x16")  # a TLS handshake, which then fails
        self.silent(1.5)

    def reinvite(self, invite, answer, cseq=2, **headers):
        again = invite.follow("INVITE", answer, cseq=cseq, **headers)
        if "body" not in headers:
            again.body = SDP
            again.set(Content_Type="application/sdp", Content_Length=str(len(SDP)))
        return again

    def test_12_2_2_a_reinvite_moves_the_remote_target(self):
        with Ua(self.stack.sip_port) as there:
            invite, answer = self.call(Via=self.plain_via(self.ua))
            again = self.reinvite(invite, answer, Contact=f"<sip:moved@127.0.0.1:{there.port}>",
                                  Via=self.plain_via(self.ua))
            self.assertEqual(status(again.send().final()), 200)
            bye = self.bye_of(invite, there)
        self.assertEqual(bye.first, f"BYE sip:moved@127.0.0.1:{there.port} SIP/2.0")

    def test_12_2_2_unknown_dialogs_get_481(self):
        for method in ("BYE", "INVITE", "OPTIONS"):
            with self.subTest(method=method):
                self.refused(self.raw(method, To=f"<sip:a@b>;tag={token()}"), 481)
        self.refused(self.raw("BYE"), 481)

    def test_12_2_2_another_tag_is_another_dialog(self):
        invite, answer = self.call()
        stranger = invite.follow("BYE", answer, cseq=9, From="<sip:905551234567@127.0.0.1>;tag=other")
        stranger.headers["From"] = "<sip:905551234567@127.0.0.1>;tag=other"
        self.assertEqual(status(stranger.send().final()), 481)
        self.assertEqual(status(invite.bye(answer)), 200)

    def test_12_2_2_a_lower_cseq_gets_500_and_changes_nothing(self):
        invite, answer = self.call(cseq=10)
        for method in ("OPTIONS", "BYE"):
            late = invite.follow(method, answer, cseq=9).send().final()
            self.assertEqual(late.first, "SIP/2.0 500 CSeq Out Of Order")
            self.assertLessEqual(int(header(late, "Retry-After")), 10)
        self.assertEqual(status(invite.follow("OPTIONS", answer, cseq=1000).send().final()), 200)
        self.assertEqual(status(invite.bye(answer, cseq=1001)), 200)

    def test_12_2_2_methods_we_do_not_serve_get_405_in_a_dialog_too(self):
        invite, answer = self.call()
        allow = header(answer, "Allow")
        for method in ("INFO", "REFER", "NOTIFY"):
            if method not in allow.split(", "):
                got = invite.follow(method, answer, cseq=2).send().final()
                self.assertEqual((status(got), header(got, "Allow")), (405, allow))
        self.assertEqual(status(invite.bye(answer)), 200)

    def test_14_2_a_reinvite_is_answered_and_the_same_answer_keeps_its_version(self):
        invite, answer = self.call()
        first = self.reinvite(invite, answer).send().final()
        self.assertEqual((status(first), first.body), (200, answer.body))
        hold = self.reinvite(invite, answer, cseq=3)
        hold.body = SDP.replace("a=sendrecv", "a=sendonly")
        hold.set(Content_Length=str(len(hold.body)))
        held = hold.send().final()
        version = [int(re.search(r"^o=\S+ \d+ (\d+) ", m.body, re.M)[1]) for m in (answer, held)]
        self.assertEqual(version[1], version[0] + 1)
        self.assertIn("a=recvonly", held.body)
        self.assertEqual(status(invite.bye(answer)), 200)

    def test_14_2_a_refused_reinvite_leaves_the_call(self):
        invite, answer = self.call()
        bad = self.reinvite(invite, answer)
        bad.body = SDP.replace("RTP/AVP 0 8 101", "RTP/AVP 96")
        bad.set(Content_Length=str(len(bad.body)))
        refused = bad.send().final()
        self.assertEqual(status(refused), 488)
        self.assertIsNotNone(header(refused, "Warning"))
        self.assertEqual(status(invite.bye(answer)), 200)

    def test_13_2_1_an_invite_without_an_offer_is_offered_one(self):
        self.answers_our_offer(self.raw(body=""))

    def test_15_1_2_bye_ends_it_once(self):
        invite, answer = self.call()
        self.assertEqual(status(invite.bye(answer, cseq=2)), 200)
        self.assertEqual(status(invite.bye(answer, cseq=3)), 481)

    def test_3264_6_the_answer_keeps_the_time_and_every_stream(self):
        offer = SDP.replace("t=0 0", "t=3034423619 3042462419") + "m=video 5000 RTP/AVP 31\r\n"
        answer = self.served(self.raw(body=offer))
        self.assertIn("t=3034423619 3042462419\r\n", answer.body)
        self.assertEqual(re.findall(r"^m=(\w+) (\d+)", answer.body, re.M)[1], ("video", "0"))


if __name__ == "__main__":
    unittest.main()
