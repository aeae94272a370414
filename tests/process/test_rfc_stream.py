"""The rules of test_rfc_uas.py once more over TCP, each message in pieces of one byte, and over TLS."""
import unittest

import harness
import test_rfc_uas as uas
from raw import FAST, RawTest, header, status
from stream_ua import SplitUa, StreamUa, tls_context

TLS_PORT = harness.free_port()


class Tcp(RawTest):
    def setUp(self):
        super().setUp()
        self.ua.sock.close()
        self.ua = SplitUa(self.stack.sip_port)


class Tls(RawTest):
    settings = {**FAST, "SIPS_PORT": TLS_PORT}

    def setUp(self):
        super().setUp()
        self.ua.sock.close()
        self.ua = StreamUa(TLS_PORT, tls_context(self.stack.pki))


class Streams:
    """What a stream is not tested with: there Content-Length says where the next message begins, so that a wrong one is the
    end of the connection (test_transport.py), and these send wrong ones."""

    test_18_3_content_length_rules = None
    test_18_3_without_content_length_the_body_ends_with_the_datagram = None
    test_21_4_1_the_fault_is_named = None
    test_8_2_an_ack_is_never_answered = None


class TestHeadersTcp(Streams, Tcp, uas.TestMethodAndHeaders):
    pass


class TestBodiesTcp(Streams, Tcp, uas.TestBodies):
    pass


class TestMalformedTcp(Streams, Tcp, uas.TestMalformed):
    pass


class TestRepliesTcp(Streams, Tcp, uas.TestReplies):
    pass


class TestRepliesTls(Streams, Tls, uas.TestReplies):
    def test_12_1_1_a_sips_call_over_tls(self):
        invite = self.raw(uri=f"sips:902121234567@127.0.0.1:{TLS_PORT}").send()
        answer = invite.final()
        self.assertEqual(status(answer), 200, answer)
        self.assertTrue(header(answer, "Contact").startswith("<sips:"))
        self.assertIn(f":{TLS_PORT}", header(answer, "Contact"))
        self.assertEqual(status(invite.bye(answer)), 200)


class TestHeadersTls(Streams, Tls, uas.TestMethodAndHeaders):
    pass


if __name__ == "__main__":
    unittest.main()
