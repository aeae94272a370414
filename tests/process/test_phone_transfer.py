"""Real phones that transfer: blind by baresip and by linphone, attended by linphone; who is left hears the other."""
import re
import tempfile
import unittest

from harness import Stack, wait_for
from talking import LOUD, TalkingBaresip, TalkingLinphone

USERS = ("alice", "bob", "carol")


class TransferTest(unittest.TestCase):
    """alice transfers. Nobody is at more than one phone."""

    PHONES = ()

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="sig-phones-")
        cls.addClassCleanup(folder.cleanup)
        cls.stack = Stack(TRUSTED_PEERS="192.0.2.1/32", REGISTER_MIN_S=2)
        cls.addClassCleanup(cls.stack.close)
        cls.stack.platform.config["users"].append(
            {"id": "carol", "tenant": "t", "contacts": [{"type": "sip", "value": "carol"}],
             "sip": {"username": "carol", "password": "carol-secret"}})
        cls.stack.platform.write_config()
        cls.stack.start()
        cls.phones = {}
        for user, kind in zip(USERS, cls.PHONES):
            cls.phones[user] = kind(cls.stack, folder.name, user, "udp")
            cls.addClassCleanup(cls.phones[user].stop)
        for phone in cls.phones.values():
            phone.started()
        wait_for("all are registered", 15, lambda: len(cls.stack.ctl("registrations")["registrations"]) == len(USERS))

    def setUp(self):
        self.addCleanup(self.hang_up_all)
        self.alice, self.bob, self.carol = self.phones.values()
        for phone in self.phones.values():
            phone.forget()

    def hang_up_all(self):
        """A test that went wrong leaves no call to the next one."""
        for call in self.stack.calls():
            self.stack.ctl("hangup", call["call_id"], check=False)
        self.stack.wait_no_calls()

    def call(self, who, to):
        """The new call's id, once both hear each other."""
        before = {c["call_id"] for c in self.stack.calls()}
        self.phones[who].dial(to)
        call = wait_for("they talk", 15, lambda: [c["call_id"] for c in self.stack.calls() if c["call_id"] not in before
                                                  and c["state"] == "established"])[0]
        self.hear(who, to)
        return call

    def hear(self, *users):
        """Each of them hears something for another second and more."""
        for phone in map(self.phones.get, users):
            self.assertGreater(phone.wait_hears(phone.heard_s() + 1.5), LOUD, f"{phone.user} hears nothing")

    def completed(self, call):
        wait_for("the transfer is completed", 15,
                 lambda: "call.transfer.completed" in self.stack.events.keys_of_call(call))
        self.assertNotIn("call.transfer.failed", self.stack.events.keys_of_call(call))

    def left(self):
        """alice has no call any more, and the two hear each other."""
        wait_for("alice has left", 15, self.alice.is_idle)
        self.hear("bob", "carol")

    def over(self, *calls):
        self.bob.hang_up()
        for call in calls:
            self.stack.events.wait_ended(call)
        self.stack.assert_clean()


class TestBaresip(TransferTest):
    PHONES = (TalkingBaresip, TalkingLinphone, TalkingBaresip)

    def test_blind(self):
        call = self.call("alice", "bob")
        self.alice.tell("transfer", f"sip:carol@{self.alice.domain}")
        self.completed(call)
        self.left()
        self.over(call)

    def test_blind_of_who_called(self):
        call = self.call("bob", "alice")
        self.alice.tell("transfer", f"sip:carol@{self.alice.domain}")
        self.completed(call)
        self.left()
        self.over(call)


class TestLinphone(TransferTest):
    """Who was on hold is no baresip, which records nothing more then."""

    PHONES = (TalkingLinphone, TalkingLinphone, TalkingBaresip)

    def ids(self):
        return re.findall(r"assigned id (\d+)", self.alice.text())

    def test_blind(self):
        call = self.call("alice", "bob")
        self.alice.order(f"transfer sip:carol@{self.alice.domain}")
        self.completed(call)
        self.left()
        self.over(call)

    def test_attended(self):
        first = self.call("alice", "bob")
        one = self.ids()[-1]
        self.alice.hold()
        wait_for("bob is on hold", 10, lambda: re.search(rf"Call {one} with .* is now paused", self.alice.text()))
        before = {first}
        self.alice.order(f"call sip:carol@{self.alice.domain}")
        second = wait_for("alice talks to carol", 15, lambda: [
            c["call_id"] for c in self.stack.calls() if c["call_id"] not in before and c["state"] == "established"])[0]
        self.hear("carol")
        two = self.ids()[-1]
        self.assertNotEqual(one, two)
        self.alice.order(f"transfer {one} --to-call {two}")
        self.completed(first)
        self.left()
        self.over(first, second)


if __name__ == "__main__":
    unittest.main()
