"""Phones that put a call on hold, take it back, and change its codec: what was agreed in SDP, and what then goes over the wire."""
import tempfile
import unittest

import harness
from harness import KINDS, Stack, wait_for
from talking import LOUD, TalkingBaresip, TalkingLinphone
from media_wire import Wire

ECHO = "902121230001"
PCMU, PCMA = 0, 8


class HoldTest(unittest.TestCase):
    """alice is a baresip, bob one or a linphone; both are there over UDP, so that their SDP is seen."""

    BOB = TalkingBaresip

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="sig-phones-")
        cls.addClassCleanup(folder.cleanup)
        cls.stack = Stack(REGISTER_MIN_S=2).start()
        cls.addClassCleanup(cls.stack.close)
        cls.phones = []
        for kind, user in ((TalkingBaresip, "alice"), (cls.BOB, "bob")):
            cls.phones.append(kind(cls.stack, folder.name, user, "udp", codecs=("PCMU", "PCMA")))
            cls.addClassCleanup(cls.phones[-1].stop)
            cls.phones[-1].started()
        cls.alice, cls.bob = cls.phones
        cls.wire = Wire(cls.stack.sip_port, cls.alice.rtp_port, cls.bob.rtp_port)
        cls.addClassCleanup(cls.wire.close)
        wait_for("both are registered", 10, lambda: len(cls.stack.ctl("registrations")["registrations"]) == 2)

    def setUp(self):
        if not self.wire.works:
            self.skipTest("dumpcap may not capture")
        self.addCleanup(self.hang_up_all)
        self.before = set(self.stack.events.by_call())
        for phone in self.phones:
            phone.forget()

    def hang_up_all(self):
        """A test that went wrong leaves no call to the next one."""
        for call in self.stack.calls():
            self.stack.ctl("hangup", call["call_id"], check=False)
        self.stack.wait_no_calls()

    def ports(self):
        """{user: where its SIP comes from}"""
        rows = self.stack.ctl("registrations")["registrations"]
        return {row["aor"].partition(":")[2].partition("@")[0]: int(row["source"].rpartition(":")[2]) for row in rows}

    def answers(self, phone):
        return self.wire.answers(self.ports()[phone.user])

    def next_answer(self, phone, ask):
        """What it is answered to the INVITE that it sends when ask() is called."""
        count = len(self.answers(phone))
        ask()
        return wait_for(f"an answer to {phone.user}", 5, lambda: self.answers(phone)[count:])[0]

    def talk(self, one, other):
        """Both directions; other: a port when it is no phone."""
        port = getattr(other, "rtp_port", other)
        self.wire.wait_flow(one.rtp_port, port)
        self.wire.wait_flow(port, one.rtp_port)

    def over(self, phone):
        """Who has heard anything has heard the tone. (baresip records nothing more after another codec.)"""
        for each in self.phones:
            self.assertTrue(each.heard_s() == 0 or each.wait_hears(0.5) > LOUD, f"{each.user} hears nothing")
        phone.hang_up()
        self.stack.assert_clean()
        self.assertEqual([keys for call, keys in self.stack.events.by_call().items() if call not in self.before], [list(KINDS)])

    def hold_echo(self, phone):
        """Hold and back again in a call that the platform answers."""
        first = self.next_answer(phone, lambda: phone.dial(ECHO))
        self.talk(phone, first.port)
        held = self.next_answer(phone, phone.hold)
        self.assertEqual((first.direction, held.direction), ("sendrecv", "recvonly"))
        self.assertEqual((held.id, int(held.version), held.port), (first.id, int(first.version) + 1, first.port))
        if isinstance(phone, TalkingBaresip):
            self.wire.wait_quiet(first.port, phone.rtp_port)
        back = self.next_answer(phone, phone.resume)
        self.assertEqual((back.id, int(back.version), back.direction), (held.id, int(held.version) + 1, "sendrecv"))
        self.talk(phone, first.port)
        return back

    def hold_bridged(self, one, other):
        """That one holds reaches the other, who answers and says nothing until it is taken back."""
        held = self.next_answer(one, one.hold)
        self.assertEqual(held.direction, "recvonly")
        self.wire.wait_quiet(other.rtp_port, one.rtp_port)
        back = self.next_answer(one, one.resume)
        self.assertEqual((back.direction, back.id), ("sendrecv", held.id))
        self.talk(one, other)


