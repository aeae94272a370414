#!/usr/bin/python3
"""Places one call against the service that ./run runs and shows what happened at each process.

usage: scripts/demo.py [NUMBER] [--caller NUMBER] [--seconds S]     (./run demo starts the service when it is not there)

SIPp makes the call; this program is the caller's ear and mouth (RTP), and looks into the service meanwhile.
"""
import argparse
import json
import os
import re
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time

TOP = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
DEV = os.path.join(TOP, "build/dev")
SIGCTL = os.path.join(TOP, "build/bin/sigctl")
RTP_MS = 20


def title(text):
    print(f"\n--- {text} " + "-" * max(3, 100 - len(text)), flush=True)


def wait_for(what, seconds, condition):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    sys.exit(f"demo: {what} did not come about in {seconds} s")


def sigctl(*args):
    return subprocess.run([SIGCTL, *args], capture_output=True, text=True, check=False).stdout


def lines_of(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read().splitlines()
    except FileNotFoundError:
        return []


# --- the call ---


def start_sipp(folder, target, args, rtp_port):
    return subprocess.Popen(
        ["sipp", target, "-sf", os.path.join(TOP, "tests/scenario/demo_call.xml"), "-s", args.number, "-key", "caller",
         args.caller, "-key", "rtp_port", str(rtp_port), "-i", target.rsplit(":", 1)[0], "-m", "1", "-d",
         str(args.seconds * 1000), "-nostdin", "-timeout", "40s", "-trace_msg", "-message_file", f"{folder}/messages"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=folder)


def talk(ear, port, seconds):
    """Sends a packet of noise every 20 ms and counts those that come back as they went."""
    sent, back, delays = {}, 0, []
    for i in range(int(seconds * 1000 / RTP_MS)):
        payload = os.urandom(160)
        sent[payload] = time.monotonic()
        ear.sendto(struct.pack("!BBHII", 0x80, 8, i, i * 160, 0xDE40) + payload, (ear.getsockname()[0], port))
        until = time.monotonic() + RTP_MS / 1000
        while select.select([ear], [], [], max(0, until - time.monotonic()))[0]:
            came = ear.recv(2048)[12:]
            if came in sent:
                back += 1
                delays.append(time.monotonic() - sent.pop(came))
    return int(seconds * 1000 / RTP_MS), back, delays


# --- what each process saw ---


def print_ladder(folder):
    """The SIP messages in SIPp's trace, as the caller saw them."""
    text = "\n".join(lines_of(f"{folder}/messages"))
    first = None
    for head, body in re.findall(r"-{20,} ([^\n]+)\n(.*?)(?=\n-{20,} |\Z)", text, re.S):
        clock = [float(x) for x in head.split()[-1].split(":")]
        at = clock[0] * 3600 + clock[1] * 60 + clock[2]
        first = at if first is None else first
        sent = "message sent" in body.split("\n", 1)[0]
        sip = [line for line in body.split("\n")[1:] if line.strip()]
        if not sip:
            continue
        media = next((line for line in sip if line.startswith("m=")), "")
        arrow = "caller ------> service" if sent else "caller <------ service"
        print(f"  {(at - first) * 1000:8.1f} ms  {arrow}   {sip[0]}" + (f"   [{media}]" if media else ""))


def print_platform(mark, call_id, trace):
    for line in lines_of(f"{DEV}/ledger.jsonl")[mark:]:
        e = json.loads(line)
        if call_id in line or trace in line:
            e.pop("t_ms")
            name = e.pop("rpc", e["event"])
            e.pop("event")
            print(f"  {name:<18} " + "  ".join(f"{k}={v}" for k, v in e.items() if v not in ("", False)))


def print_events(url, call_id):
    program = [os.path.join(TOP, "scripts/events.py"), "--url", url, "show", "--call", call_id]

    def ended():
        out = subprocess.run(["/usr/bin/python3", *program], capture_output=True, text=True, check=False).stdout
        return out if "call.ended" in out else None
    for line in wait_for("call.ended", 10, ended).splitlines():
        print("  " + line)


def print_log(mark, *ids):
    for line in lines_of(f"{DEV}/service.log")[mark:]:
        if any(i in line for i in ids):
            print("  " + line)


def main():
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    a.add_argument("number", nargs="?", default="902121234567")
    a.add_argument("--caller", default="905550000004")
    a.add_argument("--seconds", type=int, default=2)
    args = a.parse_args()
    env = os.environ
    ip = env["SIP_SIGNALING_SERVICE_PUBLIC_IP"].split(",")[0]
    target = f"{ip}:{env['SIP_SIGNALING_SERVICE_SIP_PORT']}"
    ledger_mark, log_mark = len(lines_of(f"{DEV}/ledger.jsonl")), len(lines_of(f"{DEV}/service.log"))

    title("the service before the call (sigctl status)")
    print(sigctl("status").rstrip())
    with tempfile.TemporaryDirectory(prefix="demo-") as folder, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind((ip, 0))
        before = {c["call_id"] for c in json.loads(sigctl("calls", "--json"))["calls"]}
        process = start_sipp(folder, target, args, ear.getsockname()[1])

        def up():
            if process.poll() is not None:
                print_ladder(folder)
                sys.exit(f"demo: the call was not answered: {process.stderr.read().strip()}")
            calls = json.loads(sigctl("calls", "--json") or '{"calls":[]}')["calls"]
            return next((c for c in calls if c["call_id"] not in before and c["state"].lower() == "established"), None)
        call = wait_for("an answered call", 30, up)
        shown = sigctl("calls"), sigctl("call", call["call_id"])
        sent, back, delays = talk(ear, call["rtp_port"], args.seconds / 2)
        code = process.wait(60)

        title(f"the call as the caller saw it: SIP over UDP with {target}")
        print_ladder(folder)
    title("its voice: RTP through the media port that AllocatePort gave")
    print(f"  {sent} packets to {ip}:{call['rtp_port']}, {back} came back"
          + (f", after {sum(delays) / len(delays) * 1000:.1f} ms on average" if delays else ""))
    title("the service while the call was up (sigctl calls, sigctl call ID)")
    print("\n".join("  " + line for line in "\n".join(shown).splitlines()))
    if os.path.exists(f"{DEV}/ledger.jsonl"):
        title("the platform's ledger: the RPCs that orchestrator made, the port taken and given back")
        time.sleep(0.2)  # its lines are written every 50 ms
        print_platform(ledger_mark, call["call_id"], call["trace_id"])
    if os.path.exists(f"{DEV}/broker.url"):
        title("RabbitMQ: what publisher published to sentiric_events")
        print_events(lines_of(f"{DEV}/broker.url")[0], call["call_id"])
    title(f"the log, lines of this call (trace id {call['trace_id']})")
    print_log(log_mark, call["call_id"], call["trace_id"])
    print(f"\ndemo: {'a good call' if code == 0 and back else 'NOT a good call'}", flush=True)
    return 0 if code == 0 and back else 1


try:
    sys.exit(main())
except BrokenPipeError:  # `| head` has seen enough; the rest of what Python holds goes nowhere
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
