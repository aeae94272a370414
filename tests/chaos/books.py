"""The books of others: what the broker's queue, the platform's ledger, the wire and the registrar say of the calls."""
import collections
import json
import os
import re
import select
import socket
import subprocess
import threading
import time

import harness
from harness import EXCHANGE, KINDS

EARLY = ("call.started", "call.ended")
KEY = "call.dtmf.received"
MOVED = ("call.transfer.started", "call.transfer.completed")
GAP_MIN_S = 0.02
TERMINATE = "call.terminate.request"


class Queue(harness.Events):
    """The events of each call, without their bodies; who is to be ended or moved by the platform is, as soon as call.answered says he is there."""

    def __init__(self, broker, mover):
        self.mover = mover
        self.ids, self.calls, self.doubles, self.deliveries = set(), collections.defaultdict(list), 0, 0
        self.last, self.gaps = None, []
        super().__init__(broker)

    def command(self, channel, call_id):
        if call_id.startswith("p-"):
            channel.basic_publish(EXCHANGE, TERMINATE, json.dumps({"callId": call_id}).encode())
        elif call_id.startswith("t-"):
            self.mover.todo.put(call_id)

    def take(self, channel, method, properties, body):
        now = time.time()
        if self.last and now - self.last >= GAP_MIN_S:
            self.gaps.append((self.last, now))
        self.last = now
        call_id = json.loads(body).get("callId", "")
        if method.routing_key == "call.answered":
            self.command(channel, call_id)
        with self.lock:
            self.deliveries += 1
            if properties.message_id in self.ids:
                self.doubles += 1
            else:
                self.ids.add(properties.message_id)
                self.calls[call_id].append(method.routing_key)

    def consume(self):
        connection = self.broker.connect()
        channel = connection.channel()
        channel.basic_qos(prefetch_count=200)
        for method, properties, body in channel.consume(self.queue, inactivity_timeout=0.2):
            if self.ending.is_set():
                channel.queue_delete(self.queue)
                return connection.close()
            if method is None:
                continue
            if method.routing_key.startswith("call.") and method.routing_key != TERMINATE:
                self.take(channel, method, properties, body)
            channel.basic_ack(method.delivery_tag)


def events_of(calls, queue, strangers_ok):
    """Compares each call's events with what became of it. returns counts of what is wrong, and examples"""
    wrong, examples = collections.Counter(missing=0, double=0, disorder=0, keys=0, unknown=0), []

    def bad(what, call_id, keys):
        wrong[what] += 1
        examples.append(f"{what}: {call_id} {keys}")
    with queue.lock:
        told = {call_id: tuple(keys) for call_id, keys in queue.calls.items()}
    for call_id, kind, outcome, *_ in calls:
        keys = told.pop(call_id, ())
        main = tuple(k for k in keys if k in KINDS)
        if len(set(main)) < len(main):
            bad("double", call_id, keys)
        elif list(main) != [k for k in KINDS if k in main]:
            bad("disorder", call_id, keys)
        elif not ({"well": main == KINDS, "cancelled": main in ((), EARLY)}.get(outcome, main in ((), EARLY, KINDS))):
            bad("missing", call_id, keys)
        elif outcome == "well" and (keys.count(KEY) != (kind in "hr") or (kind == "t" and tuple(k for k in keys if "transfer" in k) != MOVED)):
            bad("keys", call_id, keys)
    others = [keys for call_id, keys in told.items()]
    if sum(keys == KINDS for keys in others) < strangers_ok or any(keys not in (KINDS, EARLY) for keys in others):
        bad("unknown", "SIPp's", collections.Counter(others))
    return wrong, examples


def ports_left(platform):
    """Allocated and never given back: the ledger's lines."""
    out = {}
    for line in platform.ledger():
        if line["event"] == "allocate":
            out[line["port"]] = line
        elif line["event"] == "release":
            out.pop(line["port"], None)
    return list(out.values())


def stolen_ports(platform, rest_ms=5000):
    """Releases that hit, or could have hit, another call: made in the trace of another call than the allocation; of a port that is free
    for longer than it rests, so that it might have been another's. A repeat within that time, of who did not hear the answer, harms
    nobody. One without a trace is the reconciler's, of a port whose AllocatePort had no answer: wrong when its owner gives it back as well."""
    traces, released, reclaimed, bad = {}, {}, {}, []
    for line in platform.ledger():
        port = line.get("port")
        if line["event"] == "allocate":
            traces[port] = line["trace"]
            reclaimed.pop(port, None)
        elif line["event"] == "release":
            released[port] = line["t_ms"]
            if line["trace"] == "":
                reclaimed[port] = line
            elif line["trace"] != traces.get(port):
                bad.append(line)
        elif line["event"] == "release_unknown":
            if port in reclaimed or line["t_ms"] - released.get(port, 0) >= rest_ms:
                bad.append(line)
    return bad


END_S = 20 * harness.SLOW  # within which dumpcap hands over what it has
# the last thing to be captured (chaos_wire.c)
END = ("OPTIONS sip:end@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bKend;rport\r\nMax-Forwards: 70\r\n"
       "From: <sip:chaos@127.0.0.1>;tag=end\r\nTo: <sip:end@127.0.0.1>\r\nCall-ID: end-of-capture@chaos\r\nCSeq: 1 OPTIONS\r\n"
       "Content-Length: 0\r\n\r\n")


