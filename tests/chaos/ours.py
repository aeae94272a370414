"""The service under chaos: a stack with a broker, three platforms and a state directory of its own, and who calls it."""
import atexit
import glob
import json
import os
import shutil
import struct
import subprocess
import tempfile
import time

import books
import disturb
import harness
import mover
import regload
import sipp
from harness import Broker, Platform, Stack

ANSWERED = "902121234567"
BRIDGED = {"udp": "902121230021", "tcp": "902121230022", "tls": "902121230023"}  # numbers that lead to the callee over each transport
STATE_MB = 512  # of the file system that the disk-full disturbance fills
CONTACT = "192.0.2.1:5060"
MEDIA_ADDRESS = f"127.{os.urandom(1)[0]}.{os.urandom(1)[0]}.7"  # where nobody else has ports
WIRE_FAULTS = ("differs", "late", "unasked", "cseq")
CALLEE_LEFT = ("ringing", "without_ack", "without_bye")
STRANGERS_S = 60 * harness.SLOW  # in which the orchestrator finds ports whose AllocatePort had no answer: two rounds, each 10 s apart
QUIET_S = 90  # within which everything has to come to rest behind the last call


class Service(Stack):
    """Its platforms are three processes, so that each can be away alone; the media-service is `platform`, whose ledger counts."""

    def __init__(self, users, transports, **settings):
        self.transports = transports
        self.broker_of_mine = Broker(tempfile.mkdtemp(prefix="sig-broker-"), harness.free_port())
        atexit.register(self.tear_down)  # whatever happens before, or instead of, close()
        self.platforms, self.mounted, self.is_down = {}, False, False
        self.broker_of_mine.start()
        self.sips_port, self.callee_port, self.callee_tls_port = harness.free_port(), harness.free_sip_port(), harness.free_port()
        super().__init__(broker_url=self.broker_of_mine.url, events=False, SIPS_PORT=self.sips_port, MEDIA_EXCLUSIVE="on", **settings)
        self.broker = self.broker_of_mine
        self.callees = {"udp": f"sip:callee@127.0.0.1:{self.callee_port}", "tcp": f"sip:callee@127.0.0.1:{self.callee_port};transport=tcp",
                        "tls": f"sip:callee@127.0.0.1:{self.callee_tls_port};transport=tls"}
        self.platforms = {"media": self.platform}
        for name in ("user", "dialplan"):
            folder = os.path.join(self.dir, name)
            os.mkdir(folder)
            self.platforms[name] = Platform(folder, self.pki)
            self.settings[f"{name.upper()}_SERVICE_TARGET_GRPC_URL"] = f"127.0.0.1:{self.platforms[name].port}"
        for platform in self.platforms.values():
            config = platform.config
            config["ledger_rpcs"] = False
            config["rtp"]["quarantine_sec"] = 5
            config["rtp"]["address"] = MEDIA_ADDRESS
            config["users"] += [{"id": f"u{i}", "tenant": "t", "sip": {"username": f"u{i}", "password": f"u{i}-secret"}}
                                for i in range(users)]
            for transport, uri in self.callees.items():
                plan = f"DP_CALLEE_{transport.upper()}"
                config["plans"].append({"id": plan, "tenant": "sentiric_demo", "action": "BRIDGE_CALL", "data": {"target": uri}})
                config["numbers"].append({"number": BRIDGED[transport], "tenant": "sentiric_demo", "plan": plan})
            platform.write_config()
        self.clock = self.own_clock()
        self.mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={STATE_MB}m,mode=0700", "chaos", self.state],
                                      stderr=subprocess.DEVNULL, check=False).returncode == 0

    def ways(self):
        """Options of chaos_load: over what it calls, and is called."""
        options = {"port": self.sip_port, "callee": self.callee_port, "answered": ANSWERED, "bridged": BRIDGED["udp"]}
        if "tcp" in self.transports:
            options["bridged-tcp"] = BRIDGED["tcp"]
        if "tls" in self.transports:
            options.update({"sips": self.sips_port, "pki": self.pki, "bridged-tls": BRIDGED["tls"], "callee-tls": self.callee_tls_port})
        return options

    def own_clock(self):
        """The file that says how far the wall clock of the service is from the machine's; None where the sanitizers want to be loaded first."""
        if harness.SLOW > 1:
            return None
        shim = shutil.copy(os.path.join(harness.BUILD, "lib/clock_shim.so"), self.dir)
        self.env["LD_PRELOAD"] = shim
        self.clock = shim + ".ms"
        with open(self.clock, "wb") as f:
            f.write(bytes(8))
        return self.clock

    def set_clock(self, ms):
        with open(self.clock, "r+b") as f:
            f.write(struct.pack("=q", ms))

    def start(self):
        try:
            for name in ("user", "dialplan"):
                self.platforms[name].start()
            super().start()
            self.mover = mover.Mover(self.runtime, [self.callees[t] for t in self.transports])
            self.events = books.Queue(self.broker, self.mover)
            return self
        except BaseException:
            self.tear_down()
            raise

    def tear_down(self):
        if self.is_down:
            return
        self.is_down = True
        atexit.unregister(self.tear_down)
        for platform in self.platforms.values():
            platform.stop()
        if self.mounted:
            subprocess.run(["umount", "-l", self.state], check=False)
        self.broker_of_mine.destroy()

    def close(self, failed=False):
        try:
            super().close(failed)
        finally:
            self.tear_down()


