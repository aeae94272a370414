"""Transfer of bridged calls by the platform: SIPp as caller, callee and target, grpcio as who asks. docs/control.md"""
import os
import unittest

import peers
from test_bridge import TO_ALICE
from test_refer import JOINED
from test_refer_sipp import SippTest
from test_transfer_load import Asker


class GrpcAsker(Asker):
    """agent-service: TransferCall for each caller who is through."""

    def __init__(self, stack, target):
        self.peer = peers.B2buaLines(stack)
        super().__init__(stack.broker, target)

    def ask(self, call_id):
        self.peer.ask("transfer", call_id, self.target)

    def answers(self):
        self.end()
        return [answer["status"] for answer in self.peer.finish()]


class TestByThePlatform(SippTest):
    count, rate = (3000, 50) if os.environ.get("FULL") else (20, 10)

    def test_transfers(self):
        """The caller goes on with the target, and the callee is let go."""
        self.answers("alice")
        self.answers("bob")
        asker = GrpcAsker(self.stack, "bob")
        self.addCleanup(asker.peer.stop)
        self.addCleanup(asker.end)
        self.call(TO_ALICE, "transferred_uac.xml", 500)
        self.assertEqual(asker.answers(), ["OK"] * self.count)
        self.assert_books(JOINED)


del SippTest

if __name__ == "__main__":
    unittest.main()
