"""Strangers, scanners and more calls than the service can carry (docs/abuse.md)."""
import collections
import tempfile
import time
import unittest

import harness
import sipp
from harness import KINDS, Stack
from ua import Call, Ua, header, status

ALONE = "calls beyond what the machine can carry"
SAN = harness.SLOW > 1
RATE = 20


def metric(stack, name):
    """The sum of a metric's series."""
    lines = stack.ctl("metrics")["metrics"].split("\n")
    return sum(float(line.split()[-1]) for line in lines if line.split("{")[0] == name)


class TestStrangers(unittest.TestCase):
    """127.0.0.1 is trusted, the other addresses of the loopback are not."""

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(TRUSTED_PEERS="127.0.0.1/32", RATE_LIMIT=RATE, BLOCK_S=60).start()

    @classmethod
    def tearDownClass(cls):
        cls.stack.close()

    def ua(self, host):
        ua = Ua(self.stack.sip_port, host)
        self.addCleanup(ua.sock.close)
        return ua

    def scan(self, ua):
        ua.send(Call(ua).text("OPTIONS", 1, "z9hG4bKscan", extra=["User-Agent: friendly-scanner"]))

    def blocked(self):
        return {row["source"]: row for row in self.stack.ctl("blocked")["blocked"]}

    def test_a_stranger_is_challenged(self):
        answer = Call(self.ua("127.0.0.2")).invite().final()
        self.assertEqual(status(answer), 407)
        self.assertIn('realm="sentiric_demo"', header(answer, "Proxy-Authenticate"))
        call = Call(self.ua("127.0.0.1"))
        call.answered()
        self.assertEqual(status(call.bye()), 200)
        self.stack.assert_clean()

    def test_over_the_limit(self):
        ua = self.ua("127.0.0.3")
        for n in range(500):
            ua.send(Call(ua).text("OPTIONS", 1, f"z9hG4bKrate{n}"))
        seen = collections.Counter()
        while (m := ua.receive(0.5)) is not None:
            seen[status(m)] += 1
            if status(m) == 503:
                self.assertTrue(5 <= int(header(m, "Retry-After")) <= 15)
        self.assertEqual(seen[503], 3)
        self.assertTrue(RATE <= seen[200] <= 4 * RATE, seen)
        self.assertEqual(status(self.ua("127.0.0.1").ask("OPTIONS")), 200)
        self.assertEqual(status(self.ua("127.0.0.9").ask("OPTIONS")), 200)

    def test_a_scanner(self):
        ua = self.ua("127.0.0.4")
        self.assertEqual(status(ua.ask("OPTIONS")), 200)
        self.scan(ua)
        harness.wait_for("the scanner is blocked", 5, lambda: "127.0.0.4" in self.blocked())
        ua.send(Call(ua).text("OPTIONS", 1, "z9hG4bKafter"))
        harness.wait_for("what it sends is dropped", 5, lambda: self.blocked()["127.0.0.4"]["dropped"] == 1)
        self.assertIsNone(ua.receive(0.2))
        self.assertEqual(self.blocked()["127.0.0.4"]["reason"], "scanner")
        self.assertIn("source blocked", self.stack.log())
        self.stack.ctl("unblock", "127.0.0.4")
        self.assertNotIn("127.0.0.4", self.blocked())
        self.assertEqual(self.stack.ctl_raw("unblock", "127.0.0.4").returncode, 1)
        self.assertEqual(status(ua.ask("OPTIONS")), 200)

    def test_a_call_goes_on_from_a_blocked_source(self):
        call = Call(self.ua("127.0.0.1"))
        call.answered()
        other = self.ua("127.0.0.5")
        self.scan(other)
        harness.wait_for("the scanner is blocked", 5, lambda: "127.0.0.5" in self.blocked())
        call.ua = other  # as if the caller's address had changed to the blocked one
        self.assertEqual(status(call.bye()), 200)
        self.stack.assert_clean()

    def test_trusted_peers_are_never_blocked(self):
        ua = self.ua("127.0.0.1")
        self.scan(ua)
        for n in range(300):
            ua.send(Call(ua).text("BYE", 1, f"z9hG4bKbad{n}"))
            self.assertIsNotNone(ua.receive(2))
        self.assertEqual(status(ua.ask("OPTIONS")), 200)
        self.assertNotIn("127.0.0.1", self.blocked())