class Load:
    """chaos_load, whose complaints go to a file."""

    def __init__(self, folder, **options):
        self.calls_path, self.complaints_path = os.path.join(folder, "calls"), os.path.join(folder, "complaints")
        options = {"calls": self.calls_path, **options}
        with open(self.complaints_path, "wb") as err:
            self.process = subprocess.Popen(
                [*harness.WITH_US, harness.binary("chaos_load"), *(t for k, v in options.items() for t in (f"--{k}", str(v)))],
                stdout=subprocess.PIPE, stderr=err, stdin=subprocess.DEVNULL, text=True)

    def finish(self, seconds):
        self.process.terminate()
        out, _ = self.process.communicate(timeout=seconds * harness.SLOW)
        if not out:
            raise AssertionError(f"chaos_load ended with {self.process.returncode}")
        return json.loads(out)

    def complaints(self):
        """(when, Call-ID, what, status) of whatever went wrong."""
        with open(self.complaints_path, encoding="utf-8") as f:
            return [(int(t) / 1000, call_id, what, int(status)) for t, call_id, what, status in map(str.split, f)]


def transports_of(ways):
    """Of callees: those that callers use, and UDP. ways: as caller.h has them"""
    return ["udp", *(["tcp"] if set("tT") & set(ways) else []), *(["tls"] if set("sS") & set(ways) else [])]


def register(port, users, count, rate, *more):
    """reg_load, beside what else goes on."""
    return regload.Load([harness.binary("reg_load"), "--port", str(port), "--users", str(users), "--count", str(count), "--rate",
                         str(rate), "--contact", CONTACT, "--run", f"r{os.urandom(3).hex()}", *more])


def run(args, monkeys, service=Service):
    """monkeys(monkey): does what is to be done, and ends. returns what everybody's books say"""
    with service(args.users, transports_of(args.ways), CALL_ACTORS=args.shards, LOG_LEVEL=args.log_level).start() as stack, tempfile.TemporaryDirectory(prefix="sig-chaos-") as folder:
        first = register(stack.sip_port, args.users, args.users, 500).finish(120)
        before = books.registered(stack)
        wire = books.Wire(stack.sip_port, folder)
        monkey = disturb.Monkey(stack, args.rng, args.shards, args.victims)
        longest = int(args.rate * 3600)  # it is told when it is enough
        load = Load(folder, count=min(longest, args.calls_max), rate=args.rate, hold=args.hold, within=100, seed=args.seed,
                    mix=args.mix, ways=args.ways, **stack.ways())
        sipp_rate = max(1, round(args.rate * 0.05))
        strangers = sipp.start(stack.sip_port, folder, calls=int(sipp_rate * args.seconds), rate=sipp_rate,
                               hold_ms=1000, service=ANSWERED, limit=3000)
        phones = register(stack.sip_port, args.users, int(args.rate * args.seconds * 0.2) + 1, max(1, args.rate * 0.2))
        began = time.time()
        try:
            monkeys(monkey)
        finally:
            load.process.terminate()
        seconds = time.time() - began
        r = {"load": load.finish(QUIET_S * 2), "sipp": sipp.finish(strangers, folder, QUIET_S), "phones": phones.finish(QUIET_S)}
        r["first"], r["seconds"], r["book"], r["complaints"] = first, seconds, monkey.book, load.complaints()
        stack.mover.finish()
        settle(stack, r)
        r["wire"] = wire.finish()
        r["calls"] = books.calls_of(load.calls_path)
        r["events"], r["event_examples"] = books.events_of(r["calls"], stack.events, r["sipp"].ok)
        r["deliveries"], r["doubles"] = stack.events.deliveries, stack.events.doubles
        r["lost_bindings"] = len(set(before) - set(books.registered(stack)))
        r["asked"] = register(stack.sip_port, args.users, args.users, 500, "--query").finish(120)
        r["recovery"] = books.recovery_ms(monkey.book, r["wire"], stack.events)
        r["undisturbed"] = books.undisturbed_ms(monkey.book, r["wire"], stack.events)
        r["restarts"] = {w["name"]: w["restarts"] for w in stack.ctl("status")["workers"]}
        r["ok"] = judge(r, stack)
        if any(good is False for _, good, _ in r["ok"]):
            stack.keep_logs()
        return r


