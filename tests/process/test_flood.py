"""Floods of strangers, from one source and from ten thousand (CVE-2021-41145, CVE-2021-37624): memory stays flat, who is trusted is served,
and nobody does anything without saying who he is.

A few seconds; FLOOD_S=90 tests/process/run test_flood for the long version."""
import os
import socket
import struct
import threading
import time
import unittest

import harness
from harness import Stack, WORKERS
from raw import Raw
from stream_ua import StreamUa, tls_context
from test_mutated import Memory
from ua import Call, Ua, status

ALONE = "as many datagrams as the machine can carry"
SECONDS = float(os.environ.get("FLOOD_S", "4"))
SOURCES = 10000
PER_S = 2000 if harness.SLOW > 1 else 20000
GROWTH_KB = 2048
IP_PKTINFO = 8  # of <linux/in.h>
METHODS = ("REGISTER", "OPTIONS", "SUBSCRIBE", "INVITE", "NONSENSE", "MESSAGE")
TLS_PORT = harness.free_port()
# what each method gets of a stranger who shows no credentials (None: silence); 405 while it is not built
ANSWERS = {"INVITE": {407}, "REGISTER": {401}, "OPTIONS": {200}, "BYE": {481}, "CANCEL": {481}, "ACK": {None}, "PRACK": {405, 481},
           "UPDATE": {405, 481}, "INFO": {405, 481}, "REFER": {407}, "NOTIFY": {405, 481}, "SUBSCRIBE": {405, 407},
           "MESSAGE": {405, 407}, "PUBLISH": {405, 407}, "NONSENSE": {501}}


class Flood(threading.Thread):
    """Datagrams at a rate from as many sources of 127.64.0.0/10 as asked for: one socket, the source in each message."""

    def __init__(self, target, sources):
        super().__init__(daemon=True)
        self.target, self.sources, self.sent, self.ending = target, sources, 0, threading.Event()
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("0.0.0.0", 0))
        self.port = self.sock.getsockname()[1]

    def send(self, n):
        source = socket.inet_aton(f"127.{64 + (n % self.sources) // 65536}.{n % self.sources // 256 % 256}.{n % self.sources % 256}")
        method = METHODS[n % len(METHODS)]
        text = (f"{method} sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.9:{self.port};rport;branch=z9hG4bKf{n}\r\n"
                f"From: <sip:a@h>;tag=f{n}\r\nTo: <sip:x@h>\r\nCall-ID: flood{n}\r\nCSeq: 1 {method}\r\nContact: <sip:a@h>\r\n"
                "Content-Length: 0\r\n\r\n")
        info = struct.pack("@i4s4s", 0, source, bytes(4))
        self.sock.sendmsg([text.encode()], [(socket.IPPROTO_IP, IP_PKTINFO, info)], 0, self.target)

    def run(self):
        began = time.monotonic()
        while not self.ending.is_set():
            due = int((time.monotonic() - began) * PER_S) - self.sent
            for _ in range(min(due, 200)):
                self.send(self.sent)
                self.sent += 1
            if due <= 0:
                time.sleep(0.001)
        self.sock.close()


class PatientUa(Ua):
    """Repeats its last request as timer A and E say: in a flood a full socket buffer loses datagrams."""

    def send(self, text):
        super().send(text)
        self.asked = text if not text.startswith(("SIP/2.0", "ACK ")) else None

    def receive(self, seconds):
        until, wait = time.monotonic() + seconds, 0.5
        while True:
            left = until - time.monotonic()
            m = super().receive(min(wait, left))
            if m is not None or left <= wait:
                return m
            if self.asked:
                super().send(self.asked)
            wait = min(wait * 2, 4)


class TestFlood(unittest.TestCase):
    def flood(self, stack, sources):
        pids = {**{name: stack.worker(name)["pid"] for name in WORKERS}, "supervisor": stack.process.pid}
        flood = Flood(("127.0.0.1", stack.sip_port), sources)
        flood.start()
        memory, calls, until = Memory(pids), 0, time.monotonic() + SECONDS
        with PatientUa(stack.sip_port) as ua:
            while time.monotonic() < until or min(len(kb) for kb in memory.kb.values()) < 4:
                call = Call(ua)
                call.answered()
                self.assertEqual(status(call.bye()), 200)
                calls += 1
                ua.unread.clear()
        flood.ending.set()
        flood.join()
        memory.stop()
        grown = {name: memory.growth(name)[0] for name in pids}
        print(f"  {flood.sent} requests of {sources} strangers beside {calls} calls; memory of the last quarter, KiB: {grown}",
              flush=True)
        if harness.SLOW == 1:  # ASan keeps what was freed
            for name, kb in grown.items():
                self.assertLess(kb, GROWTH_KB, f"{name} grows: {memory.kb[name]}")

    def test_20_floods(self):
        with Stack(TRUSTED_PEERS="127.0.0.1/32", LOG_LEVEL="warn").start() as stack:
            for sources in (1, SOURCES):
                self.flood(stack, sources)
            self.assertEqual({stack.worker(name)["restarts"] for name in WORKERS}, {0})
            stack.assert_clean(60)


class TestPolicy(unittest.TestCase):
    def test_21_nothing_is_open_by_default(self):
        with Stack(TRUSTED_PEERS="192.0.2.0/24", RATE_LIMIT=0, BLOCK_S=0, SIPS_PORT=TLS_PORT, events=False).start() as stack:
            for connect in (lambda: Ua(stack.sip_port), lambda: StreamUa(stack.sip_port),
                            lambda: StreamUa(TLS_PORT, tls_context(stack.pki))):
                for method, expected in ANSWERS.items():
                    with connect() as ua, self.subTest(method, transport=ua.transport):
                        self.assertIn(self.answer(ua, method), expected)
            self.assertEqual(stack.calls(), [])
            self.assertEqual(stack.platform.status()["allocated"], 0)

    def answer(self, ua, method):
        request = Raw(ua, method, body="").send()
        if expected_silence := method == "ACK":
            request = Raw(ua, "OPTIONS").send()
        answer = ua.expect(f"answer to {method}", 5, lambda m: status(m) is not None and status(m) >= 200)
        if method == "INVITE":
            request.ack(answer)
        return None if expected_silence and request.mine(answer) else status(answer)


if __name__ == "__main__":
    unittest.main()
