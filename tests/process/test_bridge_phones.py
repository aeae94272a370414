"""Calls between real phones: baresip and linphone ring each other, whatever each of them registered and called over; both hear each other."""
import glob
import os
import tempfile
import unittest

import harness
import peers
from harness import KINDS, Stack, wait_for
from phones import Baresip, Linphone

SOUND = """audio_player aubridge,nowhere
audio_source aufile,{folder}/tone.wav
audio_alert aubridge,alert
ausrc_srate 8000
auplay_srate 8000
rtp_ports 38500-38900
module aufile.so
module aubridge.so
module g711.so
module sndfile.so
snd_path {folder}
"""


class Answering(Baresip):
    """Picks up whoever calls, plays a tone and records what it hears."""

    def files(self, with_):
        super().files(with_)
        with open(os.path.join(self.folder, "config"), "a", encoding="utf-8") as f:
            f.write(SOUND.format(folder=self.folder))
        peers.tone(os.path.join(self.folder, "tone.wav"), 20)
        self.put("accounts", "<sip:{user}@127.0.0.1:{port};transport={transport}>;auth_user={user};auth_pass={password};"
                             "regint={expires};answermode=auto;audio_codecs=PCMU/8000/1\n".format(**with_))

    def recordings(self):
        return glob.glob(os.path.join(self.folder, "dump*-dec.wav"))

    def has_heard(self, octets):
        return any(os.path.getsize(path) > octets for path in self.recordings())

    def loudness(self):
        return max((peers.loudness(peers.samples_of(path)) for path in self.recordings()), default=0)


class TestPhones(unittest.TestCase):
    def test_they_hear_each_other(self):
        for callee, caller in (("udp", "udp"), ("tcp", "udp"), ("tls", "tcp"), ("udp", "tls")):
            with self.subTest(callee=callee, caller=caller):
                self.talks(callee, caller)

    def talks(self, callee, caller):
        sips = harness.free_port()
        with Stack(SIPS_PORT=sips, REGISTER_MIN_S=2).start() as stack, tempfile.TemporaryDirectory(prefix="sig-phones-") as folder:
            def port(transport):
                return sips if transport == "tls" else stack.sip_port
            phone = Answering(folder, "alice", port(callee), callee, f"{stack.pki}/ca.crt", expires=60)
            try:
                wait_for("the phone is registered", 10, lambda: stack.ctl("registrations")["registrations"])
                heard = peers.baresip(port(caller), folder, "902121230004", 4, transport=caller, ca=f"{stack.pki}/ca.crt")
                self.assertTrue(heard.established, heard.text[-2000:] + phone.text()[-2000:])
                stack.wait_no_calls()
            finally:
                phone.stop()
            self.assertGreater(heard.loudness(), 1000, "the caller heard nothing")
            self.assertGreater(phone.loudness(), 1000, "the callee heard nothing")
            stack.assert_clean()
            self.assertEqual([keys for keys in stack.events.by_call().values()], [list(KINDS)])

    def test_linphone_proves_who_he_is_and_rings_baresip(self):
        with Stack(TRUSTED_PEERS="192.0.2.1/32", REGISTER_MIN_S=2).start() as stack, tempfile.TemporaryDirectory(prefix="sig-phones-") as folder:
            alice = Answering(folder, "alice", stack.sip_port, "tcp", f"{stack.pki}/ca.crt", expires=60)
            bob = Linphone(folder, "bob", stack.sip_port, "udp", f"{stack.pki}/ca.crt", expires=60)
            heard = os.path.join(bob.folder, "heard.wav")
            peers.tone(os.path.join(bob.folder, "tone.wav"), 20)
            try:
                wait_for("both are registered", 10, lambda: len(stack.ctl("registrations")["registrations"]) == 2)
                bob.say("soundcard use files", f"play {bob.folder}/tone.wav", f"record {heard}", f"call sip:alice@127.0.0.1:{stack.sip_port}")
                wait_for("a second of his tone", 15, lambda: alice.has_heard(16000))
                bob.say("terminate")
                stack.wait_no_calls()
            finally:
                alice.stop()
                bob.stop()
            self.assertGreater(alice.loudness(), 1000, "alice heard nothing")
            self.assertGreater(peers.loudness(peers.samples_of(heard)), 1000, "bob heard nothing")
            stack.assert_clean()
            self.assertEqual([keys for keys in stack.events.by_call().values()], [list(KINDS)])


if __name__ == "__main__":
    unittest.main()
