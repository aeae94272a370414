"""A name server for tests: UDP and TCP on one loopback port, records and misbehaviour said by the test.

    with NameServer() as ns:
        ns.add("h.example", A, "127.0.0.1")                      # ttl=60
        ns.add("_sip._udp.x.example", SRV, (10, 60, 5060, "h.example"))
        ns.add("x.example", NAPTR, (10, 10, "s", "SIP+D2U", "_sip._udp.x.example"))
        ns.behave("slow.example", delay=2)                       # also rcode=, silent=, truncate=, wrong_id=, ...
        ns.asked("h.example", A)                                 # how often
"""
import contextlib
import socket
import socketserver
import struct
import threading
import time

A, CNAME, SOA, AAAA, SRV, NAPTR = 1, 5, 6, 28, 33, 35
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, REFUSED = 0, 1, 2, 3, 5


def wire_name(name):
    out = b""
    for label in filter(None, name.split(".")):
        out += bytes([len(label)]) + label.encode()
    return out + b"\0"


def text(s):
    return bytes([len(s)]) + s.encode()


def wire_data(kind, data):
    if kind == A:
        return socket.inet_aton(data)
    if kind == AAAA:
        return socket.inet_pton(socket.AF_INET6, data)
    if kind == SRV:
        return struct.pack("!HHH", *data[:3]) + wire_name(data[3])
    if kind == NAPTR:
        order, preference, flags, service, replacement = data
        return struct.pack("!HH", order, preference) + text(flags) + text(service) + text("") + wire_name(replacement)
    if kind == CNAME:
        return wire_name(data)
    return data


QUESTION = b"\xc0\x0c"  # a pointer to the name in the question


def record(name, kind, data, ttl):
    """name: text, or bytes as they go out."""
    data = wire_data(kind, data)
    return (name if isinstance(name, bytes) else wire_name(name)) + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data


def read_question(query):
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode())
        at += 1 + query[at]
    kind, = struct.unpack_from("!H", query, at + 1)
    return ".".join(labels).lower(), kind, query[12:at + 5]


class NameServer:
    def __init__(self):
        self.lock = threading.Lock()
        self.records = {}  # (name, type) -> [(data, ttl)]
        self.names = set()
        self.behaviour = {}
        self.log = []  # (name, type, "udp" or "tcp")
        server = self
        handler = type("Udp", (socketserver.BaseRequestHandler,), {"handle": lambda h: server.on_udp(*h.request, h.client_address)})
        stream = type("Tcp", (socketserver.BaseRequestHandler,), {"handle": lambda h: server.on_tcp(h.request)})
        while True:  # the same port for both
            self.udp = socketserver.ThreadingUDPServer(("127.0.0.1", 0), handler)
            self.port = self.udp.server_address[1]
            socketserver.ThreadingTCPServer.allow_reuse_address = True
            try:
                self.tcp = socketserver.ThreadingTCPServer(("127.0.0.1", self.port), stream)
                break
            except OSError:
                self.udp.server_close()
        for s in (self.udp, self.tcp):
            s.daemon_threads = True
            threading.Thread(target=s.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for s in (self.udp, self.tcp):
            s.shutdown()
            s.server_close()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def add(self, name, kind, data, ttl=60):
        with self.lock:
            self.records.setdefault((name, kind), []).append((data, ttl))
            self.names.add(name)

    def clear(self, name, kind):
        with self.lock:
            self.records.pop((name, kind), None)

    def behave(self, name, kind=None, **how):
        """delay=S, rcode=N, silent=True, truncate=True (over UDP), wrong_id=True (a forged reply before the true one)."""
        with self.lock:
            self.behaviour[(name, kind)] = how

    def asked(self, name, kind=None, how=None):
        with self.lock:
            return len([1 for n, k, h in self.log if n == name and kind in (None, k) and how in (None, h)])

    def reply(self, query, how):
        """The reply, and the behaviour of the name."""
        name, kind, question = read_question(query)
        with self.lock:
            self.log.append((name, kind, how))
            act = dict(self.behaviour.get((name, kind)) or self.behaviour.get((name, None)) or {})
            found, seen, owner = [], set(), name
            while (owner, CNAME) in self.records and kind != CNAME and owner not in seen:
                seen.add(owner)
                target, ttl = self.records[(owner, CNAME)][0]
                found.append(record(owner, CNAME, target, ttl))
                owner = target
            found += [record(QUESTION if owner == name else owner, kind, data, ttl) for data, ttl in self.records.get((owner, kind), [])]
            known = name in self.names
        time.sleep(act.get("delay", 0))
        rcode = act.get("rcode", NOERROR if known else NXDOMAIN)
        if rcode != NOERROR:
            found = []
        authority = [] if found else [record("example", SOA, wire_name("ns") + wire_name("a") + struct.pack("!IIIII", 1, 60, 60, 60, 5), 60)]
        if how == "udp" and (act.get("truncate") or sum(map(len, found)) > 1100):
            found, authority, truncated = [], [], 0x0200
        else:
            truncated = 0
        head = query[:2] + struct.pack("!HHHHH", 0x8180 | truncated | rcode, 1, len(found), len(authority), 0)
        return head + question + b"".join(found) + b"".join(authority), act

    def on_udp(self, query, sock, peer):
        reply, act = self.reply(query, "udp")
        if act.get("silent"):
            return
        if act.get("wrong_id"):
            forged = act["wrong_id"]
            for i in range(1, 50):
                sock.sendto(struct.pack("!H", (struct.unpack("!H", query[:2])[0] + i) & 0xffff) + forged(query)[2:], peer)
        with contextlib.suppress(OSError):
            sock.sendto(reply, peer)

    def on_tcp(self, sock):
        with contextlib.suppress(OSError):
            while len(head := sock.recv(2, socket.MSG_WAITALL)) == 2:
                reply, act = self.reply(sock.recv(struct.unpack("!H", head)[0], socket.MSG_WAITALL), "tcp")
                if act.get("silent"):
                    return
                sock.sendall(struct.pack("!H", len(reply)) + reply)
