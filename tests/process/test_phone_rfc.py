"""What linphone speaks beyond plain calls: provisionals that it acknowledges and wants acknowledged (RFC 3262)."""
import tempfile
import unittest

from harness import KINDS, Stack, wait_for
from talking import LOUD, TalkingBaresip, TalkingLinphone
from ua import header, status
from wire import Wire


class RfcTest(unittest.TestCase):
    """alice and bob over UDP, alice being what the test says."""

    settings, sip = {}, ()

    def start(self, alice):
        folder = tempfile.TemporaryDirectory(prefix="sig-phones-")
        self.addCleanup(folder.cleanup)
        self.stack = Stack(REGISTER_MIN_S=2, **self.settings).start()
        self.addCleanup(self.stack.close)
        self.bob = TalkingLinphone(self.stack, folder.name, "bob", "udp", sip=self.sip)
        how = {"sip": self.sip} if alice is TalkingLinphone else {}
        self.alice = alice(self.stack, folder.name, "alice", "udp", **how)
        for phone in (self.alice, self.bob):
            self.addCleanup(phone.stop)
            phone.started()
        self.wire = Wire(self.stack.sip_port)
        self.addCleanup(self.wire.close)
        if not self.wire.works:
            self.skipTest("dumpcap may not capture")
        wait_for("both are registered", 10, lambda: len(self.stack.ctl("registrations")["registrations"]) == 2)
        rows = self.stack.ctl("registrations")["registrations"]
        self.ports = {row["aor"].partition(":")[2].partition("@")[0]: int(row["source"].rpartition(":")[2]) for row in rows}

    def said(self, source, target, what):
        """Messages from one to the other, None being us, for which what() is true."""
        ends = tuple(self.ports.get(user, self.stack.sip_port) for user in (source, target))
        return [s.message for s in list(self.wire.sip) if (s.source, s.target) == ends and what(s.message)]

    def the(self, source, target, start, method=None):
        """The first message that starts so; method: of its CSeq."""
        def wanted(m):
            return m.first.startswith(start) and header(m, "CSeq").split()[1] == (method or start)
        return wait_for(f"{start} from {source} to {target}", 5, lambda: self.said(source, target, wanted))[0]

    def over(self, phone):
        for each in (self.alice, self.bob):
            self.assertGreater(each.wait_hears(), LOUD, f"{each.user} hears nothing")
        phone.hang_up()
        self.stack.assert_clean()
        self.assertEqual(list(self.stack.events.by_call().values()), [list(KINDS)])


class TestReliable(RfcTest):
    """Level 2 has linphone send its 180 reliably to whoever supports that; it answers PRACK with 501 and goes on."""

    sip = ("100rel_support_level=2",)

    def assert_we_acknowledge_bob(self):
        ringing = self.the("bob", None, "SIP/2.0 180", "INVITE")
        self.assertEqual(header(ringing, "Require"), "100rel")
        ours = self.the(None, "bob", "PRACK")
        self.assertEqual(header(ours, "RAck"), f"{header(ringing, 'RSeq')} {header(ringing, 'CSeq')}")
        self.the("bob", None, "SIP/2.0 501", "PRACK")

    def test_both_sides(self):
        self.start(TalkingLinphone)
        self.alice.dial("bob")
        ringing = self.the(None, "alice", "SIP/2.0 180", "INVITE")
        self.assertEqual(header(ringing, "Require"), "100rel")
        hers = self.the("alice", None, "PRACK")
        self.assertEqual(header(hers, "RAck"), f"{header(ringing, 'RSeq')} {header(ringing, 'CSeq')}")
        self.the(None, "alice", "SIP/2.0 200", "PRACK")
        self.assert_we_acknowledge_bob()
        self.over(self.alice)

    def test_a_caller_who_does_not_know_it(self):
        self.start(TalkingBaresip)
        self.alice.dial("bob")
        ringing = self.the(None, "alice", "SIP/2.0 180", "INVITE")
        self.assertEqual((header(ringing, "Require"), header(ringing, "RSeq")), (None, None))
        self.assert_we_acknowledge_bob()
        self.over(self.alice)


if __name__ == "__main__":
    unittest.main()