def settle(stack, r):
    """Waits until nothing is under way; what does not come to rest is a finding, no error of ours."""
    r["rest"] = {}
    for what, wait in (("calls", lambda: stack.wait_no_calls(QUIET_S)), ("outbox", lambda: stack.wait_outbox_empty(QUIET_S))):
        try:
            wait()
            r["rest"][what] = 0
        except AssertionError:
            r["rest"][what] = len(stack.calls()) if what == "calls" else stack.outbox()
    time.sleep(2)
    r["ports_late"] = stack.platform.status()["in_use"]
    deadline = time.monotonic() + STRANGERS_S
    while stack.platform.status()["in_use"] and time.monotonic() < deadline:
        time.sleep(0.5)
    r["set_aside"] = glob.glob(os.path.join(stack.state, "quarantine", "*"))
    r["ports"] = stack.platform.status()
    left = books.ports_left(stack.platform)
    r["stolen"] = books.stolen_ports(stack.platform)
    r["ports_left"] = [(p, is_explained(p, r["book"])) for p in left]
    wanted = 3 * sum(k["well"] for k in r["load"]["kinds"].values())
    deadline = time.monotonic() + 30
    while len(stack.events.ids) < wanted and time.monotonic() < deadline:
        time.sleep(0.2)


def is_explained(port, book):
    """Whether the answer to its AllocatePort can have died with the orchestrator: the contract has no way to ask for it again."""
    at = port["t_ms"] / 1000
    return any(d.began - 1.5 < at < d.began + 1.5 for d in book if {"orchestrator", "supervisor"} & set(d.victims))


def edge_deaths(book):
    """With each, the ACK of a refusal that it was about to send: the callee's timer H ends that (RFC 3261 figure 7)."""
    return sum(bool({"sip-edge", "supervisor"} & set(d.victims)) for d in book)


def excused(complaint, book):
    """A new call that was refused while what it needs was away: the policy, no loss."""
    when, _, what, status = complaint
    return what == "call-refused" and status in (500, 503) and any(d.refuses and d.began - 1 < when < d.ended + 11 for d in book)


def judge(r, stack):
    """[(check, good (None: it could not be made), what was found)]"""
    lost = [c for c in r["complaints"] if not excused(c, r["book"])]
    r["refused"] = len(r["complaints"]) - len(lost)
    r["lost"] = lost
    refusing = any(d.refuses for d in r["book"])
    unexplained = [p for p, explained in r["ports_left"] if not explained]
    wire = r["wire"]
    checks = [
        ("every call went as its caller wanted", not lost, f"{len(lost)} lost: {lost[:8]}"),
        ("every request was answered", r["load"]["unanswered"] == 0, f"{r['load']['unanswered']} of {r['load']['requests']}"),
        ("nobody was rung twice for one call", r["load"]["callee"]["doubled"] == 0, r["load"]["callee"]),
        ("nobody who was rung is left in a call", not any(r["load"]["callee"][k] for k in CALLEE_LEFT), r["load"]["callee"]),
        ("each 487 had its ACK, or an edge died with it", r["load"]["callee"]["refusals_unacked"] <= edge_deaths(r["book"]), r["load"]["callee"]),
        ("SIPp's calls", r["sipp"].failed == 0 or refusing, f"{r['sipp'].failed} failed: {r['sipp'].text[:300]}"),
        ("no call is left", not any(r["rest"].values()), r["rest"]),
        ("every port came back", not unexplained, f"left: {unexplained[:5]}"),
        ("no port was taken from another call", not r["stolen"], f"{r['stolen'][:5]}"),
        ("each event once and in order", not any(r["events"].values()), f"{dict(r['events'])}: {r['event_examples'][:5]}"),
        ("the wire", wire and not any(wire[k] for k in WIRE_FAULTS), f"{wire and wire['complaints'][:6]}"),
        ("nobody is blamed for what he did not do", not r["set_aside"], f"set aside as poison: {r['set_aside'][:3]}"),
        ("registrations are as before", r["lost_bindings"] == 0 and r["asked"]["without_contact"] == 0 and r["asked"]["failed"] == 0,
         f"{r['lost_bindings']} bindings lost, asked {r['asked']}"),
        ("phones registered all the while", r["phones"]["failed"] == 0 or any("user-service" in d.victims for d in r["book"]), r["phones"]),
    ]
    for need in () if harness.SLOW > 1 else disturb.NEEDS.values():
        if not getattr(stack, need):
            checks.append((f"a disturbance that needs {need}", None, ""))
    return checks
