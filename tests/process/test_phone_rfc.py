"""What linphone speaks beyond plain calls: provisionals that it acknowledges and wants acknowledged (RFC 3262), session timers (RFC 4028)."""
import json
import os
import tempfile
import unittest

from harness import KINDS, Stack, wait_for
from talking import LOUD, TalkingBaresip, TalkingLinphone
from ua import header
from media_wire import Wire


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


class TestTimers(RfcTest):
    """Its timers are real ones, so only ours can be made faster: 90 s are 4.5 s of ours."""

    settings = {"SIP_T1_MS": 25}
    sip = ("session_expires_enabled=1", "session_expires_value=60", "session_expires_min_value=60",
           "session_expires_refresher_value=uas")

    def test_we_refresh(self):
        """What it asks for is too short; what it asks for then is granted, and it answers each refresh."""
        self.start(TalkingBaresip)
        self.bob.dial("alice")
        self.assertEqual(header(self.the(None, "bob", "SIP/2.0 422", "INVITE"), "Min-SE"), "90")
        self.assertEqual(header(self.the(None, "bob", "SIP/2.0 200", "INVITE"), "Session-Expires"), "90;refresher=uas")
        wait_for("three refreshes are answered", 12, lambda: len(self.said("bob", None, self.is_refreshed)) >= 3)
        self.over(self.bob)

    def test_it_does_not_refresh_in_time(self):
        """A baresip that knows no timers calls it: it names itself, and its time is not ours."""
        self.sip = (*self.sip[:1], "session_expires_value=90", *self.sip[2:])
        self.start(TalkingBaresip)
        self.alice.dial("bob")
        self.assertEqual(header(self.the("bob", None, "SIP/2.0 200", "INVITE"), "Session-Expires"), "90;refresher=uas")
        for user in ("alice", "bob"):
            self.assertIn("session expired", header(self.the(None, user, "BYE"), "Reason"))
        self.stack.assert_clean()
        ended = json.loads(self.stack.events.all()[-1].body)
        self.assertEqual((ended["reason"], ended["endedBy"]), ("failure", "timer"))

    def test_it_refreshes(self):
        """After 45 s of its own time: with FULL=1 alone."""
        if not os.environ.get("FULL"):
            return
        self.settings = {}
        self.sip = (*self.sip[:1], "session_expires_value=90", *self.sip[2:])
        self.start(TalkingBaresip)
        self.alice.dial("bob")
        wait_for("a refresh is answered", 50, lambda: self.said(None, "bob", self.is_refreshed))
        self.over(self.alice)

    @staticmethod
    def is_refreshed(m):
        return (m.first.startswith("SIP/2.0 200 ") and header(m, "CSeq").endswith(" UPDATE")
                and header(m, "Session-Expires") is not None)


if __name__ == "__main__":
    unittest.main()
