"""What goes over loopback between some UDP ports, while it goes: RTP packets and SIP messages, as dumpcap sees them."""
import collections
import struct
import subprocess
import threading
import time

import harness
from ua import header, parse, status

Rtp = collections.namedtuple("Rtp", "at source target type")  # at: time.monotonic() of its arrival
Sip = collections.namedtuple("Sip", "source target message")
UDP_AT, PCAP_HEADER, PACKET_HEADER = 34, 24, 16
QUIET_S = 0.4  # at 50 packets a second


class Wire(threading.Thread):
    """From and to one port for SIP and some for RTP."""

    def __init__(self, sip_port, *rtp_ports):
        super().__init__(daemon=True)
        self.sip_port, self.rtp, self.sip = sip_port, [], []
        self.dumpcap = subprocess.Popen([*harness.WITH_US, "dumpcap", "-q", "-P", "-i", "lo", "-w", "-", "-f",
                                         " or ".join(f"udp port {port}" for port in (sip_port, *rtp_ports))],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.works = bool(self.dumpcap.stdout.read(PCAP_HEADER))
        self.start()

    def run(self):
        while len(head := self.dumpcap.stdout.read(PACKET_HEADER)) == PACKET_HEADER:
            self.take(self.dumpcap.stdout.read(struct.unpack("=8xI4x", head)[0])[UDP_AT:])

    def take(self, udp):
        source, target = struct.unpack_from("!HH", udp)
        data = udp[8:]
        if self.sip_port in (source, target):
            self.sip.append(Sip(source, target, parse(data, source)))
        elif len(data) >= 12 and data[0] >> 6 == 2:
            self.rtp.append(Rtp(time.monotonic(), source, target, data[1] & 0x7f))

    def close(self):
        harness.stop_process(self.dumpcap, 5)
        self.join()
        self.dumpcap.stdout.close()

    def flow(self, source=None, target=None, since=0.0):
        """RTP packets that went there since then."""
        return [p for p in self.rtp if p.at >= since and source in (None, p.source) and target in (None, p.target)]

    def wait_flow(self, source=None, target=None, type_=None, packets=25):
        """Until so many have gone there from now on; the last of them with this payload type."""
        now = time.monotonic()

        def flows():
            seen = self.flow(source, target, now)
            return len(seen) >= packets and (type_ is None or {p.type for p in seen[-packets // 2:]} == {type_})
        harness.wait_for(f"RTP from {source} to {target} with type {type_}", 10, flows)

    def wait_quiet(self, source=None, target=None):
        """Until none has gone there for a while."""
        now = time.monotonic()

        def quiet():
            last = max((p.at for p in self.flow(source, target, now)), default=now)
            return time.monotonic() > last + QUIET_S
        harness.wait_for(f"no RTP from {source} to {target}", 10, quiet)

    def answers(self, target):
        """The session descriptions of our 2xx to INVITE that went to this port, oldest first, repeats left out."""
        seen = {}
        for source, to, m in list(self.sip):
            if (source, to) == (self.sip_port, target) and status(m) == 200 and header(m, "CSeq").endswith(" INVITE"):
                seen.setdefault((header(m, "Call-ID"), header(m, "CSeq")), Session(m.body))
        return list(seen.values())


class Session:
    """A session description with one stream of audio."""

    def __init__(self, text):
        lines = [line for line in text.split("\r\n") if line]
        _, self.id, self.version = next(line for line in lines if line.startswith("o="))[2:].split()[:3]
        media = next(line for line in lines if line.startswith("m=audio ")).split()
        self.port, self.types = int(media[1]), [int(t) for t in media[3:]]
        self.direction = next((line[2:] for line in lines if line in ("a=sendonly", "a=recvonly", "a=inactive")), "sendrecv")

    def __repr__(self):
        return f"{self.direction} {self.types} at {self.port}, version {self.version}"
