"""That the books find what they are there to find."""
import json
import struct
import subprocess
import threading
import types
import unittest

import books
import disturb
import harness
import ours
import sipp
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

    def test_the_end_of_a_capture(self):
        last = (CALLER, message("OPTIONS sip:end@h SIP/2.0", "1 OPTIONS", "z9hG4bKend", call_id="end-of-capture@chaos"))
        r = seen((CALLER, message(INVITE, "1 INVITE")), last, (PORT, message(OK, "1 OPTIONS", "z9hG4bKend")))
        self.assertEqual((r["packets"], r["heard"], r["unasked"]), (1, 1, 0))

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

    def test_bindings(self):
        self.assertEqual(books.differ(["a", "b"], ["a", "b"]), (0, 0))
        self.assertEqual(books.differ(["a", "b"], ["a", "c", "c"]), (1, 2))
        self.assertEqual(books.differ(["a"], ["a", "a"]), (0, 1))

    def test_sipps_errors(self):
        stamp = "2026-11-23\t07:58:36.082811\t1795420716.{}: "
        self.assertEqual(sipp.gave_up(
            "The following events occurred:\n" + stamp.format(25) + "Overload warning: " +
            stamp.format(5) + "Aborting call on unexpected message for Call-Id '1-2@h': while expecting '180' (index 2), received 'SIP/2.0 "
            "503 Service Unavailable\r\nVia: x\r\n'" + stamp.format(75) + "Dead call 1-2@h, received 'SIP/2.0 503 Service Unavailable'" +
            stamp.format(75) + "Aborting call on UDP retransmission timeout for Call-ID '3-2@h'"),
            [(1795420716.5, 503), (1795420716.75, 0)])

    def test_what_is_said_twice_again(self):
        wire = {"again_us": [1_000_000, 2_000_000, 2_000_000, 9_000_000, 9_000_000, 9_000_000]}
        self.assertEqual(books.said_twice_again(wire, []), 2)
        self.assertEqual(books.said_twice_again(wire, [(8, 10)]), 1)


class TestJudge(unittest.TestCase):
    """Each fault alone, in books that are good otherwise."""
    BOOK = [Disturbance("kill", ["sip-edge"], 2, 2, False), Disturbance("stop", ["dialplan-service"], 10, 12, True),
            Disturbance("stop", ["user-service"], 20, 22, False)]

    def setUp(self):
        callee = dict.fromkeys(("doubled", "ringing", "without_ack", "without_bye", "refusals_unacked"), 0)
        counts = dict.fromkeys(("ok", "failed", "without_contact"), 0)
        self.r = {"rate": 50, "book": self.BOOK, "complaints": [(11, "a", "call-refused", 503)], "rest": {"calls": 0}, "ports_left": [],
                  "load": {"unanswered": 0, "requests": 2000, "repeated": [1990, 5, 3, 1, 1, 0, 0, 0, 0, 0, 0], "callee": callee},
                  "sipp": sipp.Result(99, 1, "", {}, 0, [(13, 503)]), "strangers": 100, "stolen": [], "events": {"missing": 0},
                  "event_examples": [], "set_aside": [], "bindings": 700, "bindings_wanted": 700, "lost_bindings": 0, "new_bindings": 0,
                  "asked": [counts, counts], "phones": {"ok": 50, "failed": 1}, "not_registered": [(21, 503)],
                  "calls": [("a-1-1-u@chaos", "a"), ("a-1-2-t@chaos", "a")],
                  "wire": {**dict.fromkeys(ours.WIRE_FAULTS, 0), "whole": True, "dropped": 0, "packets": 1000, "heard": 400,
                           "heard_again": 50, "complaints": [], "again_us": [1_000_000] * 2 + [11_000_000] * 3}}
        self.stack = types.SimpleNamespace(**dict.fromkeys(disturb.NEEDS.values(), True))

    def bad(self, **changed):
        return [name for name, good, _ in ours.judge({**self.r, **changed}, self.stack) if not good]

    def load(self, **changed):
        return {**self.r["load"], **changed}

    def wire(self, **changed):
        return {**self.r["wire"], **changed}

    def test_good_books(self):
        self.assertEqual(self.bad(), [])

    def test_calls(self):
        lost = ["every call went as its caller wanted"]
        for complaint in ((11, "a", "call-refused", 404), (11, "a", "call-refused", 500), (11, "a", "BYE", 503), (9, "a", "call-refused", 503),
                          (12 + ours.SETUP_S + 1, "a", "call-refused", 503), (2, "a", "call-refused", 503)):
            self.assertEqual(self.bad(complaints=[complaint]), lost, complaint)
        most = int(ours.refused_most(50, self.BOOK))
        self.assertEqual(self.bad(complaints=self.r["complaints"] * most), [])
        self.assertEqual(self.bad(complaints=self.r["complaints"] * (most + 1)), ["no more were refused than came while what they need was away"])
        self.assertEqual(self.bad(load=self.load(unanswered=1)), ["every request was answered"])

    def test_repeats(self):
        self.assertEqual(self.bad(wire=self.wire(again_us=2 * [500_000, 1_000_000, 1_500_000, 2_000_000])),
                         ["a kill costs one repeat"])
        self.assertEqual(self.bad(load=self.load(repeated=[1999] + [0] * 9 + [1])),
                         ["nothing costs many repeats"] if ours.REPEATS_MOST < 10 else [])

    def test_sipp(self):
        for result in (self.r["sipp"]._replace(gave_up=[(13, 500)]), self.r["sipp"]._replace(gave_up=[(50, 503)]),
                       self.r["sipp"]._replace(ok=98)):
            self.assertEqual(self.bad(sipp=result), ["SIPp's calls"])

    def test_registrations(self):
        changed = ("registrations are as before",)
        for how in ({"bindings": 699}, {"lost_bindings": 1}, {"new_bindings": 1}, {"asked": [{"without_contact": 1, "failed": 0}]}):
            self.assertEqual(tuple(self.bad(**how)), changed)
        for failure in ((21, 401), (21, 408), (11, 503), (19, 503)):
            self.assertEqual(self.bad(not_registered=[failure]), ["phones registered all the while"])

    def test_ports(self):
        self.assertEqual(self.bad(ports_left=[{"port": 20000, "t_ms": 2000}]), ["every port came back"])
        self.assertEqual(self.bad(stolen=[{"port": 20000}]), ["no port was taken from another call"])

    def test_the_wire(self):
        for how in ({"dropped": 1}, {"dropped": -1}, {"whole": False}, {"heard": 348}):
            self.assertEqual(self.bad(wire=self.wire(**how)), ["the capture saw everything"])
        for fault in ours.WIRE_FAULTS:
            self.assertEqual(self.bad(wire=self.wire(**{fault: 1})), ["the wire"])
        self.assertEqual(len(self.bad(wire=None)), 3)
