"""TCP and TLS as peers see them: framing, keep-alives, connections that die, whoever is slow."""
import os
import socket
import unittest

import harness
from harness import P, wait_for
from stream_ua import StreamUa, tls_context
from test_call import OneCall
from ua import Call, header, status

TLS_PORT = harness.free_port()


class TestTcp(OneCall):
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

    def test_missing_content_length_is_refused_and_closed(self):
        ua = self.connect()
        ua.send(Call(ua).text("OPTIONS", 1, "z9hG4bKlen").replace("Content-Length: 0\r\n", ""))
        self.assertEqual(status(ua.receive(5)), 400)
        self.assertTrue(ua.wait_closed())


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


if __name__ == "__main__":
    unittest.main()
