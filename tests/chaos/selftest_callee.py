"""That chaos_load finds a callee who is left behind: a service of ours that forgets one now and then."""
import json
import re
import socket
import subprocess
import threading
import unittest

import harness

SEED, HOLD_MS = 5, 100
RINGS_MS = 1500  # at most: long beside the moment between an INVITE and its CANCEL
SETTLE_MS = 2 * RINGS_MS + 1000
FATES = ("hung up", "cancelled", "without BYE", "487 without ACK", "without ACK")  # of the callees, by the number of the call


def header(text, name):
    return re.search(rf"^{name}: (.*)\r$", text, re.M)[1]


class Forgetful(threading.Thread):
    """It answers every caller at once, and deals with his callee as FATES has it."""

    def __init__(self, callee_port):
        super().__init__(daemon=True)
        self.callee, self.known = ("127.0.0.1", callee_port), set()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.port = harness.free_sip_port()  # nobody has it over TCP either, which chaos_load tries
        self.socket.bind(("127.0.0.1", self.port))
        self.start()

    def run(self):
        while True:
            data, peer = self.socket.recvfrom(4096)
            text = data.decode()
            if text == "stop":
                return
            if peer == self.callee:
                self.on_callee(text)
            else:
                self.on_caller(text, peer)

    def stop(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"stop", ("127.0.0.1", self.port))
        self.join(5)
        self.socket.close()

    def on_caller(self, text, peer):
        number = int(header(text, "Call-ID").split("-")[2])
        if text.startswith("INVITE ") and number not in self.known:
            self.known.add(number)
            self.ask(number, "INVITE", 1, text.split("\r\n\r\n", 1)[1])
            if FATES[number] in ("cancelled", "487 without ACK"):
                self.ask(number, "CANCEL", 1)
        if text.startswith("BYE ") and FATES[number] == "hung up":
            self.ask(number, "BYE", 2)
        if not text.startswith("ACK "):
            copied = "".join(f"{name}: {header(text, name)}\r\n" for name in ("Via", "From", "Call-ID", "CSeq"))
            tag = "" if ";tag=" in header(text, "To") else ";tag=s"
            self.say(f"SIP/2.0 200 OK\r\n{copied}To: {header(text, 'To')}{tag}\r\nContact: <sip:s@127.0.0.1:{self.port}>\r\n", peer)

    def on_callee(self, text):
        number, status = int(header(text, "Call-ID").split("-")[1]), int(text[8:11])
        if "INVITE" in header(text, "CSeq") and status >= 200 and FATES[number] in ("hung up", "cancelled", "without BYE"):
            self.ask(number, "ACK", 1)

    def ask(self, number, method, cseq, body=""):
        self.say(f"{method} sip:callee@127.0.0.1:{self.callee[1]} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bK{number}\r\n"
                 f"From: <sip:a@127.0.0.1>;tag=s\r\nTo: <sip:b@127.0.0.1>\r\nCall-ID: leg-{number}\r\nCSeq: {cseq} {method}\r\n"
                 f"Contact: <sip:s@127.0.0.1:{self.port}>\r\n", self.callee, body)

    def say(self, head, peer, body=""):
        self.socket.sendto(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode(), peer)


class TestCallee(unittest.TestCase):
    def test_who_is_left_behind(self):
        callee_port = harness.free_sip_port()
        service = Forgetful(callee_port)
        try:
            r = subprocess.run([harness.binary("chaos_load"), "--port", str(service.port), "--callee", str(callee_port), "--count",
                                str(len(FATES)), "--mix", "b", "--bridged", "1", "--seed", str(SEED), "--hold", str(HOLD_MS), "--within",
                                str(RINGS_MS), "--settle", str(SETTLE_MS)], capture_output=True, text=True, timeout=60, check=False)
        finally:
            service.stop()
        callee = json.loads(r.stdout)["callee"]
        self.assertEqual({k: n for k, n in callee.items() if n},
                         {"rung": 5, "hung_up": 1, "cancelled": 1, "without_bye": 1, "refusals_unacked": 1, "without_ack": 1})
        said = sorted(line.split()[1:] for line in r.stderr.splitlines())
        self.assertEqual(said, [[f"b-{SEED}-2-u@chaos", "callee-had-no-BYE", "0"], [f"b-{SEED}-4-u@chaos", "callee-had-no-ACK", "0"]])
        self.assertEqual(r.returncode, 1)
