"""Ports that no other test has, in this process or in one that runs beside it."""
import fcntl
import os
import socket
import tempfile

given_ports = set()
SIP_PORTS = range(10000, 11450)  # where the services listen, and
SPOILT_SIP_PORTS = range(11450, 11500)  # where test_capture says what no service may say; so that nobody takes it for what one said
SPOILT_LISTENERS = range(11500, 11550)  # the same for
LISTENERS = range(11550, 12000)  # who listens to their connections; what they say from here and to there is looked at by capture.py
PORTS = range(12000, 20000)  # below what the kernel gives to anybody who asks for none, and below the platform's RTP
CLAIMS = os.open(os.path.join(tempfile.gettempdir(), f"sig-ports-{os.getuid()}"), os.O_CREAT | os.O_RDWR, 0o600)


def claim(port):
    """For this process alone, until it ends: tests that run beside it may have chosen the port and not yet bound it."""
    try:
        fcntl.lockf(CLAIMS, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


def note_spoken(port):
    """What is said from there, or to a listener there, is the service's: capture.py reads the file."""
    if "SPOKEN_PORTS" in os.environ:
        with open(os.environ["SPOKEN_PORTS"], "a", encoding="ascii") as f:
            f.write(f"{port}\n")


def is_free(port, kind):
    with socket.socket(socket.AF_INET, kind) as s:
        try:
            s.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def free_port(kind=socket.SOCK_STREAM, among=PORTS):
    """One of PORTS, given to nobody else."""
    while True:
        port = among[int.from_bytes(os.urandom(4), "big") % len(among)]
        if port not in given_ports and is_free(port, kind) and claim(port):
            given_ports.add(port)
            return port


def free_sip_port():
    """One of SIP_PORTS, free for UDP and TCP alike."""
    while True:
        port = free_port(socket.SOCK_DGRAM, SIP_PORTS)
        if is_free(port, socket.SOCK_STREAM):
            note_spoken(port)
            return port


def free_pair():
    """An even port and the odd one behind it, for RTP and RTCP; returns the even one."""
    while True:
        port = free_port(socket.SOCK_DGRAM) & ~1
        pair = {port, port + 1}
        if all(p in given_ports or (is_free(p, socket.SOCK_DGRAM) and claim(p)) for p in pair) and len(pair & given_ports) == 1:
            given_ports.update(pair)
            return port


def sip_listener():
    """A listening socket for connections of the service, without TLS."""
    port = free_port(among=LISTENERS)
    note_spoken(port)
    return socket.create_server(("127.0.0.1", port))
