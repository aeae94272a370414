"""A caller over TCP or TLS: one connection, framed by Content-Length."""
import select
import socket
import ssl
import time

from ua import Ua, as_bytes, parse


def tls_context(pki, cert=None):
    """Verifies the service by the CA of the key pairs; cert: name of our own pair, shown when asked for."""
    context = ssl.create_default_context(cafile=f"{pki}/ca.crt")
    context.check_hostname = False
    if cert:
        context.load_cert_chain(f"{pki}/{cert}.crt", f"{pki}/{cert}.key")
    return context


class StreamUa(Ua):
    transport = "TCP"
    contact_params = ";transport=tcp"

    def __init__(self, port, context=None, name=None, host="127.0.0.1"):
        sock = socket.create_connection((host, port), timeout=10)
        if context is not None:
            self.transport, self.contact_params = "TLS", ";transport=tls"
            sock = context.wrap_socket(sock, server_hostname=name)
        self.take_connection(sock, (host, port))

    def take_connection(self, sock, target):
        self.target, self.sock = target, sock
        self.seen, self.unread, self.rest = [], [], b""
        self.sock.settimeout(30)
        self.port = self.contact_port = self.sock.getsockname()[1]
        self.pongs = 0
        self.closed = False

    def send(self, text):
        self.sock.sendall(as_bytes(text))

    def wait_bytes(self, seconds):
        """False: none came in time."""
        if not getattr(self.sock, "pending", lambda: 0)() and not select.select([self.sock], [], [], max(0, seconds))[0]:
            return False
        try:
            data = self.sock.recv(65536)
        except (ConnectionResetError, ssl.SSLError):
            data = b""
        self.closed = not data
        self.rest += data
        return bool(data)

    def take(self):
        """A whole message out of what has come, or None."""
        while self.rest.startswith(b"\r\n"):
            self.rest = self.rest[2:]
            self.pongs += 1
        head, found, _ = self.rest.partition(b"\r\n\r\n")
        if not found:
            return None
        length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        size = len(head) + 4 + length
        if len(self.rest) < size:
            return None
        data, self.rest = self.rest[:size], self.rest[size:]
        return parse(data, self.target)

    def receive(self, seconds):
        if self.unread:
            return self.unread.pop(0)
        deadline = time.monotonic() + seconds
        while (m := self.take()) is None:
            if self.closed or not self.wait_bytes(deadline - time.monotonic()):
                return None
        self.seen.append(m)
        return m

    def wait_closed(self, seconds=10):
        """True when the other side closes in time; what it still says is kept."""
        deadline = time.monotonic() + seconds
        while not self.closed and time.monotonic() < deadline:
            self.wait_bytes(deadline - time.monotonic())
        return self.closed


class SplitUa(StreamUa):
    """Every byte in a packet of its own; of long messages those at both ends, between them pieces of an odd length."""

    ENDS, PIECE = 1500, 97

    def take_connection(self, sock, target):
        super().take_connection(sock, target)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, text):
        data = as_bytes(text)
        at = 0
        while at < len(data):
            step = self.PIECE if self.ENDS <= at < len(data) - self.ENDS - self.PIECE else 1
            self.sock.sendall(data[at:at + step])
            at += step
