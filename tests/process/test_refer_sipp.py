"""Blind transfer with SIPp as all three: nothing of what is said to us is ours. docs/transfer.md"""
import os
import socket
import subprocess
import tempfile
import unittest

import harness
import sipp
from callee import Callee
from harness import WITH_US
from test_bridge import TO_ALICE, BridgeTest
from test_refer import JOINED
from ua import status


class TestSipp(BridgeTest):
    settings = {"NO_ANSWER_S": 30}

    def setUp(self):
        super().setUp()
        self.folder = tempfile.TemporaryDirectory(prefix="sig-sipp-")
        self.addCleanup(self.folder.cleanup)

    def answers(self, user, *scenario):
        """A SIPp at which this user is registered."""
        port = str(harness.free_port(socket.SOCK_DGRAM))
        phone = self.alice if user == "alice" else Callee(self.stack.sip_port, user)
        self.addCleanup(phone.sock.close)
        self.assertEqual(status(phone.register(["*"], ["Expires: 0"])), 200)
        self.assertEqual(status(phone.register([f"<sip:{user}@127.0.0.1:{port}>"])), 200)
        with open(f"{self.folder.name}/{user}", "wb") as screen:
            process = subprocess.Popen([*WITH_US, "sipp", *scenario, "-i", "127.0.0.1", "-p", port, "-mp", str(harness.free_port()),
                                        "-nostdin"], cwd=self.folder.name, stdin=subprocess.DEVNULL, stdout=screen,
                                       stderr=subprocess.STDOUT)
        self.addCleanup(harness.stop_process, process, 5)

    def test_transfers(self):
        self.answers("alice", "-sf", sipp.scenario("refer_uas.xml"), "-d", "200")
        self.answers("bob", "-sn", "uas")
        before = set(self.stack.events.by_call())
        calls, rate = (3000, 50) if os.environ.get("FULL") else (60, 15)
        r = sipp.call(self.stack.sip_port, seconds=120, calls=calls, rate=rate, hold_ms=200, service=TO_ALICE, limit=2000,
                      name="refer_uac.xml", extra=("-key", "refer_to", "sip:bob@127.0.0.1"))
        self.assertEqual((r.ok, r.failed), (calls, 0), r.text)
        self.stack.assert_clean()

        def told():
            return [keys for call_id, keys in self.stack.events.by_call().items() if call_id not in before]
        harness.wait_for("every event", 20, lambda: sum(len(keys) for keys in told()) >= len(JOINED) * calls)
        self.assertEqual(sum(keys == list(JOINED) for keys in told()), calls)


del BridgeTest

if __name__ == "__main__":
    unittest.main()
