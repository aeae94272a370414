#!/usr/bin/python3
"""What one call costs: CPU of each of our processes at a rate, beside the floor measured in the same run; memory per call.

usage: tests/bench/bench.py [--rates 200,1000] [--seconds 15] [--hold 5000] [--json FILE]     (make bench builds first)

A call is SIPp's own uac scenario: INVITE, ACK, one second, BYE; behind it FindUserByContact, ResolveDialplan, AllocatePort,
a hole punch, ReleasePort over mutual TLS, and three confirmed events. The floor is the least that the same libraries need
on the client side: four RPCs (floor_grpc, 50 in flight), three confirmed publishes (floor_amqp, 500 in flight) and SIPp's
own uas, all at the same rate. CPU is user and system time of all threads, from /proc/PID/stat.
"""
import argparse
import glob
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../process"))
sys.dont_write_bytecode = True
import harness  # noqa: E402
import sipp  # noqa: E402
import ua  # noqa: E402

TICK_US = 1e6 / os.sysconf("SC_CLK_TCK")
TARGET_RATIO = 2.0
WARM_UP_CALLS = 500
PROBE_RATE = 20


def cpu_us(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        fields = f.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * TICK_US


def wake_ups(pid):
    """How often a thread of the process went to sleep and was woken: what batching saves."""
    total = 0
    for path in glob.glob(f"/proc/{pid}/task/*/status"):
        with open(path, encoding="utf-8") as f:
            total += next(int(line.split()[1]) for line in f if line.startswith("voluntary_ctxt_switches"))
    return total


def memory_kb(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as f:
        values = {line.split(":")[0]: line.split()[1] for line in f if line.split()[-1] == "kB"}
    return {"pss": int(values["Pss"]), "anon": int(values["Pss_Anon"]), "rss": int(values["Rss"])}


def pids_of(stack):
    pids = {"supervisor": stack.process.pid}
    pids.update({w["name"]: w["pid"] for w in stack.ctl("status")["workers"]})
    return pids


def percentile(values, p):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * p))] if values else float("nan")


