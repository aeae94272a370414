"""SIPp as a caller: its own scenario or one of tests/scenario, its statistics read back."""
import collections
import csv
import os
import socket
import subprocess
import tempfile

import harness
from harness import TOP

Result = collections.namedtuple("Result", "ok failed text stats code")


def scenario(name):
    return os.path.join(TOP, "tests/scenario", name)


def argv(port, folder, calls, rate, hold_ms, service, name, extra, limit):
    """SIPp's command line. It opens a media port though it sends nothing from it."""
    scenario_args = ["-sn", "uac"] if name is None else ["-sf", scenario(name)]
    sip_port, media_port = (str(harness.free_port(socket.SOCK_DGRAM)) for _ in range(2))
    return ["sipp", f"127.0.0.1:{port}", *scenario_args, "-s", service, "-m", str(calls), "-r", str(rate),
            "-d", str(hold_ms), "-l", str(limit), "-i", "127.0.0.1", "-p", sip_port, "-mp", media_port, "-nostdin",
            "-trace_err", "-error_file", f"{folder}/errors", "-trace_stat", "-stf", f"{folder}/stat.csv", "-fd", "1", *extra]


def start(port, folder, calls=1, rate=1, hold_ms=0, service="service", name=None, extra=(), limit=None):
    limit = limit or max(10, int(rate * (hold_ms / 1000 + 2) * 2))
    with open(f"{folder}/screen", "w", encoding="utf-8") as out:
        return subprocess.Popen(argv(port, folder, calls, rate, hold_ms, service, name, extra, limit), cwd=folder,
                                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)


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
            text = f.read()[:2000]
    return Result(int(stats.get("SuccessfulCall(C)") or 0), int(stats.get("FailedCall(C)") or 0), text, stats, code)


def call(port, seconds=60, **kw):
    """Runs SIPp to its end. Keywords as start()."""
    with tempfile.TemporaryDirectory(prefix="sig-sipp-") as folder:
        return finish(start(port, folder, **kw), folder, seconds)