class TestBaresip(HoldTest):
    def test_hold_of_the_echo(self):
        """A re-INVITE that changes nothing leaves the version of our description as it is (RFC 3264 §8)."""
        back = self.hold_echo(self.alice)
        again = self.next_answer(self.alice, lambda: self.alice.tell("reinvite"))
        self.assertEqual((again.version, again.direction), (back.version, "sendrecv"))
        self.talk(self.alice, back.port)
        self.over(self.alice)

    def test_hold_of_each_other(self):
        self.alice.dial("bob")
        self.talk(self.alice, self.bob)
        self.hold_bridged(self.alice, self.bob)
        self.hold_bridged(self.bob, self.alice)
        self.over(self.bob)

    def test_both_hold(self):
        self.alice.dial("bob")
        self.talk(self.alice, self.bob)
        self.assertEqual(self.next_answer(self.alice, self.alice.hold).direction, "recvonly")
        self.assertEqual(self.next_answer(self.bob, self.bob.hold).direction, "inactive")
        self.wire.wait_quiet()
        self.next_answer(self.alice, self.alice.resume)
        self.next_answer(self.bob, self.bob.resume)
        self.talk(self.alice, self.bob)
        self.over(self.alice)


class TestLinphone(HoldTest):
    """On hold it says sendonly and goes on playing, as with music on hold: what is said to an echo comes back from it."""

    BOB = TalkingLinphone

    def change_codec(self):
        """A re-INVITE without the first codec: it offers what is enabled when it takes a call back."""
        self.next_answer(self.bob, self.bob.hold)
        self.bob.order("codec disable 0")
        self.addCleanup(self.bob.order, "codec enable 0")
        return self.next_answer(self.bob, self.bob.resume)

    def test_hold_of_the_echo(self):
        self.hold_echo(self.bob)
        self.over(self.bob)

    def test_hold_of_each_other(self):
        self.alice.dial("bob")
        self.talk(self.alice, self.bob)
        self.hold_bridged(self.alice, self.bob)
        self.hold_bridged(self.bob, self.alice)
        self.over(self.bob)

    def test_codec_change_with_each_other(self):
        self.alice.dial("bob")
        self.wire.wait_flow(self.bob.rtp_port, self.alice.rtp_port, PCMU)
        self.wire.wait_flow(self.alice.rtp_port, self.bob.rtp_port, PCMU)
        answer = self.change_codec()
        self.assertEqual((answer.direction, answer.types[0]), ("sendrecv", PCMA))
        self.wire.wait_flow(self.bob.rtp_port, self.alice.rtp_port, PCMA)
        self.wire.wait_flow(self.alice.rtp_port, self.bob.rtp_port, PCMA)
        self.over(self.alice)

    def test_codec_change_with_the_echo(self):
        """A re-INVITE with another codec: the answer has it, and so has what comes back."""
        first = self.next_answer(self.bob, lambda: self.bob.dial(ECHO))
        self.assertEqual(first.types[0], PCMU)
        self.wire.wait_flow(first.port, self.bob.rtp_port, PCMU)
        answer = self.change_codec()
        self.assertEqual((answer.direction, answer.types[0]), ("sendrecv", PCMA))
        self.assertNotIn(PCMU, answer.types)
        self.wire.wait_flow(self.bob.rtp_port, first.port, PCMA)
        self.wire.wait_flow(first.port, self.bob.rtp_port, PCMA)
        self.over(self.bob)


if __name__ == "__main__":
    unittest.main()
