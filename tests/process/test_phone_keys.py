"""Keys that real phones send in INFO: told to the platform, and passed on between them."""
import json
import tempfile
import unittest

from harness import Stack, wait_for
from talking import LOUD, TalkingLinphone

ECHO = "902121234567"
DTMF = "call.dtmf.received"


class TestLinphone(unittest.TestCase):
    """Two that send keys in INFO and not in the media."""

    SIP = ("use_info=1", "use_rfc2833=0")

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="sig-phones-")
        self.addCleanup(folder.cleanup)
        self.stack = Stack(REGISTER_MIN_S=2).start()
        self.addCleanup(self.stack.close)
        self.phones = [TalkingLinphone(self.stack, folder.name, user, "udp", sip=self.SIP) for user in ("alice", "bob")]
        for phone in self.phones:
            self.addCleanup(phone.stop)
            phone.started()
        wait_for("both are registered", 10, lambda: len(self.stack.ctl("registrations")["registrations"]) == 2)

    def keys(self):
        return [(b["digit"], b["party"]) for b in (json.loads(e.body) for e in self.stack.events.all_json() if e.key == DTMF)]

    def press(self, phone, keys, party):
        before = len(self.keys())
        for key in keys:
            phone.say(key)
        wait_for(f"{keys} of the {party} are told", 10, lambda: len(self.keys()) >= before + len(keys))
        self.assertEqual(self.keys()[before:], [(key, party) for key in keys])

    def test_to_the_platform_and_to_each_other(self):
        alice, bob = self.phones
        for whom in (ECHO, "bob"):
            alice.dial(whom)
            wait_for("they talk", 10, lambda: [c for c in self.stack.calls() if c["state"] == "established"])
            self.press(alice, "15*#0", "caller")
            if whom == "bob":
                self.press(bob, "9", "callee")
                self.assertGreater(bob.wait_hears(), LOUD)
            alice.hang_up()
            self.stack.assert_clean()


if __name__ == "__main__":
    unittest.main()
