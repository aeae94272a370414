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
SETTLED = 200  # phones that register once, before anything happens: nothing puts back what is lost of them
SETTLED_PREFIX = "settled"
SETUP_S = 11 * harness.SLOW  # the longest that the service tries before 503, and a second until that is heard
REPEATS_MOST = 4 * harness.SLOW  # of any request, whatever was done: the fifth would be some 12 s behind the first
REPEATED_SHARE = 0.01  # of requests that may be said twice again though only workers were killed: the machine may be a starved one
NEAR_S = 2 * harness.SLOW  # so long before and after something else a request may have to do with it
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
            names = [*(f"u{i}" for i in range(users)), *(f"{SETTLED_PREFIX}{i}" for i in range(SETTLED))]
            config["users"] += [{"id": name, "tenant": "t", "sip": {"username": name, "password": f"{name}-secret"}} for name in names]
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
        register(stack.sip_port, SETTLED, SETTLED, 500, "--prefix", SETTLED_PREFIX).finish(120)
        before = books.registered(stack)
        wire = books.Wire(stack.sip_port, folder)
        monkey = disturb.Monkey(stack, args.rng, args.shards, args.victims)
        longest = int(args.rate * 3600)  # it is told when it is enough
        load = Load(folder, count=min(longest, args.calls_max), rate=args.rate, hold=args.hold, within=100, seed=args.seed,
                    mix=args.mix, ways=args.ways, **stack.ways())
        sipp_rate = max(1, round(args.rate * 0.05))
        r = {"rate": args.rate, "strangers": int(sipp_rate * args.seconds), "first": first}
        strangers = sipp.start(stack.sip_port, folder, calls=r["strangers"], rate=sipp_rate, hold_ms=1000, service=ANSWERED, limit=3000)
        failures = os.path.join(folder, "failures")
        phones = register(stack.sip_port, args.users, int(args.rate * args.seconds * 0.2) + 1, max(1, args.rate * 0.2), "--failures", failures)
        began = time.time()
        try:
            monkeys(monkey)
        finally:
            load.process.terminate()
        seconds = time.time() - began
        r.update(load=load.finish(QUIET_S * 2), sipp=sipp.finish(strangers, folder, QUIET_S), phones=phones.finish(QUIET_S))
        r["seconds"], r["book"], r["complaints"], r["not_registered"] = seconds, monkey.book, load.complaints(), books.failures_of(failures)
        stack.mover.finish()
        settle(stack, r)
        r["wire"] = wire.finish()
        r["calls"] = books.calls_of(load.calls_path)
        r["events"], r["event_examples"] = books.events_of(r["calls"], stack.events, r["sipp"].ok)
        r["deliveries"], r["doubles"] = stack.events.deliveries, stack.events.doubles
        r["bindings"] = len(before)
        r["lost_bindings"], r["new_bindings"] = books.differ(before, books.registered(stack))
        r["bindings_wanted"] = args.users + SETTLED
        r["asked"] = [register(stack.sip_port, cnt, cnt, 500, "--query", "--prefix", prefix).finish(120)
                      for prefix, cnt in (("u", args.users), (SETTLED_PREFIX, SETTLED))]
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
    r["ports_left"], r["stolen"] = books.ports_left(stack.platform), books.stolen_ports(stack.platform)
    wanted = 3 * sum(k["well"] for k in r["load"]["kinds"].values())
    deadline = time.monotonic() + 30
    while len(stack.events.ids) < wanted and time.monotonic() < deadline:
        time.sleep(0.2)


def is_policy(when, status, needed):
    """A new request refused while what it needs was away. needed: the disturbances that took it away"""
    return status == 503 and any(d.began <= when <= d.ended + SETUP_S for d in needed)


def edge_deaths(book):
    """With each, the ACK of a refusal that it was about to send: the callee's timer H ends that (RFC 3261 figure 7)."""
    return sum(bool({"sip-edge", "supervisor"} & set(d.victims)) for d in book)


def excused(complaint, book):
    """A new call that was refused so is no loss."""
    when, _, what, status = complaint
    return what == "call-refused" and is_policy(when, status, refusing(book))


def refusing(book):
    return [d for d in book if d.refuses]


def refused_most(rate, book):
    """No more calls can be refused than come while something is away, and shortly before."""
    return sum(rate * (d.ended - d.began + 2 * NEAR_S) for d in refusing(book))


def sipp_lost(r):
    """SIPp's calls that failed, or never ended, without that excuse."""
    policy = sum(is_policy(when, status, refusing(r["book"])) for when, status in r["sipp"].gave_up)
    return r["strangers"] - r["sipp"].ok - policy


