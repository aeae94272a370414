"""Calls between real phones: baresip and linphone ring each other over every transport, and both hear each other."""
import tempfile
import unittest

import harness
from harness import KINDS, Stack, wait_for
from talking import LOUD, TalkingBaresip, TalkingLinphone

TRANSPORTS = ("udp", "tcp", "tls")
USERS = [f"{kind}-{transport}" for kind in ("baresip", "linphone") for transport in TRANSPORTS]


class TestPhones(unittest.TestCase):
    """Six phones, each registered over its transport; whoever is in no call may be in the next."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="sig-phones-")
        cls.addClassCleanup(folder.cleanup)
        sips_port = harness.free_port()
        cls.stack = Stack(TRUSTED_PEERS="192.0.2.1/32", SIPS_PORT=sips_port, REGISTER_MIN_S=2)
        cls.addClassCleanup(cls.stack.close)
        cls.stack.platform.config["users"] += [
            {"id": name, "tenant": "t", "contacts": [{"type": "sip", "value": name}],
             "sip": {"username": name, "password": f"{name}-secret"}} for name in USERS]
        cls.stack.platform.write_config()
        cls.stack.start()
        cls.phones = {}
        for user in USERS:
            kind = TalkingBaresip if user.startswith("baresip") else TalkingLinphone
            cls.phones[user] = kind(cls.stack, folder.name, user, user.partition("-")[2], sips_port)
            cls.addClassCleanup(cls.phones[user].stop)
        for phone in cls.phones.values():
            phone.started()
        wait_for("all are registered", 15, lambda: len(cls.stack.ctl("registrations")["registrations"]) == len(USERS))

    def talk(self, caller, callee):
        with self.subTest(caller=caller, callee=callee):
            both = [self.phones[caller], self.phones[callee]]
            events = set(self.stack.events.by_call())
            for phone in both:
                phone.forget()
            both[0].dial(callee)
            for phone in both:
                self.assertGreater(phone.wait_hears(), LOUD, f"{phone.user} hears nothing")
            both[0].hang_up()
            self.stack.assert_clean()
            wait_for("its events", 5, lambda: [keys for call_id, keys in self.stack.events.by_call().items()
                                              if call_id not in events] == [list(KINDS)])

    def test_baresip_rings_baresip(self):
        for caller, callee in (("udp", "tcp"), ("tcp", "tls"), ("tls", "udp")):
            self.talk(f"baresip-{caller}", f"baresip-{callee}")

    def test_baresip_rings_linphone(self):
        for caller, callee in (("udp", "udp"), ("tcp", "tcp"), ("tls", "tls")):
            self.talk(f"baresip-{caller}", f"linphone-{callee}")

    def test_linphone_rings_baresip(self):
        for caller, callee in (("udp", "tls"), ("tcp", "tcp"), ("tls", "udp")):
            self.talk(f"linphone-{caller}", f"baresip-{callee}")

    def test_linphone_rings_linphone(self):
        self.talk("linphone-tcp", "linphone-tls")


if __name__ == "__main__":
    unittest.main()
