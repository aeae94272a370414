"""Debian's Kamailio as registrar and call proxy under the same calls, killed in the same way: a worker process so often.

Two UDP workers, transactions (tm), bindings in SQLite, written every second (usrloc db_mode 2; written through, mode 1, two workers meet in
SQLite's lock and a tenth of the registrations is refused without any kill). When it ends it is started
again as Debian's unit has it: Restart=on-failure, after systemd's tenth of a second. What the platform answers has no counterpart here.
"""
import contextlib
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time

import books
import disturb
import harness
import ours

CALLEE = "callee"
SCHEMA = "/usr/share/kamailio/db_sqlite"
RESTART_S = 0.1
WORKERS = 2
BACK_S = 5 * harness.SLOW  # for so long nobody may be there to be killed
CONFIG = """#!KAMAILIO
debug=0
log_stderror=yes
children={workers}
disable_tcp=yes
auto_aliases=no
dns=no
rev_dns=no
listen=udp:127.0.0.1:{port}
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/"
loadmodule "kex.so"
loadmodule "corex.so"
loadmodule "tm.so"
loadmodule "tmx.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "db_sqlite.so"
loadmodule "auth.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
modparam("usrloc", "db_url", "sqlite:///{folder}/location.db")
modparam("usrloc", "db_mode", 2)
modparam("usrloc", "timer_interval", 1)
modparam("registrar", "max_expires", 7200)
modparam("auth", "nonce_count", 1)
modparam("auth", "qop", "auth")
modparam("auth", "secret", "the same after a restart")
request_route {{
    if (!mf_process_maxfwd_header("10")) {{
        sl_send_reply("483", "Too Many Hops");
        exit;
    }}
    if (is_method("CANCEL")) {{
        if (t_check_trans()) t_relay();
        exit;
    }}
    if (has_totag()) {{
        loose_route();
        t_relay();
        exit;
    }}
    if (is_method("ACK")) exit;
    t_check_trans();
    if (is_method("REGISTER")) {{
        $var(password) = $tU + "-secret";
        if (!pv_www_authenticate("sentiric_demo", "$var(password)", "0")) {{
            www_challenge("sentiric_demo", "1");
            exit;
        }}
        save("location");
        exit;
    }}
    record_route();
    if (!lookup("location")) {{
        sl_send_reply("404", "Not Found");
        exit;
    }}
    t_relay();
}}
"""


class Kamailio:
    """With somebody who starts it again whenever it ends."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="sig-kamailio-")
        self.sip_port = harness.free_port(socket.SOCK_DGRAM)
        self.config = os.path.join(self.dir, "kamailio.cfg")
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(CONFIG.format(port=self.sip_port, folder=self.dir, workers=WORKERS))
        for name in ("standard", "usrloc"):
            with open(f"{SCHEMA}/{name}-create.sql", encoding="utf-8") as f:
                subprocess.run(["sqlite3", f"{self.dir}/location.db"], stdin=f, check=True)
        subprocess.run(["sqlite3", f"{self.dir}/location.db", "pragma journal_mode=wal"], stdout=subprocess.DEVNULL, check=True)
        self.log = open(os.path.join(self.dir, "log"), "wb")
        self.starts, self.ending = 0, threading.Event()
        self.process = self.spawn()
        harness.wait_for("Kamailio answers", 10, self.answers)
        self.keeper = threading.Thread(target=self.keep, daemon=True)
        self.keeper.start()

    def spawn(self):
        self.starts += 1
        return subprocess.Popen([*harness.WITH_US, "kamailio", "-f", self.config, "-DD", "-E", "-m", "256", "-M", "16", "-Y", self.dir],
                                stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL, start_new_session=True)

    def keep(self):
        while not self.ending.is_set():
            self.process.wait()
            if self.ending.wait(RESTART_S):
                return
            self.process = self.spawn()

    def answers(self):
        """A request to somebody whom it does not know."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s, contextlib.suppress(OSError):
            s.settimeout(0.2)
            s.connect(("127.0.0.1", self.sip_port))
            port = s.getsockname()[1]
            s.send(f"OPTIONS sip:nobody@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{os.urandom(4).hex()}\r\n"
                   f"Max-Forwards: 70\r\nFrom: <sip:us@127.0.0.1>;tag=f\r\nTo: <sip:nobody@127.0.0.1>\r\nCall-ID: is-it-there\r\n"
                   f"CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n".encode())
            return s.recv(4096).startswith(b"SIP/2.0 ")
        return False

    def written(self):
        """How many bindings the database has."""
        with contextlib.closing(sqlite3.connect(f"{self.dir}/location.db", timeout=10)) as db:
            return db.execute("select count(*) from location").fetchone()[0]

    def workers(self):
        return [pid for pid, _ in harness.processes_of_session(self.process.pid) if pid != self.process.pid]

    def close(self):
        self.ending.set()
        harness.stop_process(self.process, 10)
        self.keeper.join(10)
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)


