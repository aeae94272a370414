"""Whole calls with software that is not ours: grpcio serves the platform, pika reads events, baresip and sipsak call."""
import tempfile
import unittest

import harness
import peers
from harness import KINDS, Stack
from test_call import OneCall
from ua import Call, Ua


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
    def test_baresip_hears_itself(self):
        for codec in ("PCMU/8000/1", "PCMA/8000/1"):
            with self.subTest(codec=codec), tempfile.TemporaryDirectory(prefix="sig-phone-") as folder:
                before = self.stack.platform.status()
                heard = peers.baresip(self.stack.sip_port, folder, "902121230001", 4, codec)
                self.assertTrue(heard.established, heard.text[-1500:])
                self.assertGreater(len(heard.samples), 8000 * 2, "at least two seconds came back")
                self.assertGreater(heard.loudness(), 1000, "a tone, not silence")
                self.stack.assert_clean()
                after = self.stack.platform.status()
                self.assertEqual(after["released"], before["released"] + 1)
                self.assertGreater(after["packets_out"] - before["packets_out"], 100)
        started = [e for e in self.stack.events.all() if e.key == "call.ended"]
        self.assertGreaterEqual(len(started), 2)

    def test_sipsak_options(self):
        r = harness.run("sipsak", "-vv", "-s", f"sip:ping@127.0.0.1:{self.stack.sip_port}")
        self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
        self.assertIn("200 OK", r.stdout)
