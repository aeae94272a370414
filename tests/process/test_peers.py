"""Whole calls with software that is not ours: grpcio serves the platform, pika reads events, baresip, linphone, SIPp and sipsak call, and
sipvicious looks for what it can find."""
import glob
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import unittest

import harness
import peers
import sipp
from harness import KINDS, Stack
from talking import LOUD, TalkingBaresip, TalkingLinphone
from test_call import OneCall
from ua import Call, Ua

TLS_PORT = harness.free_port()


class TestPythonPlatform(unittest.TestCase):
    """The three contracts served by Debian's python3-grpcio, events read by python3-pika."""

    def test_whole_call(self):
        for shape in ("new", "old"):
            with self.subTest(dialplan_action=shape):
                stack = Stack()
                stack.platform = peers.PythonPlatform(stack.dir, stack.pki, stack.platform.port, dialplan_action=shape)
                with stack.start(), Ua(stack.sip_port) as ua:
                    listener = peers.listen_events(stack.broker.url, 3, 20)
                    call = Call(ua)
                    call.answered()
                    trace = stack.calls()[0]["trace_id"]
                    call.bye()
                    lines = peers.finish_events(listener)
                    self.assertEqual([e["key"] for e in lines], list(KINDS))
                    for e in lines:
                        self.assertEqual(e["properties"]["delivery_mode"], 2)
                        self.assertEqual(e["properties"]["content_type"], "application/json")
                        self.assertTrue(e["properties"]["message_id"])
                        self.assertEqual(e["body"]["callId"], call.call_id)
                    plan = lines[0]["body"]["dialplanResolution"]
                    self.assertEqual(plan["dialplanId"], "DP_DEMO_AI")
                    self.assertEqual(plan["action"]["actionData"]["data"]["language"], "tr")
                    stack.assert_clean()
                    rpcs = stack.platform.ledger("rpc")
                    self.assertLessEqual({"FindUserByContact", "ResolveDialplan", "AllocatePort", "ReleasePort"},
                                         {r["rpc"] for r in rpcs})
                    self.assertIn(trace, {r.get("trace") for r in rpcs}, "x-trace-id is passed on")

    def test_protobuf_events(self):
        with Stack(EVENT_FORMAT="protobuf").start() as stack, Ua(stack.sip_port) as ua:
            listener = peers.listen_events(stack.broker.url, 3, 20)
            call = Call(ua)
            call.answered()
            call.bye()
            lines = peers.finish_events(listener)
            self.assertEqual([(e["key"], e.get("message")) for e in lines], [
                ("call.started", "CallStartedEvent"), ("call.answered", "GenericEvent"),
                ("call.ended", "CallEndedEvent")])
            for e in lines:
                self.assertEqual(e["body"]["trace_id"], call.call_id)
            self.assertEqual(lines[0]["body"]["dialplan_resolution"]["dialplan_id"], "DP_DEMO_AI")
            self.assertEqual(lines[2]["body"]["reason"], "normal_clearing")
            stack.assert_clean()


class TestPhones(OneCall):
    """Softphones hear themselves over each transport."""

    settings = {"SIPS_PORT": TLS_PORT}

    def port(self, transport):
        return TLS_PORT if transport == "tls" else self.stack.sip_port

    def test_they_hear_themselves(self):
        for kind in (TalkingBaresip, TalkingLinphone):
            for codec, transport in (("PCMU", "udp"), ("PCMA", "tcp"), ("PCMU", "tls")):
                with self.subTest(kind.__name__, codec=codec, transport=transport):
                    self.hears_itself(kind, codec, transport)
        ended = [e for e in self.stack.events.all() if e.key == "call.ended"]
        self.assertGreaterEqual(len(ended), 6)

    def hears_itself(self, kind, codec, transport):
        """It registers first: without an account linphone does not know its own address."""
        with tempfile.TemporaryDirectory(prefix="sig-phone-") as folder:
            phone = kind(self.stack, folder, "alice", transport, TLS_PORT, codecs=(codec,))
            self.addCleanup(phone.stop)
            phone.started()
            harness.wait_for("it is registered", 10, lambda: self.stack.ctl("registrations")["registrations"])
            before = self.stack.platform.status()
            phone.dial("902121230001")
            self.assertGreater(phone.wait_hears(), LOUD, "a tone, not silence")
            phone.hang_up()
            after = self.stack.assert_clean()
            self.assertEqual(after["released"], before["released"] + 1)
            self.assertGreater(after["packets_out"] - before["packets_out"], 45)
            phone.stop()
            harness.wait_for("it has left", 5, lambda: not self.stack.ctl("registrations")["registrations"])

    def test_sipsak_options(self):
        for transport in ("udp", "tcp", "tls"):
            with self.subTest(transport):
                r = harness.run("sipsak", "-vv", "-E", transport, "--tls-ca-cert", f"{self.stack.pki}/ca.crt", "-s",
                                f"sip:ping@127.0.0.1:{self.port(transport)}")
                self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
                self.assertIn("200 OK", r.stdout)