class Probe(threading.Thread):
    """A caller beside the load, PROBE_RATE calls a second: INVITE to 200 to the microsecond; SIPp counts milliseconds."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.times, self.ending = port, [], threading.Event()
        self.start()

    def run(self):
        with ua.Ua(self.port) as caller:
            while not self.ending.wait(1 / PROBE_RATE):
                call = ua.Call(caller).invite()
                begin = time.monotonic()
                answer = call.final(30)
                if ua.status(answer) == 200:
                    self.times.append((answer.at - begin) * 1000)
                    call.ack(answer)
                    call.bye(30)

    def finish(self):
        self.ending.set()
        self.join(60)
        return self.times


def load(port, calls, rate, hold_ms, service="902121234567"):
    with tempfile.TemporaryDirectory(prefix="sig-sipp-") as folder:
        process = sipp.start(port, folder, calls=calls, rate=rate, hold_ms=hold_ms, service=service,
                             limit=rate * 5 + 1000)
        cpu = 0
        while process.poll() is None:
            try:
                cpu = cpu_us(process.pid)
            except (OSError, IndexError):
                break
            time.sleep(0.05)
        r = sipp.finish(process, folder, calls / rate + 60)
        return r, cpu


# --- the floor ---


def floor_program(name, *args):
    r = harness.run(harness.binary(name), *map(str, args), timeout=300)
    if not r.stdout:
        sys.exit(f"bench: {name}: {r.stderr}")
    return json.loads(r.stdout)["cpu_us_each"]


def floor_uas(calls, rate):
    """CPU per call of SIPp answering SIPp."""
    port = harness.free_port(socket.SOCK_DGRAM)
    media = str(harness.free_port(socket.SOCK_DGRAM))
    uas = subprocess.Popen(["sipp", "-sn", "uas", "-i", "127.0.0.1", "-p", str(port), "-mp", media, "-nostdin"],
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        before = cpu_us(uas.pid)
        r, _ = load(port, calls, rate, 1000)
        if uas.poll() is not None or r.ok == 0:
            sys.exit(f"bench: SIPp's uas answered {r.ok} of {calls} calls")
        return (cpu_us(uas.pid) - before) / r.ok
    finally:
        harness.stop_process(uas, 2)


def floor(stack, broker, calls, rate):
    target = f"127.0.0.1:{stack.platform.port}"
    rpcs = ("floor_grpc", "--target", target, "--pki", stack.pki, "--calls", calls, "--rate", rate)
    publishes = ("floor_amqp", "--target", broker.host, "--calls", calls, "--rate", rate)
    return {"grpc": 4 * floor_program(*rpcs, "--in-flight", 50),
            "amqp": 3 * floor_program(*publishes, "--in-flight", 500),
            "uas": floor_uas(calls, rate),
            # For comparison: one call's worth at a time, evenly spaced, nothing to share a wake-up with.
            "alone": 4 * floor_program(*rpcs, "--in-flight", 1) + 3 * floor_program(*publishes, "--in-flight", 3)}


def floor_sum(f):
    return f["grpc"] + f["amqp"] + f["uas"]


# --- the service ---


def measure_rate(stack, rate, seconds):
    load(stack.sip_port, WARM_UP_CALLS, min(rate, 200), 100)
    stack.assert_clean(60)
    pids, calls = pids_of(stack), rate * seconds
    before = {name: cpu_us(pid) for name, pid in pids.items()}
    slept = {name: wake_ups(pid) for name, pid in pids.items()}
    idle_platform = cpu_us(stack.platform.process.pid)
    begin = time.monotonic()
    probe = Probe(stack.sip_port)
    r, sipp_cpu = load(stack.sip_port, calls, rate, 1000)
    times = probe.finish()
    stack.wait_no_calls(60)
    stack.wait_outbox_empty(60)
    took = time.monotonic() - begin
    done = r.ok + len(times)
    cost = {name: (cpu_us(pid) - before[name]) / done for name, pid in pids.items()}
    restarted = [n for n, p in pids_of(stack).items() if p != pids[n]]
    return {"rate": rate, "calls": calls, "ok": r.ok, "failed": calls - r.ok, "seconds": took, "cpu": cost,
            "wake_ups": {name: (wake_ups(pid) - slept[name]) / done for name, pid in pids.items()},
            "sum": sum(cost.values()),
            "p50": percentile(times, 0.5), "p99": percentile(times, 0.99), "restarted": restarted,
            "errors": r.text,
            "retransmissions": int(r.stats.get("Retransmissions(C)") or 0),
            "others": {"sipp": sipp_cpu / done,
                       "platform": (cpu_us(stack.platform.process.pid) - idle_platform) / done}}


def measure_memory(stack, calls):
    """Bytes of each process for one established call: `calls` held at once, beside none."""
    load(stack.sip_port, 20, 20, 0)  # what is made on first use is not a call's
    stack.assert_clean(60)
    pids = pids_of(stack)
    before = {name: memory_kb(pid) for name, pid in pids.items()}
    rate = 500
    with tempfile.TemporaryDirectory(prefix="sig-sipp-") as folder:
        process = sipp.start(stack.sip_port, folder, calls=calls, rate=rate, hold_ms=int(calls / rate * 1000) + 8000,
                             service="902121234567", limit=calls + 100)
        # All established, and what was said about them confirmed: what is left is what a standing call costs.
        harness.wait_for("all calls are up", calls / rate + 10, lambda: stack.ctl("status")["calls"] >= calls)
        stack.wait_outbox_empty(20)
        held = {name: memory_kb(pid) for name, pid in pids.items()}
        r = sipp.finish(process, folder, calls / rate * 3 + 60)
    stack.assert_clean(60)
    after = {name: memory_kb(pid) for name, pid in pids.items()}
    return {"calls": calls, "failed": calls - r.ok, "per_call": {
        n: {k: (held[n][k] - before[n][k]) * 1024 / calls for k in ("pss", "anon")} for n in pids},
        "rss_mb": {n: {"idle": before[n]["rss"] / 1024, "held": held[n]["rss"] / 1024, "after": after[n]["rss"] / 1024}
                   for n in pids}}


# --- tables ---


def print_rate(m, f):
    total = floor_sum(f)
    print(f"\n{m['rate']} calls/s, {m['calls']} calls: {m['failed']} failed, {m['retransmissions']} retransmissions, "
          f"INVITE to 200 p50 {m['p50']:.1f} ms, p99 {m['p99']:.1f} ms")
    print("  CPU us per call      " + "  ".join(f"{n} {v:.1f}" for n, v in m["cpu"].items()))
    print("  wake-ups per call    " + "  ".join(f"{n} {v:.1f}" for n, v in m["wake_ups"].items()))
    print(f"  floor                4 RPCs {f['grpc']:.1f}  3 publishes {f['amqp']:.1f}  SIPp uas {f['uas']:.1f}")
    print(f"  sum {m['sum']:.1f}, floor {total:.1f}, ratio {m['sum'] / total:.2f} (target <= {TARGET_RATIO})")
    print(f"  one call at a time   RPCs and publishes {f['alone']:.1f} instead of {f['grpc'] + f['amqp']:.1f}: "
          f"ratio {m['sum'] / (f['alone'] + f['uas']):.2f}")
    print(f"  beside it            SIPp {m['others']['sipp']:.1f}  local platform {m['others']['platform']:.1f}")
    if m["failed"]:
        print("  " + "\n  ".join(x[:160] for x in m["errors"].split("\n") if "Aborting" in x or x.startswith("SIP/2.0")))
    if m["restarted"]:
        print(f"  RESTARTED: {m['restarted']}")


def print_memory(m):
    print(f"\nmemory with {m['calls']} calls up ({m['failed']} failed)")
    print("  process        RSS idle MB   RSS held MB   after MB   bytes per call (PSS)   (anonymous)")
    for n, v in m["per_call"].items():
        r = m["rss_mb"][n]
        print(f"  {n:<14} {r['idle']:>11.1f}   {r['held']:>11.1f}   {r['after']:>8.1f}"
              f"   {v['pss']:>20.0f}   {v['anon']:>11.0f}")
    print(f"  sum{'':<50} {sum(v['pss'] for v in m['per_call'].values()):>18.0f}   "
          f"{sum(v['anon'] for v in m['per_call'].values()):>11.0f}", flush=True)


def main():
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    a.add_argument("--rates", default="200,1000")
    a.add_argument("--seconds", type=int, default=15)
    a.add_argument("--hold", type=int, default=5000, help="calls held at once for the memory figures; 0: none")
    a.add_argument("--json", help="write all figures there too")
    args = a.parse_args()
    results, good = {"rates": []}, True
    if args.hold:
        with fresh_stack() as stack:
            results["memory"] = measure_memory(stack, args.hold)
        print_memory(results["memory"])
        good = results["memory"]["failed"] == 0
    with fresh_stack() as stack:
        for rate in map(int, args.rates.split(",")):
            f = floor(stack, stack.broker, rate * args.seconds, rate)
            m = measure_rate(stack, rate, args.seconds)
            print_rate(m, f)
            results["rates"].append({**m, "floor": f, "ratio": m["sum"] / floor_sum(f)})
            good = good and m["failed"] == 0 and not m["restarted"]
    if args.json:
        with open(args.json, "w", encoding="utf-8") as f:
            json.dump(results, f, indent=1)
    return 0 if good else 1


def fresh_stack():
    """Memory wants a service that has not grown yet; a ledger line an RPC would be the platform's cost, not ours."""
    stack = harness.Stack(LOG_LEVEL="warn")
    stack.platform.config["ledger_rpcs"] = False
    stack.platform.config["rtp"].update(port_min=18000, port_max=32766)
    stack.platform.write_config()
    stack.events.close()
    stack.events = DrainedQueue(stack.broker)
    return stack.start()


class DrainedQueue:
    """A queue so that events are taken, without a consumer that would cost CPU beside the measurement."""

    def __init__(self, broker):
        connection = broker.connect()
        channel = connection.channel()
        channel.exchange_declare(harness.EXCHANGE, "topic", durable=True)
        channel.queue_declare("bench", durable=True, arguments={"x-max-length": 1000})
        channel.queue_bind("bench", harness.EXCHANGE, "#")
        connection.close()

    def close(self):
        """Goes with the broker."""


if __name__ == "__main__":
    sys.exit(main())
