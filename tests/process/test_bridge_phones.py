"""Calls between real phones: baresip rings baresip, whatever each of them registered and called over; both hear each other."""
import glob
import os
import struct
import tempfile
import unittest
import wave

import harness
import peers
from harness import KINDS, Stack, wait_for
from phones import Baresip

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

    def loudness(self):
        samples = ()
        for path in glob.glob(os.path.join(self.folder, "dump*-dec.wav")):
            with wave.open(path) as w:
                data = w.readframes(w.getnframes())
                samples = struct.unpack(f"<{len(data) // 2}h", data[:len(data) // 2 * 2])
        return peers.Heard("", samples).loudness()


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


if __name__ == "__main__":
    unittest.main()
