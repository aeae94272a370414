"""Whether capture.py finds what it looks for: spoilt messages among good ones, by datagram and by connection."""
import socket
import unittest

from capture import Capture
from harness import wait_for
from ports import SPOILT_LISTENERS, SPOILT_SIP_PORTS, free_port
from ua import OFFER

BODY = OFFER.format(port=40000)
GOOD = "\r\n".join(["OPTIONS sip:a@127.0.0.1 SIP/2.0", "Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKx", "From: <sip:a@127.0.0.1>;tag=1",
                    "To: <sip:a@127.0.0.1>", "Call-ID: good", "CSeq: 1 OPTIONS", "Content-Type: application/sdp", f"Content-Length: {len(BODY)}",
                    "", BODY])
SPOILT = {
    "a header without a colon": ("To:", "To "),
    "a header nobody knows": ("Content-Type", "X-Unknown: x\r\nContent-Type"),
    "a Via of ours with a port that is none": ("127.0.0.1:5060;branch", "127.0.0.1:99999;branch"),
    "a length that is no number": ("Content-Length: ", "Content-Length: x"),
    "a length that is too short": (f"Content-Length: {len(BODY)}", "Content-Length: 20"),
    "a line of SDP that is none": ("a=ptime:20", "ptime 20"),
}
COPIED_VIA = ("SIP/2.0 400 Malformed Via\r\nVia: SIP/2.0/UDP 127.0.0.1:99999;branch=z9hG4bKx\r\nTo: <sip:a@b>\r\nCall-ID: copied\r\nCSeq: 1 OPTIONS\r\n"
              "Content-Length: 0\r\n\r\n")
COPIED_FROM = ("SIP/2.0 400 Malformed Header: Call-ID\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKx\r\nFrom: <sip:+4%39@b>;tag=1\r\nTo: <sip:a@b>\r\n"
               "Call-ID: copied\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n")
COPIED = "SIP/2.0 400 Malformed CSeq\r\nTo: <sip:a@b>\r\nCall-ID: copied\r\nCSeq: x\r\nContent-Length: 0\r\n\r\n"


def spoilt(name):
    return GOOD.replace("Call-ID: good", f"Call-ID: {name}").replace(*SPOILT[name])


class CaptureTest(unittest.TestCase):
    def setUp(self):
        self.port, self.listener = free_port(socket.SOCK_DGRAM, SPOILT_SIP_PORTS), free_port(among=SPOILT_LISTENERS)
        self.capture = Capture(lambda: {self.port, self.listener})
        if not self.capture.works():
            self.skipTest("dumpcap: " + self.capture.said.strip())
        self.sent = 0

    def said(self, text):
        self.sent += len(text)
        return text.encode()

    def assert_found(self, names):
        """Each once: the Call-ID says what was wrong."""
        wait_for("all is in the file", 10, lambda: self.capture.size() > self.sent)
        self.capture.finish()
        self.assertEqual(sorted(fault.call_id.split("|")[0] for fault in self.capture.faults), sorted(names))

    def test_datagrams(self):
        names = [name for name in SPOILT if name != "a length that is too short"]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
            there.bind(("127.0.0.1", 0))
            here.bind(("127.0.0.1", self.port))
            for text in (*map(spoilt, names), GOOD, COPIED, COPIED_VIA, COPIED_FROM, "\r\n\r\n", "no SIP at all"):
                here.sendto(self.said(text), there.getsockname())
            there.sendto(spoilt(names[0]).encode(), here.getsockname())  # said to us, not by us
        self.assert_found([*names, ""])

    def test_connections(self):
        for port, speaks_first in ((self.port, False), (self.listener, True)):
            with socket.create_server(("127.0.0.1", port)) as server:
                for name in SPOILT:
                    with socket.create_connection(server.getsockname()) as out, server.accept()[0] as back:
                        here, there = (out, back) if speaks_first else (back, out)
                        for text in (GOOD, spoilt(name), GOOD):
                            here.sendall(self.said(text))
                            there.recv(len(text), socket.MSG_WAITALL)
        self.assert_found([*SPOILT, *SPOILT])


if __name__ == "__main__":
    unittest.main()