class Wire:
    """dumpcap | chaos_wire, from now on."""

    def __init__(self, port, folder):
        self.port = port
        self.complaints_path = os.path.join(folder, "wire.err")
        self.dumpcap = subprocess.Popen([*harness.WITH_US, "dumpcap", "-q", "-i", "lo", "-B", "64", "-s", "3000", "-P", "-f",
                                         f"udp port {port}", "-w", "-"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=False)
        with open(self.complaints_path, "wb") as err:
            self.reader = subprocess.Popen([*harness.WITH_US, harness.binary("chaos_wire"), str(port)],
                                           stdin=self.dumpcap.stdout, stdout=subprocess.PIPE, stderr=err, text=True)
        self.dumpcap.stdout.close()
        said = self.dumpcap.stderr.readline()
        while said.startswith((b"Capturing on", b"Running as")):
            said = self.dumpcap.stderr.readline()
        self.works = said.startswith(b"File: ")
        if not self.works:
            print("  no capture: " + said.decode().strip(), flush=True)

    def finish(self):
        """What it saw until now; "dropped" are packets that dumpcap lost, "whole" is whether it has come to the end. None without the right
        to capture."""
        if not self.works:
            self.dumpcap.communicate()
            self.reader.communicate()
            return None
        line = self.line_at_end()
        self.dumpcap.terminate()
        tail = self.dumpcap.stderr.read().decode()
        self.dumpcap.wait()
        out, _ = self.reader.communicate(timeout=60)
        with open(self.complaints_path, encoding="utf-8", errors="replace") as f:
            seen = {**json.loads(line or out), "whole": bool(line), "complaints": f.read().splitlines()}
        return {**seen, "dropped": int(m[1]) if (m := re.search(r"received/dropped on interface .*: \d+/(\d+)", tail)) else -1}

    def line_at_end(self):
        """What chaos_wire says when it has seen the last thing; "" when it does not come."""
        deadline = time.monotonic() + END_S
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("127.0.0.1", 0))
            while time.monotonic() < deadline:
                s.sendto(END.format(port=s.getsockname()[1]).encode(), ("127.0.0.1", self.port))
                if select.select([self.reader.stdout], [], [], 1)[0]:
                    return self.reader.stdout.readline()
        return ""


# which gap of the wire is whose: what nobody says while he is away
GAP_OF = {"sip-edge": "any", "supervisor": "any", "kamailio worker": "any", "call-actor": "actor", "orchestrator": "platform"}

FOUND_WITHIN_S = {"kill": 0.8, "freeze": 3}  # a gap that begins so long after a death can still be its doing
BACK_S = 0.5  # so long after a death all is as before


def gaps_of(wire, queue):
    gaps = {name: [(a / 1e6, b / 1e6) for a, b in pairs] for name, pairs in wire["gaps_us"].items()}
    if queue:
        gaps["events"] = list(queue.gaps)
    return lambda who: gaps.get(GAP_OF.get(who.split(".")[0], "events"), [])


def recovery_ms(book, wire, queue, floor_ms=1000 * GAP_MIN_S):
    """Per process: the longest time, around each death of it, without what only a living one lets out. Shorter than floor_ms counts as that."""
    if not wire:
        return {}
    gaps, found = gaps_of(wire, queue), collections.defaultdict(list)
    for d in book:
        if d.kind not in FOUND_WITHIN_S or len(d.victims) != 1:
            continue
        mine = gaps(d.victims[0])
        longest = max((b - a for a, b in mine if a < d.began + FOUND_WITHIN_S[d.kind] and b > d.began), default=0)
        found[d.victims[0] + (", stopped" if d.kind == "freeze" else "")].append(max(floor_ms, longest * 1000))
    return found


def undisturbed_ms(book, wire, queue, floor_ms=1000 * GAP_MIN_S):
    """The same of times in which nobody had died: as long before a death, where all had come back by then. So much of a gap is the load's."""
    if not wire:
        return {}
    gaps, found, window = gaps_of(wire, queue), collections.defaultdict(list), FOUND_WITHIN_S["kill"]
    deaths = sorted((d for d in book), key=lambda d: d.began)
    for before, d in zip(deaths, deaths[1:]):
        if d.began - before.ended < window + BACK_S:
            continue
        for name in {d.victims[0] for d in deaths if len(d.victims) == 1}:
            inside = (b - a for a, b in gaps(name) if d.began - window < b <= d.began)
            found[name].append(max(floor_ms, round(1000 * max(inside, default=0))))
    return found


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


def differ(before, after):
    """How many of the first are not in the second, and the other way round; one that is there twice counts twice."""
    before, after = collections.Counter(before), collections.Counter(after)
    return (before - after).total(), (after - before).total()


def said_twice_again(wire, but_for):
    """How many requests over UDP were said twice or more again. but_for: spans of time in which that may be, by when they were said first"""
    times = collections.Counter(wire["again_us"])
    return sum(n > 1 and not any(a <= us / 1e6 <= b for a, b in but_for) for us, n in times.items())


def failures_of(path):
    """(when, status) of reg_load's."""
    with open(path, encoding="utf-8") as f:
        return [(int(t) / 1000, int(status)) for t, status in map(str.split, f)]


def registered(stack):
    """Every binding, by AOR and Contact."""
    return sorted((r["aor"], r["contact"]) for r in stack.ctl("registrations")["registrations"])


def calls_of(path):
    with open(path, encoding="utf-8") as f:
        return [line.split() for line in f]
