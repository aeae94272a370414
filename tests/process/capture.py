"""What the service says on loopback, over UDP and TCP and not over TLS, looked at by tshark while the tests go on.

A dumpcap runs as long as the tests do. It takes what comes from SIP_PORTS, where every stack listens, and what goes to LISTENERS, where
our connections end; what is said to the service is not taken, right or wrong. Each file that is full is looked at, and removed.
"""
import atexit
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
import unittest

import harness
from ports import LISTENERS, SIP_PORTS, SPOILT_LISTENERS, SPOILT_SIP_PORTS

FILE_KB = 10000
FROM, TO = f"{SIP_PORTS[0]}-{SPOILT_SIP_PORTS[-1]}", f"{SPOILT_LISTENERS[0]}-{LISTENERS[-1]}"
EVERYTHING = f"{SIP_PORTS[0]}-{LISTENERS[-1]}"
FILTER = f"udp src portrange {FROM} or tcp src portrange {FROM} or tcp dst portrange {TO} or (tcp portrange {EVERYTHING} and tcp[tcpflags] & tcp-syn != 0)"
# All that the dissectors of SIP and SDP complain about; a datagram, or a part of a stream whose begin is in the same file, that is no SIP.
FAULTS = """(_ws.malformed and not (tcp and sip.continuation and not tcp.completeness & 3)) or sip.unrecognized_header or sip.header_no_colon or sip.header_not_terminated or sip.sec_mechanism.malformed or
sip.Via.sent-by.port.invalid or sip.content_length.invalid or sip.retry_after.invalid or sip.Status-Code.invalid or
sip.authorization.invalid or sip.Session-ID.sess_id.invalid or sdp.invalid_key_param or sdp.invalid_line.no_equal or
sdp.invalid_line.missing_fields or sdp.invalid_line.extra_space or sdp.invalid_conversion or sdp.invalid_media_port or
sdp.invalid_sample_rate or sdp.invalid_media_format or sdp.invalid_crypto_tag or sdp.invalid_crypto_mki_length or
(udp and not sip and udp.length > 12) or (sip.continuation and (udp or tcp.completeness & 3))""".replace("\n", " ")
FIELDS = ("frame.time_epoch", "udp.srcport", "tcp.srcport", "udp.dstport", "sip.Status-Code", "sip.CSeq", "sip.Call-ID", "_ws.expert.message", "tcp.stream", "_ws.col.Info")
# A response copies Via, From, To and CSeq of the request (RFC 3261 §8.2.6.2). Of other methods than such words ("2 0") tshark reads no CSeq; a
# number in From or To it reads as E.164 has it, "+" and digits, which is no matter of SIP.
READABLE_CSEQ = re.compile(r"\d{1,10} [A-Z]{3,15}")
OF_COPIES = {"Invalid SIP Via sent-by-port", "Country Code contains non-decimal digits"}
# In an INVITE to ourselves (docs/replaces.md); nobody else is to see it.
TO_OURSELVES = "Unrecognised SIP header (sentiric-asked-by)"


class Fault:
    def __init__(self, line):
        self.time, udp, tcp, to, self.status, self.cseq, self.call_id, self.experts, self.stream, self.info = (line.split("\t") + [""] * len(FIELDS))[:len(FIELDS)]
        self.to_ourselves = to == udp != ""
        self.port = f"{udp or tcp} ({'UDP' if udp else 'TCP'})"

    def stalls(self):
        """Its stream had a side that took nothing: tshark then takes segments in the middle of a message for a beginning."""
        return self.stream if "ZeroWindow" in self.info or "Window Full" in self.info else None

    def is_none(self):
        """It was the other one's fault, what our response had to repeat; or a header for nobody but us."""
        if self.to_ourselves and self.experts == TO_OURSELVES:
            return True
        unreadable = not all(READABLE_CSEQ.fullmatch(value) for value in self.cseq.split("|"))
        return self.status != "" and (unreadable or set(self.experts.split("|")) <= OF_COPIES)

    def __str__(self):
        return f"{self.time} from port {self.port}: {self.info} ({self.experts}) Call-ID {self.call_id}"


