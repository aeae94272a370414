"""TCP and TLS as peers see them: framing, keep-alives, connections that die, whoever is slow."""
import os
import resource
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import unittest

import harness
import sipp
from harness import P, Pki, Stack, wait_for
from ports import sip_listener
from stream_ua import StreamUa, tls_context
from test_call import OneCall
from ua import Call, Ua, header, status

TLS_PORT = harness.free_port()


class Listener:
    """A peer's own listener: where the service connects to when it has to. TLS with the key pair named."""

    def __init__(self, pair=None):
        self.sock = socket.create_server(("127.0.0.1", 0)) if pair else sip_listener()
        self.sock.settimeout(10 * harness.SLOW)
        self.port = self.sock.getsockname()[1]
        self.context = None
        if pair:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(f"{pair}.crt", f"{pair}.key")

    def accept(self):
        """The next connection, as a caller that can receive and answer."""
        conn, source = self.sock.accept()
        if self.context:
            conn = self.context.wrap_socket(conn, server_side=True)
        ua = StreamUa.__new__(StreamUa)
        ua.take_connection(conn, source)
        return ua

    def close(self):
        self.sock.close()


class TestTcp(OneCall):
    settings = {"SIP_T1_MS": 100}

    def connect(self):
        ua = StreamUa(self.stack.sip_port)
        self.addCleanup(ua.sock.close)
        return ua

    def test_call(self):
        ua = self.connect()
        call = Call(ua)
        answer = call.answered()
        self.assertIn("transport=tcp", header(answer, "Contact"))
        self.assertTrue(header(answer, "Via").startswith("SIP/2.0/TCP "))
        call.bye()
        self.ended(call, "normal_clearing")

    def test_operators_see_connections(self):
        before = self.stack.ctl("transports")["connections"]
        ua = self.connect()
        self.assertEqual(status(ua.ask("OPTIONS")), 200)
        tcp = self.stack.ctl("transports")["connections"]["tcp"]
        self.assertEqual((tcp["open"], tcp["accepted"]), (before["tcp"]["open"] + 1, before["tcp"]["accepted"] + 1))
        ua.send(b"\x16\x03\x01")
        self.assertTrue(ua.wait_closed())
        ua.sock.close()
        wait_for("it is counted", 5, lambda: self.stack.ctl("transports")["connections"]["ended"].get("not_sip", 0) ==
                 before["ended"].get("not_sip", 0) + 1)
        self.assertIn('sip_signaling_edge_connections{', self.stack.ctl_raw("metrics").stdout)

    def test_they_hang_up(self):
        ua = self.connect()
        call = Call(ua)
        call.answered()
        self.stack.ctl("hangup", call.call_id)
        bye = call.expect_bye()
        self.assertTrue(header(bye, "Via").startswith("SIP/2.0/TCP "), header(bye, "Via"))
        self.ended(call, "system_terminated")

    def test_byte_by_byte(self):
        ua = self.connect()
        ua.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        text = Call(ua).text("OPTIONS", 1, "z9hG4bKbyte").encode()
        for i in range(len(text)):
            ua.send(text[i:i + 1])
        self.assertEqual(status(ua.receive(5)), 200)

    def test_pipelined(self):
        ua, many = self.connect(), 10000
        call = Call(ua)
        data = "".join(call.text("OPTIONS", i, f"z9hG4bKpipe{i}") for i in range(1, many + 1)).encode()
        ua.sock.setblocking(False)
        got = 0
        while got < many:
            if data:
                try:
                    data = data[ua.sock.send(data):]
                except BlockingIOError:
                    pass
            while (m := ua.take()) is not None:
                got += 1
                self.assertEqual(status(m), 200)
                self.assertEqual(header(m, "CSeq"), f"{got} OPTIONS")
            if got < many:
                self.assertTrue(not data and ua.wait_bytes(10) or data and (ua.wait_bytes(0) or True), got)

    def test_keep_alive(self):
        ua = self.connect()
        self.assertEqual(status(ua.ask("OPTIONS")), 200)
        ua.send("\r\n\r\n")
        wait_for("a pong", 5, lambda: ua.wait_bytes(0.1) and ua.take() is None and ua.pongs == 1)

    def test_bye_goes_over_a_new_connection_when_the_old_one_is_dead(self):
        ua, listener = self.connect(), Listener()
        self.addCleanup(listener.close)
        call = Call(ua)
        ua.contact_port = listener.port
        call.answered()
        self.stack.wait_established(call)
        ua.sock.close()
        self.stack.ctl("hangup", call.call_id)
        back = listener.accept()
        bye = back.expect_request("BYE", call)
        self.assertTrue(header(bye, "Via").startswith("SIP/2.0/TCP "))
        back.answer(bye)
        self.ended(call, "system_terminated")
        back.sock.close()

    def test_invite_is_answered_over_a_new_connection_when_its_own_is_dead(self):
        ua, listener = self.connect(), Listener()
        self.addCleanup(listener.close)
        ua.port = listener.port  # of the Via
        call = Call(ua)
        self.stack.platform.faults(ResolveDialplan={"delay_ms": 1000})
        self.addCleanup(self.stack.platform.faults)
        call.invite()
        call.response(100)
        ua.sock.close()
        back = listener.accept()
        call.ua = back
        call.ack(call.final())
        call.bye()
        self.ended(call, "normal_clearing")
        back.sock.close()

    def test_kill_of_the_edge_costs_a_connection_not_a_call(self):
        ua = self.connect()
        call = Call(ua)
        call.answered()
        self.stack.wait_established(call)
        old = self.stack.kill_worker("sip-edge")
        self.assertTrue(ua.wait_closed())
        call.ua = StreamUa(self.stack.sip_port)  # the listening socket is the supervisor's: never refused
        self.assertEqual(status(call.bye(10)), 200)
        call.ua.sock.close()
        self.stack.wait_restarted(old)
        self.ended(call, "normal_clearing")

    def test_half_closed(self):
        ua = self.connect()
        call = Call(ua)
        ua.send(call.text("OPTIONS", 1, "z9hG4bKhalf"))
        ua.sock.shutdown(socket.SHUT_WR)
        self.assertEqual(status(ua.receive(5)), 200)
        self.assertTrue(ua.wait_closed())

    def test_a_hundred_invites_and_a_reset(self):
        """CVE-2018-7286 and kin: a peer that is gone before, between and after the replies."""
        for said in (0, 1, 50):
            ua = self.connect()
            ua.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            for _ in range(100):
                Call(ua, to="404").invite()
            for _ in range(said):
                ua.receive(5)
            ua.sock.close()
        self.assertEqual(status(self.connect().ask("OPTIONS")), 200)
        self.stack.wait_no_calls(60)
        self.assertEqual([w["restarts"] for w in self.stack.ctl("status")["workers"] if w["name"] == "sip-edge"], [0])

    def test_missing_content_length_is_refused_and_closed(self):
        for lines, phrase in (("", "Missing Header"), ("l: 0\r\nContent-Length: 0\r\n", "Repeated Header")):
            with self.subTest(phrase):
                ua = self.connect()
                ua.send(Call(ua).text("OPTIONS", 1, "z9hG4bKlen").replace("Content-Length: 0\r\n", lines))
                self.assertEqual(ua.receive(5).first, f"SIP/2.0 400 {phrase}: Content-Length")
                self.assertTrue(ua.wait_closed())

    def test_missing_cseq_is_refused(self):
        ua = self.connect()
        ua.send(Call(ua).text("OPTIONS", 1, "z9hG4bKcseq").replace("CSeq: 1 OPTIONS\r\n", ""))
        self.assertEqual(ua.receive(5).first, "SIP/2.0 400 Missing Header: CSeq")


