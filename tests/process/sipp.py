"""SIPp as who calls and as who is rung: its own scenario or one of tests/scenario, its statistics read back."""
import collections
import csv
import os
import re
import socket
import subprocess
import tempfile

import harness
from harness import TOP

# gave_up: (when, status that came or 0) of each call that failed
Result = collections.namedtuple("Result", "ok failed text stats code gave_up")
STAMP = re.compile(r"\d{4}-\d\d-\d\d\t[\d:.]+\t(\d+\.\d+): ")


def scenario(name):
    return os.path.join(TOP, "tests/scenario", name)


def argv(folder, sip_port, calls, hold_ms, name):
    """What of SIPp's command line is the same for both. It opens a media port though it sends nothing from it."""
    scenario_args = ["-sf", scenario(name)] if name.endswith(".xml") else ["-sn", name]
    return ["sipp", *scenario_args, "-m", str(calls), "-d", str(hold_ms), "-i", "127.0.0.1", "-p", str(sip_port),
            "-mp", str(harness.free_port(socket.SOCK_DGRAM)), "-nostdin", "-trace_err", "-error_file", f"{folder}/errors",
            "-trace_stat", "-stf", f"{folder}/stat.csv", "-fd", "1"]


def spawn(folder, *words):
    with open(f"{folder}/screen", "w", encoding="utf-8") as out:
        return subprocess.Popen(words, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)


def start(port, folder, calls=1, rate=1, hold_ms=0, service="service", name=None, extra=(), limit=None):
    limit = limit or max(10, int(rate * (hold_ms / 1000 + 2) * 2))
    sip_port = harness.free_port(socket.SOCK_DGRAM)
    return spawn(folder, *argv(folder, sip_port, calls, hold_ms, name or "uac"), "-s", service, "-r", str(rate), "-l", str(limit), *extra,
                 f"127.0.0.1:{port}")


def is_bound(port):
    with open("/proc/net/udp", encoding="ascii") as f:
        return any(line.split()[1].endswith(f":{port:04X}") for line in f.readlines()[1:])


def answer(folder, calls, name="uas", hold_ms=0, extra=()):
    """SIPp as who is rung so many times, ready; it ends by itself after that. Returns the process, for finish(), and the port."""
    port = harness.free_port(socket.SOCK_DGRAM)
    process = spawn(folder, *harness.WITH_US, *argv(folder, port, calls, hold_ms, name), *extra)
    harness.wait_for("SIPp listens", 10, lambda: is_bound(port))
    return process, port


def gave_up(errors):
    """Of its error file: (time.time(), the status that came instead of what it expected; 0: nothing, or a request) of each call that it ended."""
    _, *said = STAMP.split(errors)
    return [(float(at), int(m[1]) if (m := re.search(r"received 'SIP/2\.0 (\d{3})", what)) else 0)
            for at, what in zip(said[::2], said[1::2]) if what.startswith("Aborting call")]


def finish(process, folder, seconds):
    try:
        code = process.wait(seconds * harness.SLOW)
    except subprocess.TimeoutExpired:
        process.kill()
        code = process.wait()
    stats = {}
    with open(f"{folder}/stat.csv", encoding="utf-8", errors="replace") as f:
        for stats in csv.DictReader(f, delimiter=";"):
            pass
    text = ""
    if os.path.exists(f"{folder}/errors"):
        with open(f"{folder}/errors", encoding="utf-8", errors="replace") as f:
            text = f.read()
    return Result(int(stats.get("SuccessfulCall(C)") or 0), int(stats.get("FailedCall(C)") or 0), text[:2000], stats, code, gave_up(text))


def call(port, seconds=60, **kw):
    """Runs SIPp to its end. Keywords as start()."""
    with tempfile.TemporaryDirectory(prefix="sig-sipp-") as folder:
        return finish(start(port, folder, **kw), folder, seconds)