class Monkey(disturb.Monkey):
    missed = 0  # moments at which nobody was there to be killed

    def kill(self, cnt=1):
        deadline = time.monotonic() + BACK_S
        while time.monotonic() < deadline:
            began = time.time()
            with contextlib.suppress(IndexError, ProcessLookupError):
                os.kill(self.rng.choice(self.stack.workers()), signal.SIGKILL)
                self.note("kill", ["kamailio worker"], began)
                return
            time.sleep(0.02)
        self.missed += 1


def judge(r, starts, missed, users):
    """As ours.judge, of the measurement alone: what Kamailio loses is a figure, no fault of ours."""
    well, wire = sum(k["well"] for k in r["load"]["kinds"].values()), r["wire"]
    return [
        ("somebody was killed at each moment", bool(r["book"]) and not missed, f"{missed} without, {len(r['book'])} with"),
        ("Kamailio was started again", starts > 1, f"started {starts} times"),
        ("all phones were registered before", r["first"]["ok"] == users and r["first"]["failed"] == 0, r["first"]),
        ("most calls went well", 2 * well > r["load"]["calls"], f"{well} of {r['load']['calls']}"),
        ("the wire was seen", wire and wire["packets"] > r["load"]["requests"], f"{wire and wire['packets']} packets"),
    ]


def run(args):
    callee_port, served = harness.free_sip_port(), Kamailio()
    port = served.sip_port
    with tempfile.TemporaryDirectory(prefix="sig-chaos-") as folder:
        try:
            ours.register(port, 1, 1, 10, "--prefix", CALLEE, "--contact", f"127.0.0.1:{callee_port}").finish(30)
            first = ours.register(port, args.users, args.users, 200).finish(120)
            harness.wait_for("all bindings are written", 20, lambda: served.written() > first["ok"])  # and the callee's
            wire, monkey = books.Wire(port, folder), Monkey(served, args.rng)
            user = CALLEE + "0"
            load = ours.Load(folder, port=port, callee=callee_port, count=args.calls_max, rate=args.rate, hold=args.hold, within=100,
                             seed=args.seed, mix=args.mix, answered=user, bridged=user)
            phones = ours.register(port, args.users, int(args.rate * args.seconds * 0.2) + 1, max(1, args.rate * 0.2))
            began = time.time()
            disturb.run_kills(monkey, args.seconds, args.every, {"kill": 1})
            load.process.terminate()
            r = {"seconds": time.time() - began, "load": load.finish(240), "phones": phones.finish(120), "first": first}
            r.update(wire=wire.finish(), book=monkey.book, complaints=load.complaints())
            asked = ours.register(port, args.users, args.users, 200, "--query").finish(120)
        finally:
            served.close()
    r.update(lost=r["complaints"], refused=0, lost_bindings=asked["without_contact"] + asked["failed"],
             recovery=books.recovery_ms(r["book"], r["wire"], None))
    r["ok"] = judge(r, served.starts, monkey.missed, args.users)
    print(f"  Kamailio was started {served.starts} times")
    return r