class TestSipp(OneCall):
    """The scenarios that are built into SIPp and call somebody. Debian's SIPp has no TLS; `branchc` wants a registrar that asks for no
    password, `regexp` an o= line whose user is a word."""

    def run_one(self, *args):
        r = sipp.call(self.stack.sip_port, calls=5, rate=5, hold_ms=100, service="902121234567", extra=args)
        self.assertEqual((r.ok, r.failed), (5, 0), r.text)

    def test_uac_over_udp_and_tcp(self):
        for mode in ("u1", "un", "t1", "tn"):
            with self.subTest(mode):
                self.run_one("-t", mode, "-max_socket", "100")
        self.stack.assert_clean()

    def test_uac_with_media(self):
        """A recorded voice; it is sent through a raw socket, which needs root."""
        if os.geteuid() != 0:
            return
        with tempfile.TemporaryDirectory(prefix="sig-sipp-") as folder:
            os.mkdir(f"{folder}/pcap")
            for path in glob.glob("/usr/share/sip-tester/*.pcap"):
                shutil.copy(path, f"{folder}/pcap")
            before = self.stack.platform.status()["packets_in"]
            self.finish_all([self.start(folder, "uac_pcap")])
            self.assertGreater(self.stack.platform.status()["packets_in"], before + 100)
        self.stack.assert_clean()

    def test_third_party_call_control(self):
        """One side is called without an offer, the other with the first one's: a controller that joins two calls."""
        twin = f"127.0.0.1:{harness.free_port()}"
        with tempfile.TemporaryDirectory(prefix="sig-sipp-") as folder:
            b = self.start(folder, "3pcc-C-B", "-3pcc", twin)
            harness.wait_for("the second half listens", 10, lambda: not harness.is_free(int(twin.split(":")[1]), socket.SOCK_STREAM))
            self.finish_all([self.start(folder, "3pcc-C-A", "-3pcc", twin), b])
        self.stack.assert_clean()

    def start(self, folder, name, *args):
        ports = [str(harness.free_port(socket.SOCK_DGRAM)) for _ in range(2)]
        return subprocess.Popen(["sipp", f"127.0.0.1:{self.stack.sip_port}", "-sn", name, "-s", "902121234567", "-i", "127.0.0.1",
                                 "-p", ports[0], "-mp", ports[1], "-m", "3", "-r", "3", "-nostdin", "-timeout", "30s", *args],
                                cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def finish_all(self, processes):
        for process in processes:
            out, _ = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 0, out[-800:])


class Disguise(threading.Thread):
    """What a scanner says reaches the service under another product's name, and from another address."""

    def __init__(self, target):
        super().__init__(daemon=True)
        self.target, self.ending = target, False
        self.inner, self.outer = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        self.inner.bind(("127.0.0.1", 0))
        self.outer.bind(("127.0.0.7", 0))
        self.port, self.client = self.inner.getsockname()[1], None
        for s in (self.inner, self.outer):
            s.settimeout(0.05)
        self.start()

    def run(self):
        while not self.ending:
            for here, there in ((self.inner, self.outer), (self.outer, self.inner)):
                try:
                    data, source = here.recvfrom(65535)
                except TimeoutError:
                    continue
                if here is self.inner:
                    self.client = source
                    there.sendto(data.replace(b"friendly-scanner", b"Linksys/SPA942-6"), self.target)
                else:
                    there.sendto(data, self.client)

    def stop(self):
        self.ending = True
        self.join()
        self.inner.close()
        self.outer.close()


class TestVisitor(unittest.TestCase):
    """sipvicious at a service where it is a stranger: what it learns. Its svcrack: test_register_abuse.py."""

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(events=False, TRUSTED_PEERS="192.0.2.0/24", BLOCK_S=60).start()

    @classmethod
    def tearDownClass(cls):
        cls.stack.close()

    def visit(self, tool, port, *args):
        with tempfile.TemporaryDirectory() as folder:
            r = harness.run(tool, "-p", str(port), *args, "127.0.0.1", cwd=folder, env={**os.environ, "HOME": folder},
                            stdin=subprocess.DEVNULL)
        return r.stdout + r.stderr

    def test_as_itself_it_finds_nothing(self):
        self.assertIn("found nothing", self.visit("svmap", self.stack.sip_port))
        self.assertIn("found nothing", self.visit("svwar", self.stack.sip_port, "-e", "100-110", "--maximumtime=2", "--force"))
        row, = self.stack.ctl("blocked")["blocked"]
        self.assertEqual((row["source"], row["reason"]), ("127.0.0.1", "scanner"))

    def test_in_disguise_it_finds_a_sip_port_and_no_user(self):
        """That something answers, not what it is; a user who is there is answered as one who is not."""
        disguise = Disguise(("127.0.0.1", self.stack.sip_port))
        self.addCleanup(disguise.stop)
        found = self.visit("svmap", disguise.port)
        self.assertRegex(found, rf"127\.0\.0\.1:{disguise.port} *\| *unknown")
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as words:
            words.write("alice\nnobody\nbob\n1001\nnobody2\n")
            words.flush()
            self.assertIn("authentication request for an unknown extension", self.visit("svwar", disguise.port, "-d", words.name))
            self.assertIn("found nothing", self.visit("svwar", disguise.port, "-d", words.name, "--force"))


if __name__ == "__main__":
    unittest.main()
