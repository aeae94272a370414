#!/usr/bin/python3
"""What a transport costs: CPU of sip-edge per OPTIONS (it answers by itself) and per call, over UDP, TCP and TLS.

usage: tests/bench/transports.py [--seconds N] [--rate N]

"sipp" sends one request after the other at a rate; "window" keeps 100 under way on one connection and goes as fast as it can.
The machine is shared and the sender is in the same run, so CPU per message counts, not messages a second.
"""
import argparse
import os
import select
import socket
import sys
import tempfile
import time

TOP = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
sys.path.insert(0, os.path.join(TOP, "tests/process"))

import harness  # noqa: E402
import sipp  # noqa: E402
from stream_ua import tls_context  # noqa: E402
from ua import Call, Ua  # noqa: E402

WINDOW = 100
SCENARIO = """<?xml version="1.0" encoding="UTF-8"?>
<scenario name="options">
  <send retrans="500"><![CDATA[

    OPTIONS sip:ping@[remote_ip]:[remote_port] SIP/2.0
    Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
    Max-Forwards: 70
    From: <sip:bench@[local_ip]:[local_port]>;tag=[call_number]
    To: <sip:ping@[remote_ip]:[remote_port]>
    Call-ID: [call_id]
    CSeq: 1 OPTIONS
    Content-Length: 0

  ]]></send>
  <recv response="200"/>
</scenario>
"""


def cpu_us(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        fields = f.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1_000_000 // os.sysconf("SC_CLK_TCK")


def by_sipp(stack, mode, rate, seconds):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "options.xml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(SCENARIO)
        r = sipp.call(stack.sip_port, calls=rate * seconds, rate=rate, name=path, limit=rate * 5, seconds=seconds * 4 + 60,
                      extra=("-t", mode, "-max_socket", "2000"))
    return r.ok, r.failed


def calls(stack, mode, rate, seconds):
    r = sipp.call(stack.sip_port, calls=rate * seconds, rate=rate, service="902121234567", seconds=seconds * 4 + 60,
                  limit=rate * 5, extra=("-t", mode, "-max_socket", "2000"))
    return r.ok, r.failed


def by_window(port, context, seconds):
    """Answers counted by their status lines; nothing is parsed, so that the sender is not what is measured."""
    raw = socket.create_connection(("127.0.0.1", port))
    sock = context.wrap_socket(raw) if context else raw
    text = Call(Ua(1)).text("OPTIONS", 1, "z9hG4bKbench").encode()
    sock.sendall(text * WINDOW)
    done, rest, end = 0, b"", time.monotonic() + seconds
    while time.monotonic() < end:
        if not (context and sock.pending()):
            select.select([sock], [], [], 5)
        data = rest + sock.recv(262144)
        got = data.count(b"SIP/2.0 200")
        rest = data[-10:] if not data.endswith(b"\r\n\r\n") else b""
        done += got
        if got:
            sock.sendall(text * got)
    sock.close()
    return done, 0


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--seconds", type=int, default=10)
    p.add_argument("--rate", type=int, default=2000)
    a = p.parse_args()
    tls_port = harness.free_port()
    with harness.Stack(events=False, SIPS_PORT=tls_port).start() as stack:
        pid = stack.worker("sip-edge")["pid"]
        runs = {
            "UDP, sipp": lambda: by_sipp(stack, "u1", a.rate, a.seconds),
            "TCP, sipp, one connection": lambda: by_sipp(stack, "t1", a.rate, a.seconds),
            "TCP, sipp, one each": lambda: by_sipp(stack, "tn", a.rate // 4, a.seconds),
            "TCP, window": lambda: by_window(stack.sip_port, None, a.seconds),
            "call, UDP": lambda: calls(stack, "u1", a.rate // 10, a.seconds),
            "call, TCP, one connection": lambda: calls(stack, "t1", a.rate // 10, a.seconds),
            "call, TCP, one each": lambda: calls(stack, "tn", a.rate // 10, a.seconds),
            "TLS, window": lambda: by_window(tls_port, tls_context(stack.pki), a.seconds),
        }
        print("| way | answered | failed | per second | CPU us of sip-edge each |\n|---|---:|---:|---:|---:|")
        for name, work in runs.items():
            before, began = cpu_us(pid), time.monotonic()
            ok, failed = work()
            took, cost = time.monotonic() - began, cpu_us(pid) - before
            print(f"| {name} | {ok} | {failed} | {ok / took:.0f} | {cost / max(1, ok):.1f} |", flush=True)


if __name__ == "__main__":
    main()
