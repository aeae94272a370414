"""Softphones that talk without a sound card: each plays a tone and records what it hears; baresip is told what to do over its control
port, linphonec over its input."""
import glob
import json
import os
import re
import socket
import struct
import time

import harness
import peers
from phones import Baresip, Linphone
from ports import free_pair

SOUND = """audio_player aubridge,nowhere
audio_source aufile,{folder}/tone.wav
audio_alert aubridge,alert
ausrc_srate 8000
auplay_srate 8000
rtp_ports {rtp_port}-{rtp_end}
module aufile.so
module aubridge.so
module g711.so
module sndfile.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control}
snd_path {folder}
"""
# What linphone knows; who is not named is enabled.
LINPHONE_CODECS = (("PCMU", 8000), ("PCMA", 8000), ("opus", 48000), ("speex", 16000), ("speex", 8000), ("G729", 8000))
CODEC = """[audio_codec_{n}]
mime={mime}
rate={rate}
enabled={enabled}
"""
TONE_S = 60
RECORDED_BYTES_S = 16000
LOUD = 1000  # the tone has 5656; silence and comfort noise have less than 100


class Talking:
    """What each of them can do: dial(whom), hold(), resume(), hang_up(). It answers whoever calls."""

    def __init__(self, stack, folder, user, transport, sips_port=0, codecs=("PCMU",)):
        self.rtp_port, self.codecs = free_pair(), codecs
        port = sips_port if transport == "tls" else stack.sip_port
        self.domain = f"{self.HOSTS.get(transport, '127.0.0.1')}:{port}"
        super().__init__(folder, user, port, transport, f"{stack.pki}/ca.crt", expires=60)

    def forget(self):
        """Between calls: what is recorded from now on counts as heard."""
        for path in self.recordings():
            os.remove(path)

    def heard_s(self):
        """Seconds of sound."""
        return sum(os.path.getsize(path) for path in self.recordings()) / RECORDED_BYTES_S

    def wait_hears(self, seconds=1):
        """Until so much has been recorded; returns how loud the last of it is."""
        harness.wait_for(f"{self.user} hears for {seconds} s", 15, lambda: self.heard_s() >= seconds)
        newest = max(self.recordings(), key=os.path.getmtime)
        with open(newest, "rb") as f:
            f.seek(-(RECORDED_BYTES_S // 2), os.SEEK_END)  # the header tells the length only when the file is complete
            return peers.loudness(struct.unpack(f"<{RECORDED_BYTES_S // 4}h", f.read(RECORDED_BYTES_S // 2)))


class TalkingBaresip(Talking, Baresip):
    HOSTS = {}

    def files(self, with_):
        super().files(with_)
        self.control_port = harness.free_port()
        with open(os.path.join(self.folder, "config"), "a", encoding="utf-8") as f:
            f.write(SOUND.format(folder=self.folder, rtp_port=self.rtp_port, rtp_end=self.rtp_port + 2, control=self.control_port))
        peers.tone(os.path.join(self.folder, "tone.wav"), TONE_S)
        codecs = ",".join(f"{name}/8000/1" for name in self.codecs)
        self.put("accounts", "<sip:{user}@127.0.0.1:{port};transport={transport}>;auth_user={user};auth_pass={password};"
                             "regint={expires};answermode=auto;audio_codecs={codecs}\n".format(codecs=codecs, **with_))
        self.control = None

    def recordings(self):
        return glob.glob(os.path.join(self.folder, "dump*-dec.wav"))

    def started(self):
        self.connect()

    def connect(self):
        def tried():
            try:
                return socket.create_connection(("127.0.0.1", self.control_port), timeout=5)
            except ConnectionRefusedError:
                return None
        self.control = harness.wait_for(f"{self.user}'s control port", 10, tried)
        self.rest = b""

    def message(self):
        """The next netstring from its control port: an event or a response."""
        while not (found := re.match(rb"(\d+):", self.rest)) or len(self.rest) < found.end() + int(found[1]) + 1:
            data = self.control.recv(65536)
            if not data:
                raise AssertionError(f"{self.user} has closed its control port: {self.text()[-800:]}")
            self.rest += data
        begin, end = found.end(), found.end() + int(found[1])
        text, self.rest = self.rest[begin:end], self.rest[end + 1:]
        return json.loads(text)

    def tell(self, command, params=""):
        """One command; returns what it says to that."""
        token = str(time.monotonic_ns())
        text = json.dumps({"command": command, "params": params, "token": token}).encode()
        self.control.sendall(b"%d:%s," % (len(text), text))
        while (m := self.message()).get("token") != token:
            pass
        if not m["ok"]:
            raise AssertionError(f"{self.user} cannot {command}: {m.get('data')}")
        return m.get("data", "")

    def dial(self, number):
        self.tell("dial", f"sip:{number}@{self.domain}")

    def is_idle(self):
        return "(0)" in self.tell("listcalls")

    def hold(self):
        self.tell("hold")

    def resume(self):
        self.tell("resume")

    def hang_up(self):
        self.tell("hangup")

    def stop(self):
        if self.control is not None:
            self.control.close()
        super().stop()


class TalkingLinphone(Talking, Linphone):
    """Its TLS compares names in certificates: it dials localhost."""

    HOSTS = {"tls": "localhost"}

    def __init__(self, *where, sip=(), **how):
        """sip: lines of that section of its settings."""
        self.sip = sip
        super().__init__(*where, **how)

    def files(self, with_):
        super().files(with_)
        path = os.path.join(self.folder, "rc")
        with open(path, encoding="utf-8") as f:
            text = f.read().replace("audio_rtp_port=-1", f"audio_rtp_port={self.rtp_port}")
        text = text.replace("[sip]\n", "\n".join(("[sip]", *self.sip, "")))
        self.put("rc", text + "".join(CODEC.format(n=n, mime=mime, rate=rate, enabled=int(mime in self.codecs))
                                      for n, (mime, rate) in enumerate(LINPHONE_CODECS)))
        peers.tone(os.path.join(self.folder, "tone.wav"), TONE_S)

    def argv(self):
        return [*super().argv(), "-a"]

    def started(self):
        """Said once, when it has begun."""
        self.order("soundcard use files")
        self.order(f"play {self.folder}/tone.wav")
        self.forget()

    def order(self, line):
        """Waits until it has read that: of lines that come together it may leave all but the first unread."""
        def echoes():
            return re.sub(r"\s", "", self.text()).count(re.sub(r"\s", "", line))  # long ones are folded
        before = echoes()
        self.say(line)
        harness.wait_for(f"{self.user} has read: {line}", 10, lambda: echoes() > before)

    def forget(self):
        """The last call's may still be written: a file of its own for each call."""
        super().forget()
        self.order(f"record {self.folder}/heard{time.monotonic_ns()}.wav")

    def recordings(self):
        return glob.glob(os.path.join(self.folder, "heard*.wav"))

    def is_idle(self):
        """It rings nobody while it has a call, by its own word."""
        text = self.text()
        return text.count(", assigned id ") == len(re.findall(r"Call \d+ (?:to|with|from) .* ended \(", text))

    def dial(self, number):
        harness.wait_for(f"{self.user} has no call", 5, self.is_idle)
        self.say(f"call sip:{number}@{self.domain};transport={self.transport}")

    def hold(self):
        self.say("pause")

    def resume(self):
        self.say("resume")

    def hang_up(self):
        self.say("terminate")
