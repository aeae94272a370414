"""Softphones of other people that stay registered: baresip and linphone, without a sound card."""
import os
import signal
import subprocess

import harness

BARESIP = """sip_listen 127.0.0.1:0
sip_cafile {ca}
sip_verify_server yes
module_path /usr/lib/baresip/modules
module_tmp uuid.so
module_tmp account.so
module_app menu.so
"""
LINPHONE = """[sip]
sip_port=-1
sip_tcp_port=-1
sip_tls_port=-1
use_ipv6=0
root_ca={ca}
verify_server_certs=1
default_proxy=0
[net]
mtu=1300
[rtp]
audio_rtp_port=-1
[proxy_0]
reg_proxy=<sip:localhost:{port};transport={transport}>
reg_identity=<sip:{user}@127.0.0.1>
reg_expires={expires}
reg_sendregister=1
publish=0
[auth_info_0]
username={user}
passwd={password}
"""


class Softphone:
    """Registers as soon as it runs, refreshes before `expires` seconds are over, and unregisters when it is stopped."""

    def __init__(self, folder, user, port, transport, ca, password=None, expires=4):
        self.folder = os.path.join(folder, f"{user}-{transport}")
        os.mkdir(self.folder)
        self.user, self.transport = user, transport
        self.files({"user": user, "port": port, "transport": transport, "ca": ca, "expires": expires,
                    "password": password or f"{user}-secret"})
        with open(os.path.join(self.folder, "out"), "wb") as out:
            self.process = subprocess.Popen([*harness.WITH_US, *self.argv()], cwd=self.folder, stdin=subprocess.PIPE,
                                            stdout=out, stderr=subprocess.STDOUT, env={**os.environ, "HOME": self.folder})

    def put(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as f:
            f.write(text)

    def text(self):
        with open(os.path.join(self.folder, "out"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.leave()
            harness.stop_process(self.process, 5)
        self.process.stdin.close()


class Baresip(Softphone):
    def files(self, with_):
        self.put("config", BARESIP.format(**with_))
        self.put("contacts", "")
        self.put("accounts", "<sip:{user}@127.0.0.1:{port};transport={transport}>;auth_user={user};auth_pass={password};"
                             "regint={expires}\n".format(**with_))

    def argv(self):
        return ["baresip", "-f", self.folder]

    def leave(self):
        self.process.send_signal(signal.SIGTERM)
        self.wait(5)

    def wait(self, seconds):
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass


class Linphone(Softphone):
    """Its TLS compares names in certificates, not addresses: localhost."""

    def files(self, with_):
        self.put("rc", LINPHONE.format(**with_))
        for name in (".local/share/linphone", ".config/linphone"):
            os.makedirs(os.path.join(self.folder, name))

    def argv(self):
        return ["linphonec", "-c", os.path.join(self.folder, "rc")]

    def say(self, *lines):
        self.process.stdin.write("".join(line + "\n" for line in lines).encode())
        self.process.stdin.flush()

    def leave(self):
        try:
            self.say("unregister", "quit")
            self.process.wait(8)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            pass
