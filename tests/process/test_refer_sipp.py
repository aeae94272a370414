"""Transfer with SIPp as all three: nothing of what is said to us is ours. docs/transfer.md"""
import collections
import os
import tempfile
import unittest

import harness
import sipp
from callee import Callee
from test_bridge import TO_ALICE, BridgeTest
from test_refer import JOINED, ONLY
from test_route import PASSWORDS
from ua import status


class SippTest(BridgeTest):
    """SIPp's own books, the platform's and the broker's, of so many calls."""

    settings = {"NO_ANSWER_S": 30}
    count, rate = (3000, 50) if os.environ.get("FULL") else (60, 15)

    def setUp(self):
        super().setUp()
        self.known = set(self.stack.events.by_call())
        self.rung = {}  # who is rung: (process, folder)

    def folder(self):
        folder = tempfile.TemporaryDirectory(prefix="sig-sipp-")
        self.addCleanup(folder.cleanup)
        return folder.name

    def answers(self, user, name="uas", hold_ms=0, extra=()):
        """A SIPp at which this user is registered."""
        phone = self.alice if user == "alice" else Callee(self.stack.sip_port, user, password=PASSWORDS.get(user))
        self.addCleanup(phone.sock.close)
        folder = self.folder()
        process, port = sipp.answer(folder, self.count, name, hold_ms, extra)
        self.addCleanup(harness.stop_process, process, 5)
        self.assertEqual(status(phone.register(["*"], ["Expires: 0"])), 200)
        self.assertEqual(status(phone.register([f"<sip:{user}@127.0.0.1:{port}>"])), 200)
        self.rung[user] = process, folder

    def call(self, service, name, hold_ms=200, extra=()):
        """The one who calls, to his last call."""
        r = sipp.call(self.stack.sip_port, seconds=self.count / self.rate + 60, calls=self.count, rate=self.rate, hold_ms=hold_ms,
                      service=service, limit=2000, name=name, extra=extra)
        self.assertEqual((r.ok, r.failed), (self.count, 0), r.text)

    def assert_books(self, *orders):
        """Each who was rung has counted as many; no port was taken; for each order of events there are as many calls."""
        for user, (process, folder) in self.rung.items():
            r = sipp.finish(process, folder, 30)
            self.assertEqual((r.ok, r.failed), (self.count, 0), f"{user}: {r.text}")
        self.assertEqual(self.stack.assert_clean(60)["allocated"], self.before["allocated"])

        def told():
            return [tuple(keys) for call_id, keys in self.stack.events.by_call().items() if call_id not in self.known]
        expected = self.count * sum(len(order) for order in orders)
        harness.wait_for("every event", 60, lambda: sum(len(keys) for keys in told()) >= expected)
        self.assertEqual(collections.Counter(told()), {tuple(order): self.count for order in orders})


class TestSipp(SippTest):
    def test_transfers(self):
        self.answers("alice", "refer_uas.xml", 200)
        self.answers("bob")
        self.call(TO_ALICE, "refer_uac.xml", extra=("-key", "refer_to", "sip:bob@127.0.0.1"))
        self.assert_books(JOINED)


class TestAttendedSipp(SippTest):
    """alice, whose digest is asked for, calls bob and carol (1003), and joins them."""

    settings = {**SippTest.settings, "TRUSTED_PEERS": "127.0.0.2/32", "RATE_LIMIT": 0}
    count, rate = (3000, 50) if os.environ.get("FULL") else (20, 10)
    AS_ALICE = ("-key", "caller", "alice", "-au", "alice", "-ap", "alice-secret", "-cid_str", "%u-%p-%s")

    def test_transfers(self):
        self.answers("bob", "refer_uas.xml", 1000)
        self.answers("1003", "refer_uas.xml", extra=("-set", "stays", "1"))
        self.call("bob", "attended_uac.xml", extra=("-key", "second", "1003", *self.AS_ALICE))
        self.assert_books(JOINED, ONLY)


class TestAttendedSippShards(TestAttendedSipp):
    """Her calls may be two call-actors'."""

    settings = {**TestAttendedSipp.settings, "CALL_ACTORS": 3}


del BridgeTest

if __name__ == "__main__":
    unittest.main()
