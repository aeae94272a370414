#!/usr/bin/python3
"""What a registration costs, beside Kamailio's registrar in the same run: CPU of all processes, and bytes per binding.

usage: tests/bench/bench_register.py [--rates 500,2000] [--seconds 10] [--rounds 3] [--bindings 100000] [--json FILE]

Both are asked by the same program (reg_load): REGISTER, 401, REGISTER with digest (qop=auth), 200. Neither asks anybody for
a password meanwhile: ours has user-service's answers cached (all users were registered before), Kamailio makes the password
from the name. Kamailio keeps its bindings in memory (usrloc db_mode 0), ours in memory and in its store. The two take turns,
and the figures are medians over the rounds with the least and the most beside them.
"""
import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile

import bench
from bench import cpu_us, memory_kb
import harness

USERS = 5000
TXN_S = 34  # longer than timer J, RFC 3261 17.2.2
KAMAILIO = """#!KAMAILIO
debug=0
log_stderror=yes
children={children}
disable_tcp=yes
auto_aliases=no
dns=no
rev_dns=no
listen=udp:127.0.0.1:{port}
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/"
loadmodule "kex.so"
loadmodule "corex.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "auth.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
modparam("usrloc", "db_mode", 0)
modparam("usrloc", "hash_size", 14)
modparam("registrar", "max_expires", 7200)
modparam("registrar", "max_contacts", 10)
modparam("auth", "nonce_count", 1)
modparam("auth", "qop", "auth")
modparam("auth", "nid_pool_no", {children})
modparam("auth", "nc_array_size", 1048576)
request_route {{
    if (method != "REGISTER") {{
        sl_send_reply("405", "Method Not Allowed");
        exit;
    }}
    $var(password) = $tU + "-secret";
    if (!pv_www_authenticate("sentiric_demo", "$var(password)", "0")) {{
        www_challenge("sentiric_demo", "1");
        exit;
    }}
    if ($au != $tU) {{
        sl_send_reply("403", "Forbidden");
        exit;
    }}
    save("location");
}}
"""


class Kamailio:
    """Debian's, in its own folder and session."""

    def __init__(self, children=2):
        self.dir = tempfile.mkdtemp(prefix="sig-kamailio-")
        self.sip_port = harness.free_port(socket.SOCK_DGRAM)
        config = os.path.join(self.dir, "kamailio.cfg")
        with open(config, "w", encoding="utf-8") as f:
            f.write(KAMAILIO.format(port=self.sip_port, children=children))
        self.log = open(os.path.join(self.dir, "log"), "wb")
        self.process = subprocess.Popen([*harness.WITH_US, "kamailio", "-f", config, "-DD", "-E", "-m", "1024", "-M", "16",
                                         "-Y", self.dir], stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL,
                                        start_new_session=True)
        harness.wait_for("Kamailio listens", 10, lambda: not harness.is_free(self.sip_port, socket.SOCK_DGRAM))

    def pids(self):
        return {f"{name}.{pid}": pid for pid, name in harness.processes_of_session(self.process.pid)}

    def close(self):
        harness.stop_process(self.process, 10)
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)


class Ours:
    def __init__(self, users):
        self.stack = harness.Stack(LOG_LEVEL="warn", CREDENTIALS_S=3600, events=False)
        platform = self.stack.platform
        platform.config["ledger_rpcs"] = False
        platform.config["users"] += [{"id": f"u{i}", "tenant": "t", "sip": {"username": f"u{i}", "password": f"u{i}-secret"}}
                                     for i in range(users)]
        platform.write_config()
        self.stack.start()
        self.sip_port = self.stack.sip_port

    def pids(self):
        return bench.pids_of(self.stack)

    def close(self):
        self.stack.close()


runs = 0


def register(port, users, count, rate):
    """reg_load's own figures."""
    global runs
    runs += 1
    r = harness.run(harness.binary("reg_load"), "--port", str(port), "--users", str(users), "--count", str(count), "--rate",
                    str(rate), "--contact", "192.0.2.1:5060", "--run", f"r{os.getpid()}x{runs}", timeout=count / rate + 120)
    if not r.stdout:
        sys.exit(f"bench: reg_load: {r.stderr}")
    return json.loads(r.stdout)


