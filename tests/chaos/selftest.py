"""That the books find what they are there to find."""
import json
import struct
import subprocess
import threading
import types
import unittest

import books
import harness
import ours
from disturb import Disturbance
from harness import KINDS
from selftest_callee import TestCallee  # noqa: F401

PORT, CALLER = 5060, 40000
ETHERNET = bytes(12) + b"\x08\x00"


def packet(source, target, text, at_ms):
    udp = struct.pack("!HHHH", source, target, 8 + len(text), 0) + text.encode()
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, b"\x7f\0\0\1", b"\x7f\0\0\1")
    data = ETHERNET + ip + udp
    return struct.pack("=IIII", at_ms // 1000, at_ms % 1000 * 1000, len(data), len(data)) + data


def message(first, cseq, branch="z9hG4bKa", tag="t", call_id="a-1-1@chaos"):
    return (f"{first}\r\nVia: SIP/2.0/UDP 127.0.0.1:1;branch={branch};rport\r\nFrom: <sip:a@h>;tag=f\r\n"
            f"To: <sip:b@h>;tag={tag}\r\nCall-ID: {call_id}\r\nCSeq: {cseq}\r\nContent-Length: 0\r\n\r\n")


def seen(*said):
    """said: (from whom, text), 10 ms apart, or with a time of its own"""
    out = struct.pack("=IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1)
    for n, (source, text, *at) in enumerate(said):
        out += packet(source, CALLER if source == PORT else PORT, text, at[0] if at else 1000 + 10 * n)
    r = subprocess.run([harness.binary("chaos_wire"), str(PORT)], input=out, capture_output=True, check=True)
    return json.loads(r.stdout)


INVITE, OK, BUSY, RINGS = "INVITE sip:b@h SIP/2.0", "SIP/2.0 200 OK", "SIP/2.0 486 Busy", "SIP/2.0 180 Ringing"


class TestWire(unittest.TestCase):
    def faults(self, *said):
        r = seen(*said)
        return {k: r[k] for k in ours.WIRE_FAULTS if r[k]}

    def test_a_good_call(self):
        self.assertEqual(self.faults((CALLER, message(INVITE, "1 INVITE", tag="")), (PORT, message(RINGS, "1 INVITE")),
                                     (PORT, message(OK, "1 INVITE")), (PORT, message(OK, "1 INVITE")),
                                     (CALLER, message("ACK sip:b@h SIP/2.0", "1 ACK", "z9hG4bKb"))), {})

    def test_finals_that_differ(self):
        for second in (message(BUSY, "1 INVITE"), message(OK, "1 INVITE", tag="u")):
            self.assertEqual(self.faults((CALLER, message(INVITE, "1 INVITE")), (PORT, message(OK, "1 INVITE")), (PORT, second)),
                             {"differs": 1})

    def test_a_provisional_that_is_late(self):
        self.assertEqual(self.faults((CALLER, message(INVITE, "1 INVITE")), (PORT, message(OK, "1 INVITE")),
                                     (PORT, message(RINGS, "1 INVITE"))), {"late": 1})

    def test_what_nobody_asked_for(self):
        self.assertEqual(self.faults((PORT, message(OK, "1 INVITE"))), {"unasked": 1})

    def test_cseq(self):
        bye, info = "BYE sip:a@h SIP/2.0", "INFO sip:a@h SIP/2.0"
        self.assertEqual(self.faults((PORT, message(info, "2 INFO", "x")), (PORT, message(info, "2 INFO", "x")),
                                     (PORT, message(bye, "3 BYE", "y"))), {})
        for cseq in (1, 2):
            self.assertEqual(self.faults((PORT, message(info, "2 INFO", "x")), (PORT, message(bye, f"{cseq} BYE", "y"))), {"cseq": 1})

    def test_gaps(self):
        r = seen((CALLER, message(INVITE, "1 INVITE"), 1000), (PORT, message(OK, "1 INVITE"), 1000),
                 (CALLER, message("BYE sip:b@h SIP/2.0", "2 BYE", "b"), 1100), (PORT, message(OK, "2 BYE", "b"), 1700))
        self.assertEqual(r["gaps_us"]["any"], [[1000000, 1700000]])
        book = [Disturbance("kill", ["sip-edge"], 1.2, 1.2, False), Disturbance("kill", ["call-actor"], 5.0, 5.0, False)]
        self.assertEqual(books.recovery_ms(book, r, None), {"sip-edge": [700], "call-actor": [20]})

    def test_gaps_when_nobody_died(self):
        wire = {"gaps_us": {"any": [[3_300_000, 3_400_000], [4_900_000, 5_100_000]], "actor": []}}
        book = [Disturbance("kill", [who], at, at, False) for who, at in (("sip-edge", 2.0), ("call-actor", 4.0), ("sip-edge", 5.0))]
        self.assertEqual(books.undisturbed_ms(book, wire, None), {"sip-edge": [100], "call-actor": [20]})

    def test_what_is_said_again(self):
        again = (CALLER, message(INVITE, "1 INVITE"))
        self.assertEqual(seen((*again, 1000), (*again, 1500), (*again, 2500), (PORT, message(OK, "1 INVITE"), 2600))["again_us"],
                         [1000000, 1000000])


class TestBooks(unittest.TestCase):
    def events(self, outcome, kind, *keys):
        queue = types.SimpleNamespace(lock=threading.Lock(), calls={"a": list(keys)} if keys else {})
        wrong, _ = books.events_of([("a", kind, outcome, "0", "0")], queue, 0)
        return {k: n for k, n in wrong.items() if n}

    def test_events(self):
        started, answered, ended = KINDS
        self.assertEqual(self.events("well", "a", *KINDS), {})
        self.assertEqual(self.events("well", "a"), {"missing": 1})
        self.assertEqual(self.events("well", "a", started, ended), {"missing": 1})
        self.assertEqual(self.events("well", "a", started, ended, answered), {"disorder": 1})
        self.assertEqual(self.events("well", "a", *KINDS, ended), {"double": 1})
        self.assertEqual(self.events("well", "h", *KINDS), {"keys": 1})
        self.assertEqual(self.events("well", "h", started, answered, books.KEY, ended), {})
        self.assertEqual(self.events("well", "t", started, answered, books.MOVED[0], ended), {"keys": 1})
        self.assertEqual(self.events("cancelled", "c", started, ended), {})
        self.assertEqual(self.events("cancelled", "c", started), {"missing": 1})

    def ledger(self, *lines):
        names = ("event", "t_ms", "port", "trace")
        return types.SimpleNamespace(ledger=lambda: [dict(zip(names, line)) for line in lines])

    def test_ports(self):
        taken, back = ("allocate", 1000, 20000, "x"), ("release", 2000, 20000, "x")
        self.assertEqual(books.ports_left(self.ledger(taken, back)), [])
        self.assertEqual(len(books.ports_left(self.ledger(taken, back, taken))), 1)
        self.assertEqual(books.stolen_ports(self.ledger(taken, back, ("release_unknown", 2500, 20000, "x"))), [])
        self.assertEqual(len(books.stolen_ports(self.ledger(taken, back, ("release_unknown", 9000, 20000, "x")))), 1)
        self.assertEqual(len(books.stolen_ports(self.ledger(taken, ("release", 2000, 20000, "y")))), 1)
        reclaimed = ("release", 2000, 20000, "")
        self.assertEqual(books.stolen_ports(self.ledger(taken, reclaimed, taken, back)), [])
        self.assertEqual(len(books.stolen_ports(self.ledger(taken, reclaimed, ("release_unknown", 2500, 20000, "x")))), 1)

    def test_excuses(self):
        book = [Disturbance("stop", ["dialplan-service"], 10, 12, True), Disturbance("kill", ["orchestrator"], 30, 30, False)]
        self.assertTrue(ours.excused((11, "a", "call-refused", 503), book))
        for complaint in ((11, "a", "call-refused", 404), (11, "a", "BYE", 503), (30, "a", "call-refused", 503)):
            self.assertFalse(ours.excused(complaint, book))
        self.assertTrue(ours.is_explained({"t_ms": 30500}, book))
        self.assertFalse(ours.is_explained({"t_ms": 20000}, book))
