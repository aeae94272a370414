"""Spoilt messages over UDP and TCP beside good calls: every good call goes well, nothing restarts, memory stays flat.

30 seconds; MUTATED_S=600 tests/process/run test_mutated for the long version."""
import os
import random
import re
import select
import socket
import struct
import tempfile
import threading
import time
import unittest

import harness
import sipp
from harness import Stack, WORKERS
from mutate import Maker, is_unanswerable
from ua import header, parse, status

ALONE = "a rate of calls, and the memory they take"
SECONDS = int(os.environ.get("MUTATED_S", "30"))
SAN = harness.SLOW > 1
CALLS_PER_S = int(os.environ.get("MUTATED_CALLS_PER_S", "10" if SAN else "100"))
SPOILT_PER_S = int(os.environ.get("MUTATED_PER_S", "100" if SAN else "500"))
CONNECTIONS = 4
STRANGER_SHARE = 0.1  # of the spoilt messages: not from a trusted peer
GROWTH_KB = 4096 if SECONDS < 120 else 1024  # of one process, after the warm-up; a busy moment has more RPCs in flight
WARM_UP = 0.5


def memory_kb(pid):
    """Anonymous memory of a process; the store's pages belong to the page cache."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        return int(re.search(r"RssAnon:\s+(\d+)", f.read()).group(1))


def reply_faults(m):
    """What every reply must have; one that refuses a malformed request can only copy what that had."""
    needed = ("Via", "Content-Length")
    if status(m) not in (400, 414, 505, 513):
        needed += ("From", "To", "Call-ID", "CSeq")
    missing = [n for n in needed if header(m, n) is None]
    return missing if 100 <= status(m) <= 699 else [*missing, "status"]


class Spoiler(threading.Thread):
    """Sends at a rate until it is told to stop."""

    def __init__(self, sip_port, seed):
        super().__init__(daemon=True)
        self.target = ("127.0.0.1", sip_port)
        self.random = random.Random(seed)
        self.ending = threading.Event()
        self.udp = self.bound("127.0.0.2")
        self.quiet = self.bound("127.0.0.2")  # what nobody may answer goes out here
        self.stranger = self.bound("127.0.0.3")
        self.makers = [Maker(seed + n, self.target, *s.getsockname()) for n, s in
                       enumerate((self.udp, self.quiet, self.stranger))]
        self.tcp_maker = Maker(seed + 9, self.target, "127.0.0.2", 5099, "TCP")
        self.streams = [None] * CONNECTIONS
        self.sent = self.sent_quiet = self.sent_tcp = self.connections = 0
        self.replies, self.bad_replies, self.answered_in_silence = 0, [], []

    @staticmethod
    def bound(address):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind((address, 0))
        return s

    def run(self):
        began = time.monotonic()
        while not self.ending.is_set():
            due = int((time.monotonic() - began) * SPOILT_PER_S) - self.sent - self.sent_tcp
            for _ in range(min(due, 50)):
                self.send_one()
            self.listen(0.005)
        for s in filter(None, self.streams):
            s.close()

    def send_one(self):
        if self.random.random() < 0.3:
            self.sent_tcp += 1
            return self.send_stream(self.tcp_maker.next())
        self.sent += 1
        way = 2 if self.random.random() < STRANGER_SHARE else 0
        m = self.makers[way].next()
        sock = (self.udp, None, self.stranger)[way]
        if is_unanswerable(m):
            self.sent_quiet += 1
            sock = self.quiet
        sock.sendto(m, self.target)

    def send_stream(self, m):
        """In pieces, on one of a few connections; now and then a connection ends in the middle."""
        at = self.random.randrange(CONNECTIONS)
        try:
            if self.streams[at] is None:
                self.connections += 1
                self.streams[at] = socket.socket()
                self.streams[at].settimeout(2)
                self.streams[at].bind(("127.0.0.2", 0))
                self.streams[at].connect(self.target)
                self.streams[at].setblocking(False)
            s = self.streams[at]
            while m:
                n = self.random.choice((1, 20, 400, len(m)))
                m = m[s.send(m[:n]):]
            while select.select([s], [], [], 0)[0]:
                if not s.recv(65536):
                    raise ConnectionError
            if self.random.random() < 0.02:
                if self.random.random() < 0.5:  # with a reset
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                raise ConnectionError
        except OSError:
            self.streams[at].close()
            self.streams[at] = None

    def listen(self, seconds):
        for s in select.select([self.udp, self.quiet, self.stranger], [], [], seconds)[0]:
            data, source = s.recvfrom(65535)
            m = parse(data, source)
            if s is self.quiet:
                self.answered_in_silence.append(m.first)
            elif status(m) is None:
                self.answer(s, m)
            else:
                self.replies += 1
                faults = reply_faults(m)
                if faults:
                    self.bad_replies.append((m.first, faults))

    def answer(self, sock, m):
        """A call came of it: its BYE gets an answer, or none."""
        if m.first.startswith("BYE ") and self.random.random() < 0.7:
            kept = ("via", "from", "to", "call-id", "cseq")
            lines = [f"{n}: {v}" for n, v in m.headers if n.lower() in kept]
            text = "\r\n".join(["SIP/2.0 200 OK", *lines, "Content-Length: 0", "", ""])
            sock.sendto(text.encode("utf-8", "replace"), self.target)

    def stop(self):
        self.ending.set()
        self.join(10)


class Memory(threading.Thread):
    """Memory of each worker, once a second."""

    def __init__(self, pids):
        super().__init__(daemon=True)
        self.pids = pids
        self.kb = {name: [] for name in pids}
        self.ending = threading.Event()
        self.start()

    def run(self):
        while not self.ending.wait(1):
            for name, pid in self.pids.items():
                self.kb[name].append(memory_kb(pid))

    def growth(self, name):
        """From the peak of the time after the warm-up to the peak of the last quarter."""
        kb = self.kb[name]
        middle = kb[int(len(kb) * WARM_UP):int(len(kb) * 0.75)]
        end = kb[int(len(kb) * 0.75):]
        return max(end) - max(middle), max(middle), max(end)

    def stop(self):
        self.ending.set()
        self.join()


def metric(text, name):
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
            if line.startswith((name + " ", name + "{"))}


class TestMutated(unittest.TestCase):
    def load(self, stack, folder, spoiler):
        calls = CALLS_PER_S * SECONDS
        load = sipp.start(stack.sip_port, folder, calls=calls, rate=CALLS_PER_S, hold_ms=1000)
        spoiler.start()
        r = sipp.finish(load, folder, SECONDS + 60)
        spoiler.stop()
        return calls, r

    def test_beside_good_calls(self):
        seed = int(os.environ.get("MUTATED_SEED", time.time_ns() % 1000000))
        print(f"  MUTATED_SEED={seed}", flush=True)
        settings = {"SIP_T1_MS": 100, "LOG_LEVEL": "warn", "TRUSTED_PEERS": "127.0.0.1/32,127.0.0.2/32"}
        with Stack(**settings).start() as stack, tempfile.TemporaryDirectory(prefix="sig-sipp-") as folder:
            before = {name: stack.worker(name) for name in WORKERS}
            pids = {**{name: w["pid"] for name, w in before.items()}, "supervisor": stack.process.pid}
            spoiler, memory = Spoiler(stack.sip_port, seed), Memory(pids)
            calls, r = self.load(stack, folder, spoiler)
            memory.stop()
            self.report(calls, r, spoiler, memory)
            self.assertEqual((r.ok, r.failed), (calls, 0), r.text)
            self.assertEqual({n: (w["pid"], w["restarts"]) for n, w in before.items()},
                             {n: (stack.worker(n)["pid"], stack.worker(n)["restarts"]) for n in WORKERS})
            refused = metric(stack.ctl_raw("metrics").stdout, "sip_signaling_plane_bad_total")
            self.assertTrue(refused)
            self.assertEqual(set(refused.values()), {0.0}, refused)
            self.assertEqual(spoiler.answered_in_silence, [], "a response or an ACK was answered")
            self.assertEqual(spoiler.bad_replies, [])
            self.assertGreater(spoiler.replies, spoiler.sent / 20)
            for name in pids:
                self.assertLess(memory.growth(name)[0], GROWTH_KB * harness.SLOW, f"{name} grows: {memory.kb[name]}")
            stack.assert_clean(60)

    def report(self, calls, r, spoiler, memory):
        print(f"  {SECONDS} s: {r.ok} of {calls} good calls at {CALLS_PER_S}/s went well; {spoiler.sent} spoilt datagrams "
              f"({spoiler.sent_quiet} not to be answered), {spoiler.sent_tcp} spoilt messages over {spoiler.connections} "
              f"connections, {spoiler.replies} replies to them", flush=True)
        for name in memory.kb:
            grown, middle, end = memory.growth(name)
            print(f"  {name:13} {middle} KiB after the warm-up, {end} KiB at the end ({grown:+d})", flush=True)
