"""A local-platform, or its Python peer, running for a test: start, ask, reconfigure, read its ledger, stop."""

import json
import os
import signal
import subprocess
import sys
import time

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TREE, "tests", "peers"))
os.environ["GRPC_VERBOSITY"] = "NONE"  # refused handshakes are what we are after

import grpc  # noqa: E402
import wire  # noqa: E402

user = wire.load("user")
media = wire.load("media")
dialplan = {shape: wire.load("dialplan_" + shape) for shape in ("old", "new")}

FIND = "/sentiric.user.v1.UserService/FindUserByContact"
CREDENTIALS = "/sentiric.user.v1.UserService/GetSipCredentials"
RESOLVE = "/sentiric.dialplan.v1.DialplanService/ResolveDialplan"
ALLOCATE = "/sentiric.media.v1.MediaService/AllocatePort"
RELEASE = "/sentiric.media.v1.MediaService/ReleasePort"
PLAY = "/sentiric.media.v1.MediaService/PlayAudio"
DEADLINE_S = 10


class Platform:
    """One running local-platform with its own configuration, ledger and ports."""

    def __init__(self, command, pki, folder, config, ledger_is_stdout=False):
        """command: the program and its first options; the rest is the same for both."""
        self.command, self.folder, self.pki, self.config = command, folder, pki, config
        self.config_path = os.path.join(folder, "platform.json")
        self.ledger_path = os.path.join(folder, "ledger.jsonl")
        self.errors_path = os.path.join(folder, "stderr.txt")
        self.write()
        args = ["--config", self.config_path, "--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0",
                "--cert", pki + "/platform.crt", "--key", pki + "/platform.key", "--ca", pki + "/ca.crt"]
        if not ledger_is_stdout:
            args += ["--ledger", self.ledger_path]
        with open(self.errors_path, "wb") as errors, open(self.ledger_path, "ab") as ledger:
            self.process = subprocess.Popen(command + args, stderr=errors,
                                            stdout=ledger if ledger_is_stdout else subprocess.PIPE)
        if ledger_is_stdout:
            ready = self.wait_ledger(lambda line: line["event"] == "ready")
        else:
            ready = json.loads(self.process.stdout.readline())
        self.ports = ready["ports"]
        self.channel = self.connect()

    def sibling(self, **rtp):
        """Another one of the same kind (and key pair), with changes to "rtp", which a reload would not take."""
        folder = os.path.join(self.folder, "sibling")
        os.makedirs(folder, exist_ok=True)
        config = dict(self.config, rtp=dict(self.config["rtp"], **rtp))
        return Platform(self.command, self.pki, folder, config)

    def write(self):
        with open(self.config_path + ".new", "w") as f:
            json.dump(self.config, f)
        os.rename(self.config_path + ".new", self.config_path)

    def connect(self, cert="sip-signaling", ca="ca", name="user-service", port=0):
        crt = os.path.join(self.pki, cert + ".crt") if cert else None
        key = os.path.join(self.pki, cert + ".key") if cert else None
        return wire.channel("127.0.0.1:%d" % self.ports[port], crt, key, os.path.join(self.pki, ca + ".crt"), name)

    def ledger(self):
        with open(self.ledger_path) as f:
            return [json.loads(line) for line in f]

    def wait_ledger(self, wanted):
        """The first ledger line for which wanted() holds, waiting for it."""
        until = time.monotonic() + DEADLINE_S
        while time.monotonic() < until:
            for line in self.ledger():
                if wanted(line):
                    return line
            time.sleep(0.01)
        raise AssertionError("ledger line never came")

    def status(self):
        seen = sum(line["event"] == "status" for line in self.ledger())
        self.process.send_signal(signal.SIGUSR1)
        until = time.monotonic() + DEADLINE_S
        while time.monotonic() < until:
            lines = [line for line in self.ledger() if line["event"] == "status"]
            if len(lines) > seen:
                return lines[-1]
            time.sleep(0.01)
        raise AssertionError("no status line")

    def reload(self, **changes):
        self.config.update(changes)
        self.write()
        seen = sum(line["event"] == "reloaded" for line in self.ledger())
        self.process.send_signal(signal.SIGHUP)
        until = time.monotonic() + DEADLINE_S
        while sum(line["event"] == "reloaded" for line in self.ledger()) == seen:
            assert time.monotonic() < until, "reload never came"
            time.sleep(0.01)

    def call(self, path, request, response, channel=None, **kw):
        kw.setdefault("timeout", DEADLINE_S)
        return wire.unary(channel or self.channel, path, request, response, **kw)

    def code(self, *args, **kw):
        """The status of a call that must fail."""
        try:
            self.call(*args, **kw)
        except grpc.RpcError as e:
            return e.code().name
        return "OK"

    def find(self, kind, value):
        return self.call(FIND, user.FindUserByContactRequest(contact_type=kind, contact_value=value),
                         user.FindUserByContactResponse).user

    def resolve(self, caller, number, shape="new"):
        d = dialplan[shape]
        return self.call(RESOLVE, d.ResolveDialplanRequest(caller_contact_value=caller, destination_number=number),
                         d.ResolveDialplanResponse)

    def allocate(self, call="c", **kw):
        return self.call(ALLOCATE, media.AllocatePortRequest(call_id=call), media.AllocatePortResponse, **kw).rtp_port

    def release(self, port):
        return self.call(RELEASE, media.ReleasePortRequest(rtp_port=port), media.ReleasePortResponse).success

    def play(self, port, uri, target="127.0.0.1:9", layout="1_13"):
        m = getattr(media, "PlayAudioRequest_" + layout)
        return self.code(PLAY, m(server_rtp_port=port, audio_uri=uri, rtp_target_addr=target), media.PlayAudioResponse)

    def wait_free(self):
        """Until no port rests or is in use."""
        until = time.monotonic() + DEADLINE_S
        while True:
            s = self.status()
            if s["resting"] == 0 and s["in_use"] == 0:
                return
            assert time.monotonic() < until, "%d in use, %d resting" % (s["in_use"], s["resting"])
            time.sleep(0.05)

    def stop_cleanly(self):
        """SIGTERM; anything but exit code 0 is a failure, told with what the program said last."""
        self.channel.close()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(DEADLINE_S)
        if code != 0:
            with open(self.errors_path) as f:
                raise AssertionError("exit code %d: %s" % (code, f.read()[-4000:]))