class TestAmplifier(unittest.TestCase):
    def test_made_up_dialogs_bring_no_more_bytes_than_promised(self):
        """60 INVITEs a second in dialogs that do not exist, never acknowledged; their 481s would be repeated for 32 s."""
        with Stack(TRUSTED_PEERS="127.0.0.1/32", BLOCK_S=60).start() as stack, Ua(stack.sip_port, "127.0.0.2") as ua:
            sent, got, kinds = 0, 0, collections.Counter()
            began = time.monotonic()

            def take(seconds):
                nonlocal got
                until = time.monotonic() + seconds
                while (left := until - time.monotonic()) > 0:
                    ua.sock.settimeout(left)
                    try:
                        data = ua.sock.recv(65535)
                    except TimeoutError:
                        return
                    got += len(data)
                    kinds[data.split(b"\r\n")[0]] += 1

            for n in range(360):
                invite = ("INVITE sip:a SIP/2.0\r\n"
                          f"v:SIP/2.0/UDP 127.0.0.2:{ua.port};branch=z9hG4bKamp{n}\r\nf:<sip:a@b>;tag=1\r\n"
                          f"t:<sip:a>;tag=a0-h66dvbi3qqh6jmb6\r\ni:amp{n}\r\nCSeq:1 INVITE\r\nm:<sip:a>\r\nl:0\r\n\r\n")
                ua.send(invite)
                sent += len(invite)
                take(1 / 60)
            take(8)
            may = sent + 16 * 1024 + 1024 * (time.monotonic() - began + 1)
            print(f"  {sent} bytes in, {got} out, {may:.0f} promised: {dict(kinds)}", flush=True)
            self.assertGreater(got, 0)
            self.assertLessEqual(got, may)
            self.assertEqual(set(kinds), {b"SIP/2.0 481 Call/Transaction Does Not Exist"})
            row, = stack.ctl("blocked")["blocked"]
            self.assertEqual((row["source"], row["reason"]), ("127.0.0.2", "faults"))
            self.assertGreater(row["dropped"], 0)
            kinds.clear()
            take(5)
            self.assertFalse(kinds)
            with Ua(stack.sip_port) as trusted:
                call = Call(trusted)
                call.answered()
                self.assertEqual(status(call.bye()), 200)


class TestOverload(unittest.TestCase):
    def test_calls_in_progress_and_calls_admitted(self):
        """Several times what the service can carry: who is admitted is served, who had a call keeps it."""
        rate, seconds, held = (200, 4, 20) if SAN else (3000, 5, 200)
        options = ("-key", "caller", "905551234567", "-key", "rtp_port", "40000")
        with Stack(LOG_LEVEL="warn").start() as stack, tempfile.TemporaryDirectory(prefix="sig-sipp-") as before, \
                tempfile.TemporaryDirectory(prefix="sig-sipp-") as load:
            long_calls = sipp.start(stack.sip_port, before, calls=held, rate=100, hold_ms=6000, service="902121234567")
            harness.wait_for("calls in progress", 20, lambda: len(stack.calls()) == held)
            began = time.monotonic()
            storm = sipp.start(stack.sip_port, load, calls=rate * seconds, rate=rate, hold_ms=1000, service="902121234567",
                               name="overload_call.xml", extra=options, limit=15000)
            kept = sipp.finish(long_calls, before, 60)
            r = sipp.finish(storm, load, 120)
            took = time.monotonic() - began
            answered, refused = int(r.stats["GenericCounter1(C)"]), int(r.stats["GenericCounter2(C)"])
            shed = metric(stack, "sip_signaling_edge_calls_shed_total")
            print(f"  {rate} calls/s for {seconds} s: {answered} answered, {refused} refused with 503, {r.failed} failed in "
                  f"{took:.0f} s; of {held} calls in progress {kept.failed} failed; shed {shed:.0f} times", flush=True)
            self.assertEqual((kept.ok, kept.failed), (held, 0), kept.text)
            self.assertGreater(answered, 0)
            # SIPp gives up an INVITE whose answers its own full socket lost
            self.assertLessEqual(r.failed, rate * seconds * 0.05, r.text)
            stack.wait_no_calls(60)
            s = stack.assert_clean(60)
            self.assertEqual(s["allocated"], s["released"])
            harness.wait_for("all events", 30, lambda: len(stack.events.all()) >= 3 * (held + answered - r.failed))
            orders = collections.Counter(tuple(keys) for keys in stack.events.by_call().values())
            self.assertGreaterEqual(orders[KINDS], held + answered - r.failed)
            self.assertLessEqual(set(orders), {KINDS, ("call.started", "call.ended")})
            self.assertEqual([w["restarts"] for w in stack.ctl("status")["workers"]], [0] * 4)
            with Ua(stack.sip_port) as ua:
                call = Call(ua)
                call.answered()
                self.assertEqual(status(call.bye()), 200)