def phones_lost(r):
    """The same of REGISTERs, whose credentials are user-service's."""
    away = [d for d in r["book"] if "user-service" in d.victims]
    return [f for f in r["not_registered"] if not is_policy(*f, away)]


def heard_least(r):
    """What was asked over UDP for certain: an INVITE of each call, both REGISTERs of each phone, INVITE and BYE of SIPp's calls."""
    return sum(call_id.endswith("-u@chaos") for call_id, *_ in r["calls"]) + 2 * r["phones"]["ok"] + 2 * r["sipp"].ok


def is_whole(r):
    wire = r["wire"]
    return wire["whole"] and wire["dropped"] == 0 and wire["heard"] - wire["heard_again"] >= heard_least(r)


def seen_of(wire):
    return {k: wire[k] for k in ("packets", "heard", "heard_again", "dropped", "whole")}


def repeats(r):
    """(share of requests said twice again at a kill, or None; requests said again more often than ever)"""
    others = [(d.began - NEAR_S, d.ended + NEAR_S) for d in r["book"] if d.kind != "kill" or "supervisor" in d.victims]
    share = r["wire"] and books.said_twice_again(r["wire"], others) / max(1, r["wire"]["heard"] - r["wire"]["heard_again"])
    return share, sum(r["load"]["repeated"][REPEATS_MOST + 1:])


def judge(r, stack):
    """[(check, good (None: it could not be made), what was found)]"""
    lost = [c for c in r["complaints"] if not excused(c, r["book"])]
    r["refused"] = len(r["complaints"]) - len(lost)
    r["lost"] = lost
    wire, (share, too_often), most = r["wire"], repeats(r), refused_most(r["rate"], r["book"])
    has_all = [r["bindings_wanted"], 0, 0] == [r["bindings"], r["lost_bindings"], r["new_bindings"]]
    checks = [
        ("every call went as its caller wanted", not lost, f"{len(lost)} lost: {lost[:8]}"),
        ("no more were refused than came while what they need was away", r["refused"] <= most, f"{r['refused']}, at most {most:.0f}"),
        ("every request was answered", r["load"]["unanswered"] == 0, f"{r['load']['unanswered']} of {r['load']['requests']}"),
        ("a kill costs one repeat", share if share is None else share <= REPEATED_SHARE, f"a share of {share} twice or more"),
        ("nothing costs many repeats", too_often == 0, f"{too_often} more than {REPEATS_MOST} times: {r['load']['repeated']}"),
        ("nobody was rung twice for one call", r["load"]["callee"]["doubled"] == 0, r["load"]["callee"]),
        ("nobody who was rung is left in a call", not any(r["load"]["callee"][k] for k in CALLEE_LEFT), r["load"]["callee"]),
        ("each 487 had its ACK, or an edge died with it", r["load"]["callee"]["refusals_unacked"] <= edge_deaths(r["book"]), r["load"]["callee"]),
        ("SIPp's calls", sipp_lost(r) <= 0, f"{sipp_lost(r)} lost, {r['sipp'].failed} failed: {r['sipp'].gave_up[:8]} {r['sipp'].text[:300]}"),
        ("no call is left", not any(r["rest"].values()), r["rest"]),
        ("every port came back", not r["ports_left"], f"left: {r['ports_left'][:5]}"),
        ("no port was taken from another call", not r["stolen"], f"{r['stolen'][:5]}"),
        ("each event once and in order", not any(r["events"].values()), f"{dict(r['events'])}: {r['event_examples'][:5]}"),
        ("the wire", wire and not any(wire[k] for k in WIRE_FAULTS), f"{wire and wire['complaints'][:6]}"),
        ("the capture saw everything", wire and is_whole(r), f"heard less than {heard_least(r)}, or the machine dropped: {wire and seen_of(wire)}"),
        ("nobody is blamed for what he did not do", not r["set_aside"], f"set aside as poison: {r['set_aside'][:3]}"),
        ("registrations are as before", has_all and not any(a["without_contact"] + a["failed"] for a in r["asked"]),
         f"{r['bindings']} of {r['bindings_wanted']}, then {r['lost_bindings']} lost and {r['new_bindings']} new, asked {r['asked']}"),
        ("phones registered all the while", not phones_lost(r), f"{phones_lost(r)[:8]}: {r['phones']}"),
    ]
    for need in () if harness.SLOW > 1 else disturb.NEEDS.values():
        if not getattr(stack, need):
            checks.append((f"a disturbance that needs {need}", None, ""))
    return checks