def look_at(path, ports):
    """returns how many packets with SIP of these ports are in it, and the faults among them. Others may run tests beside us."""
    ours = "(" + " or ".join(f"{field} == {port}" for port in ports or (0,) for field in ("udp.srcport", "tcp.srcport", "tcp.dstport")) + ")"
    r = subprocess.run(["nice", "-n", "19", "tshark", "-n", "-r", path, "-d", f"udp.port=={EVERYTHING},sip", "-d", f"tcp.port=={EVERYTHING},sip",
                        "-z", f"io,stat,0,sip and {ours}", "-Y", f"{ours} and ({FAULTS})", "-T", "fields", "-E", "aggregator=|",
                        *(arg for name in FIELDS for arg in ("-e", name))],
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace", check=True)
    lines, _, table = r.stdout.partition("\n===")
    count = int(re.search(r"<>[^|]*\|\s*(\d+) \|", table)[1])
    faults = [Fault(line) for line in lines.split("\n") if "\t" in line]
    stalled = {fault.stalls() for fault in faults} - {None, ""}
    return count, [fault for fault in faults if fault.stream not in stalled or "Continuation" not in fault.info]


class Capture(threading.Thread):
    def __init__(self, ports):
        """ports: a function that tells which are ours."""
        super().__init__(daemon=True)
        self.ports = ports
        self.folder = tempfile.mkdtemp(prefix="sig-capture-")
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        self.messages, self.faults, self.seconds, self.error = 0, [], 0, None
        self.ending = threading.Event()
        self.dumpcap = subprocess.Popen([*harness.WITH_US, "dumpcap", "-q", "-i", "lo", "-B", "32", "-f", FILTER,
                                         "-b", f"filesize:{FILE_KB}", "-w", f"{self.folder}/sip.pcapng"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.said = self.dumpcap.stderr.readline()
        while self.said.startswith("Capturing on"):
            self.said = self.dumpcap.stderr.readline()
        if self.works():
            self.start()

    @classmethod
    def of_all(cls):
        """Of every stack that this process and those it starts will have."""
        handle, path = tempfile.mkstemp(prefix="sig-spoken-")
        os.close(handle)
        atexit.register(os.remove, path)
        os.environ["SPOKEN_PORTS"] = path

        def ports():
            with open(path, encoding="ascii") as f:
                return set(map(int, f))
        return cls(ports)

    def works(self):
        """Whether we may capture at all."""
        return self.said.startswith("File: ")

    def size(self):
        """Bytes that are in files."""
        return sum(os.path.getsize(os.path.join(self.folder, name)) for name in os.listdir(self.folder))

    def full(self):
        """Files that nothing is added to any more."""
        names = sorted(os.listdir(self.folder))
        return [os.path.join(self.folder, name) for name in (names if self.dumpcap.poll() is not None else names[:-1])]

    def look(self):
        for path in self.full():
            began = time.monotonic()
            count, faults = look_at(path, self.ports())
            self.messages += count
            self.faults += [fault for fault in faults if not fault.is_none()]
            self.seconds += time.monotonic() - began
            os.remove(path)

    def run(self):
        try:
            while not self.ending.wait(2):
                self.look()
        except Exception as error:  # said by finish(), to who waits for it
            self.error = error

    def finish(self):
        """Looks at the rest; returns what dumpcap says of what it lost."""
        self.ending.set()
        self.join()
        self.dumpcap.terminate()
        _, said = self.dumpcap.communicate()
        if self.error:
            raise self.error
        self.look()
        return said.strip().splitlines()[-1]


class TestSaid(unittest.TestCase):
    """The last test of a run: all that the service has said meanwhile."""

    def __init__(self, capture):
        super().__init__("test_tshark_finds_no_malformed_sip")
        self.capture = capture

    def test_tshark_finds_no_malformed_sip(self):
        if not self.capture.works():
            self.skipTest("dumpcap: " + self.capture.said.strip())
        lost = self.capture.finish()
        print(f"        {self.capture.messages} packets with SIP of ours, {self.capture.seconds:.1f} s of tshark; {lost}", flush=True)
        self.assertEqual([str(fault) for fault in self.capture.faults[:20]], [])
        self.assertTrue(self.capture.messages > 0 or not self.capture.ports(), "nothing was captured")