class TestTls(OneCall):
    settings = {"SIPS_PORT": TLS_PORT}

    def connect(self):
        ua = StreamUa(TLS_PORT, tls_context(self.stack.pki))
        self.addCleanup(ua.sock.close)
        return ua

    def test_call(self):
        ua = self.connect()
        call = Call(ua)
        answer = call.answered()
        self.assertIn(f":{TLS_PORT};transport=tls", header(answer, "Contact"))
        call.bye()
        self.ended(call, "normal_clearing")

    def test_sips_call(self):
        ua = self.connect()
        call = Call(ua)
        call.uri = call.uri.replace("sip:", "sips:")
        answer = call.answered()
        self.assertIn(f"<sips:sentiric@127.0.0.1:{TLS_PORT}>", header(answer, "Contact"))
        self.stack.ctl("hangup", call.call_id)
        self.assertTrue(header(call.expect_bye(), "Via").startswith("SIP/2.0/TLS "))
        self.ended(call, "system_terminated")

    def test_kill_of_the_edge_costs_a_connection_not_a_call(self):
        ua = self.connect()
        call = Call(ua)
        call.answered()
        self.stack.wait_established(call)
        old = self.stack.kill_worker("sip-edge")
        self.assertTrue(ua.wait_closed())
        call.ua = self.connect()
        self.assertEqual(status(call.bye(10)), 200)
        self.stack.wait_restarted(old)
        self.ended(call, "normal_clearing")

    def shakes_hands(self, rows):
        for flags, works in rows:
            with self.subTest(flags):
                r = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{TLS_PORT}", *flags.split(), "-CAfile",
                                    f"{self.stack.pki}/ca.crt", "-verify_return_error", "-servername", "some.name"],
                                   input=Call(Ua(1)).text("OPTIONS", 1, "z9hG4bKssl").encode() if works else b"",
                                   capture_output=True, timeout=30)
                self.assertEqual(b"Verify return code: 0 (ok)" in r.stdout and b"BEGIN CERT" in r.stdout, works, r.stderr)

    def test_protocol_versions(self):
        self.shakes_hands((("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)))

    def test_cipher_suites(self):
        """RFC 9325 §4: no CBC, no SHA-1, no RSA key transport."""
        self.shakes_hands((("-tls1_2 -cipher ECDHE+AESGCM", True), ("-tls1_2 -cipher ECDHE+CHACHA20", True),
                           ("-tls1_2 -cipher ECDHE+SHA1", False), ("-tls1_2 -cipher ECDHE+AES:!AESGCM:!AESCCM", False),
                           ("-tls1_2 -cipher kRSA", False)))

    def test_bytes_before_and_instead_of_a_handshake(self):
        for data in (b"", b"\r\n\r\n", b"OPTIONS sip:a SIP/2.0\r\n\r\n", os.urandom(300), b"\x16\x03\x01\xff\xff" + bytes(500)):
            with socket.create_connection(("127.0.0.1", TLS_PORT)) as s:
                s.sendall(data)
        self.test_call()

    def hang_up_with_contact_at(self, pair, reached):
        """Our BYE goes to a TLS server of that key pair, or, its certificate being bad, does not."""
        ua, listener = self.connect(), Listener(pair)
        self.addCleanup(listener.close)
        call = Call(ua)
        ua.contact_port = listener.port
        call.answered()
        self.stack.wait_established(call)
        ua.sock.close()
        self.stack.ctl("hangup", call.call_id)
        if reached:
            back = listener.accept()
            back.answer(back.expect_request("BYE", call))
            back.sock.close()
        else:
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                listener.accept().sock.recv(1)
        self.ended(call, "system_terminated")

    def test_bye_to_a_server_that_proves_its_name(self):
        self.hang_up_with_contact_at(f"{self.stack.pki}/platform", True)

    def test_no_bye_to_who_proves_another_name(self):
        self.hang_up_with_contact_at(f"{self.stack.pki}/bad/wrong-name", False)

    def test_no_bye_to_who_is_signed_by_somebody_else(self):
        self.hang_up_with_contact_at(f"{self.stack.pki}/bad/other-ca", False)

    def test_handshakes_half_done_while_certificates_are_read_again(self):
        half = []
        hello = ssl.MemoryBIO()
        s = tls_context(self.stack.pki).wrap_bio(ssl.MemoryBIO(), hello)
        try:
            s.do_handshake()
        except ssl.SSLWantReadError:
            pass
        first = hello.read()
        for i in range(100):
            half.append(socket.create_connection(("127.0.0.1", TLS_PORT)))
            half[-1].sendall(first[:i + 1])
        self.stack.ctl("reload")
        for s in half:
            s.close()
        self.test_call()


class TestCertificates(unittest.TestCase):
    def test_reload_keeps_connections(self):
        with tempfile.TemporaryDirectory() as folder:
            def install(pair):
                for end in ("crt", "key"):
                    shutil.copy(f"{Pki.get()}/{pair}.{end}", f"{folder}/own.{end}")
            install("sip-signaling")
            settings = {"SIPS_PORT": TLS_PORT, "CERT_PATH": f"{folder}/own.crt", "KEY_PATH": f"{folder}/own.key"}
            with Stack(**settings).start() as stack:
                old = StreamUa(TLS_PORT, tls_context(stack.pki))
                before = old.sock.getpeercert()["serialNumber"]
                call = Call(old)
                call.answered()
                install("platform")
                stack.ctl("reload")

                def renewed():
                    with StreamUa(TLS_PORT, tls_context(stack.pki)) as new:
                        return new.sock.getpeercert()["serialNumber"] != before and status(new.ask("OPTIONS")) == 200
                wait_for("the new certificate is shown", 10, renewed)
                self.assertEqual(status(call.bye()), 200)  # on the connection that was there
                with open(f"{folder}/own.crt", "w", encoding="utf-8") as f:
                    f.write("nonsense")
                stack.ctl("reload", check=False)
                with StreamUa(TLS_PORT, tls_context(stack.pki)) as new:
                    self.assertEqual(status(new.ask("OPTIONS")), 200)
                old.sock.close()
                stack.assert_clean()

    def test_clients_must_show_theirs(self):
        with Stack(SIPS_PORT=TLS_PORT, SIPS_CLIENT_AUTH="required", events=False).start() as stack:
            with StreamUa(TLS_PORT, tls_context(stack.pki, "client")) as ua:
                self.assertEqual(status(ua.ask("OPTIONS")), 200)
            for pair in (None, "bad/other-ca"):
                ua = StreamUa(TLS_PORT, tls_context(stack.pki, pair))  # TLS 1.3: it is told after its own last word
                ua.sock.settimeout(10)
                with self.subTest(pair), self.assertRaises((ssl.SSLError, ConnectionError, AssertionError)):
                    self.assertEqual(status(ua.ask("OPTIONS")), 200)
                ua.sock.close()
            self.assertIn("TLS handshake failed", stack.log())

    def test_no_tls(self):
        with Stack(SIPS_PORT=0, events=False).start() as stack, StreamUa(stack.sip_port) as ua:
            self.assertEqual(status(ua.ask("OPTIONS")), 200)
            call = Call(ua)
            call.uri = call.uri.replace("sip:", "sips:")
            self.assertEqual(status(call.invite().final()), 416)


class Ua6(Ua):
    """A caller over UDP and IPv6, which says so wherever it names itself."""

    def __init__(self, port):
        super().__init__(port)
        self.sock.close()
        self.target = ("::1", port)
        self.sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.sock.bind(("::1", 0))
        self.port = self.contact_port = self.sock.getsockname()[1]

    def send(self, text):
        head, blank, body = text.partition("\r\n\r\n")
        super().send(head.replace("127.0.0.1", "[::1]") + blank + body)


class TestIp6(unittest.TestCase):
    def test_each_family_is_told_an_address_of_its_own(self):
        """§8.1.1.8, §18.1.1: Contact of the 200 and Via of our BYE."""
        for public in ("127.0.0.1", "::1", "::1,127.0.0.1"):
            settings = {"LISTEN_ADDRESS": "::", "PUBLIC_IP": public, "MEDIA_SERVICE_PUBLIC_IP": "127.0.0.1"}
            with self.subTest(public), Stack(events=False, **settings).start() as stack:
                for make, host in ((Ua, "127.0.0.1"), (Ua6, "[::1]")):
                    with make(stack.sip_port) as ua:
                        call = Call(ua, host=host)
                        answer = call.answered()
                        self.assertEqual(header(answer, "Contact"), f"<sip:sentiric@{host}:{stack.sip_port}>")
                        stack.wait_established(call)
                        stack.ctl("hangup", call.call_id)
                        self.assertIn(f"UDP {host}:{stack.sip_port};", header(call.expect_bye(), "Via"))
                        stack.wait_no_calls()  # its answer was taken for ours

    def test_udp_and_tcp(self):
        for listen in ("::1", "::"):
            settings = {"LISTEN_ADDRESS": listen, "PUBLIC_IP": "::1", "MEDIA_SERVICE_PUBLIC_IP": "127.0.0.1"}
            with self.subTest(listen), Stack(**settings).start() as stack:
                self.calls_over(stack)
                if listen == "::":
                    with Ua(stack.sip_port) as v4:
                        self.assertEqual(status(v4.ask("OPTIONS")), 200)
                stack.assert_clean()

    def calls_over(self, stack):
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
            s.bind(("::1", 0))
            s.settimeout(5)
            text = Call(Ua(1)).text("OPTIONS", 1, "z9hG4bKsix").replace("127.0.0.1", "[::1]")
            s.sendto(text.encode(), ("::1", stack.sip_port))
            answer = s.recv(65536).decode()
            self.assertTrue(answer.startswith("SIP/2.0 200"), answer)
            self.assertIn("received=::1", answer)
        with StreamUa(stack.sip_port, host="::1") as ua:
            call = Call(ua, host="[::1]")
            answer = call.answered()
            self.assertIn("@[::1]:", header(answer, "Contact"))
            stack.wait_established(call)
            stack.ctl("hangup", call.call_id)
            self.assertIn("TCP [::1]:", header(call.expect_bye(), "Via"))


class TestSlow(unittest.TestCase):
    def test_a_thousand_slow_peers_while_calls_go_on(self):
        """Slowloris: each sends a byte now and then, none ever a message. Calls over UDP and TCP notice nothing."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        with Stack().start() as stack:
            slow = [socket.create_connection(("127.0.0.1", stack.sip_port)) for _ in range(1000)]
            ending = threading.Event()

            def trickle():
                begin = b"INVITE sip:a@127.0.0.1 SIP/2.0\r\nSubject: " + b"x" * 100000
                at = 0
                while not ending.wait(0.1):
                    for s in slow:
                        s.send(begin[at:at + 1])
                    at += 1
            thread = threading.Thread(target=trickle)
            thread.start()
            try:
                udp = sipp.call(stack.sip_port, calls=100, rate=20, hold_ms=200, service="902121234567")
                tcp = sipp.call(stack.sip_port, calls=100, rate=20, hold_ms=200, service="902121234567", extra=("-t", "tn", "-max_socket", "500"))
            finally:
                ending.set()
                thread.join()
            self.assertEqual((udp.ok, udp.failed), (100, 0), udp.text)
            self.assertEqual((tcp.ok, tcp.failed), (100, 0), tcp.text)
            for s in slow:
                s.close()
            stack.assert_clean()

    def test_strangers_get_their_share(self):
        with Stack(TRUSTED_PEERS="192.0.2.0/24", CONNECTIONS_PER_SOURCE=5, events=False).start() as stack:
            held = [StreamUa(stack.sip_port) for _ in range(5)]
            self.assertEqual(status(held[0].ask("OPTIONS")), 200)
            self.assertTrue(StreamUa(stack.sip_port).wait_closed())
            held.pop().sock.close()
            wait_for("one more may come", 5, lambda: not StreamUa(stack.sip_port).wait_closed(0.2))
            for ua in held:
                ua.sock.close()


class TestSipp(OneCall):
    """SIPp as caller: one connection for all calls, and one for each."""

    def test_tcp(self):
        for mode in ("t1", "tn"):
            with self.subTest(mode):
                r = sipp.call(self.stack.sip_port, calls=50, rate=25, hold_ms=100, service="902121234567", extra=("-t", mode, "-max_socket", "500"))
                self.assertEqual((r.ok, r.failed), (50, 0), r.text)
        self.stack.assert_clean()

    def test_sipsak(self):
        r = harness.run("sipsak", "-E", "tcp", "-s", f"sip:ping@127.0.0.1:{self.stack.sip_port}", "-v")
        self.assertEqual(r.returncode, 0, r.stdout + r.stderr)


if __name__ == "__main__":
    unittest.main()