def measure(who, users, rate, seconds):
    pids = who.pids()
    before = {name: cpu_us(pid) for name, pid in pids.items()}
    r = register(who.sip_port, users, rate * seconds, rate)
    cost = {name: (cpu_us(pid) - before[name]) / max(1, r["ok"]) for name, pid in pids.items()}
    return {**r, "cpu": cost, "sum": sum(cost.values())}


def spread(values):
    return f"{statistics.median(values):.1f} ({min(values):.1f} .. {max(values):.1f})"


def print_rate(rate, ours, theirs):
    ratios = [o["sum"] / t["sum"] for o, t in zip(ours, theirs)]
    print(f"\n{rate} registrations/s, {len(ours)} rounds in turns: CPU us per registration, median (least .. most)")
    for name, rounds in (("ours", ours), ("Kamailio", theirs)):
        bad, resent = sum(r["failed"] for r in rounds), sum(r["resent"] for r in rounds)
        p99 = statistics.median(r["p99_ms"] for r in rounds)
        print(f"  {name:<9} {spread([r['sum'] for r in rounds]):<28} failed {bad}, repeated {resent}, p99 {p99:.1f} ms")
    parts = {name: statistics.median(r["cpu"].get(name, 0) for r in ours) for name in ours[0]["cpu"]}
    print("            " + "  ".join(f"{name} {us:.1f}" for name, us in parts.items() if us >= 0.05))
    print(f"  ratio     {statistics.median(ratios):.2f} ({min(ratios):.2f} .. {max(ratios):.2f})", flush=True)
    return statistics.median(ratios)


def memory(who):
    kb = {"pss": 0, "anon": 0}
    for pid in who.pids().values():
        m = memory_kb(pid)
        kb = {k: v + m[k] for k, v in kb.items()}
    return kb


def measure_memory(who, bindings, rate):
    """A thousand users register for TXN_S at the same rate first: what is made once, and the transactions that are kept for
    32 s, are not a binding's."""
    register(who.sip_port, 1000, rate * TXN_S, rate)
    before = memory(who)
    r = register(who.sip_port, bindings, bindings, rate)
    after = memory(who)
    return {**r, **{k: (after[k] - before[k]) * 1024 / (bindings - 1000) for k in before}}


def main():
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    a.add_argument("--rates", default="500,2000")
    a.add_argument("--seconds", type=int, default=10)
    a.add_argument("--rounds", type=int, default=3)
    a.add_argument("--bindings", type=int, default=100000, help="for the memory figures; 0: none")
    a.add_argument("--json", help="write all figures there too")
    args = a.parse_args()
    results, good = {"rates": []}, True
    ours, theirs = Ours(USERS), Kamailio()
    try:
        for who in (ours, theirs):
            register(who.sip_port, USERS, USERS, 1000)
        for rate in map(int, args.rates.split(",")):
            rounds = [(measure(ours, USERS, rate, args.seconds), measure(theirs, USERS, rate, args.seconds))
                      for _ in range(args.rounds)]
            mine, other = ([r[i] for r in rounds] for i in (0, 1))
            ratio = print_rate(rate, mine, other)
            results["rates"].append({"rate": rate, "ours": mine, "kamailio": other, "ratio": ratio})
            good = good and not sum(r["failed"] for r in mine)
    finally:
        ours.close()
        theirs.close()
    if args.bindings:
        print(f"\nmemory of {args.bindings} users with a binding each: bytes per binding, all processes")
        for name, make in (("ours", lambda: Ours(args.bindings)), ("Kamailio", Kamailio)):
            who = make()
            try:
                m = measure_memory(who, args.bindings, 2000)
            finally:
                who.close()
            print(f"  {name:<9} {m['anon']:.0f} anonymous, {m['pss']:.0f} with files and shared memory; failed {m['failed']}",
                  flush=True)
            results[name] = m
            good = good and not m["failed"]
    if args.json:
        with open(args.json, "w", encoding="utf-8") as f:
            json.dump(results, f, indent=1)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
