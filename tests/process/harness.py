"""A private copy of everything the service needs, and of the service itself, for one test at a time.

Broker      RabbitMQ in its own folder (scripts/broker.sh); one for the whole run
Events      what one test's queue has received, collected by a thread
Platform    build/bin/local-platform with its ledger
Stack       the supervisor with its own settings, ports, state and runtime directory

Nothing here sleeps for a fixed time: wait_for() waits for a state with a deadline.
"""
import atexit
import collections
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pika

from ports import free_port, free_sip_port, is_free  # noqa: F401 (also for those who import harness)

TOP = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
BUILD = os.path.join(TOP, os.environ.get("BUILD", "build"))
WORKERS = ("sip-edge", "call-actor", "orchestrator", "publisher")
EXCHANGE = "sentiric_events"
KINDS = ("call.started", "call.answered", "call.ended")
TOLD = (*KINDS, "call.dtmf.received")
TRANSFERS = tuple("call.transfer." + how for how in ("started", "completed", "failed"))
TOLD = (*TOLD, *TRANSFERS)
SLOW = 3 if "san" in BUILD else 1  # sanitizers take their time


def binary(name):
    return os.path.join(BUILD, "bin", name)


# In front of a program that must not outlive the tests, however they end.
WITH_US = ("setpriv", "--pdeathsig", "TERM", "--")


def wait_for(what, seconds, condition):
    """Waits until condition() is true and returns its value; fails naming what it waited for."""
    deadline = time.monotonic() + seconds * SLOW
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds * SLOW} s: {what}")
        time.sleep(0.02)


def run(*argv, timeout=60, **kw):
    return subprocess.run(argv, capture_output=True, text=True, timeout=timeout * SLOW, **kw)


def make(goal, timeout=300):
    """What make says of a goal in the folder of the programs that are tested: {} in it is that folder."""
    build = os.environ.get("BUILD", "build")  # make knows its goals by this name, not by the whole path
    sanitized = ["SAN=address,undefined"] if SLOW > 1 else []
    made = run("make", "-s", "-C", TOP, f"BUILD={build}", *sanitized, goal.format(build), timeout=timeout)
    assert made.returncode == 0, made.stderr
    return made.stdout


def stop_process(process, seconds):
    """SIGTERM, then SIGKILL; returns the exit code and the seconds it took."""
    begin = time.monotonic()
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds * SLOW)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return process.returncode, time.monotonic() - begin


def processes_of_session(sid):
    """(pid, name) of every process in that session, zombies left out."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
                name, rest = f.read().split("(", 1)[1].rsplit(") ", 1)
            fields = rest.split()
            if int(fields[3]) == sid and fields[0] != "Z":
                found.append((int(pid), name))
    return found


class Broker:
    """RabbitMQ on a port of its own. The one in RUN_BROKER (made by tests/process/run) is shared by all tests."""

    shared = None

    def __init__(self, directory, port):
        self.directory, self.port = directory, port
        self.host = f"127.0.0.1:{port}"
        self.url = f"amqp://guest:guest@{self.host}/%2f"

    @classmethod
    def get(cls):
        if cls.shared is None:
            cls.shared = cls(tempfile.mkdtemp(prefix="sig-broker-"), free_port())
            atexit.register(cls.shared.destroy)
            cls.shared.start()
        return cls.shared

    def command(self, name, *args):
        r = run(os.path.join(TOP, "scripts/broker.sh"), name, self.directory, *args, timeout=90)
        if r.returncode != 0:
            raise AssertionError(f"broker.sh {name}: {r.stderr.strip()}")
        return r.stdout

    def start(self):
        self.command("start", str(self.port))

    def stop(self):
        self.command("stop")

    def destroy(self):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def connect(self):
        return pika.BlockingConnection(pika.URLParameters(self.url))

    def rooms(self, count):
        """So many brokers in this one, for stacks that run at once: what is published, or asked for, in one is not seen in the
        others."""
        names = [f"room{i}" for i in range(count)]
        self.command("ctl", "eval", "[begin rabbit_vhost:add(V, <<\"test\">>), rabbit_auth_backend_internal:set_permissions("
                     "<<\"guest\">>, V, <<\".*\">>, <<\".*\">>, <<\".*\">>, <<\"test\">>) end || V <- ["
                     + ", ".join(f'<<"{n}">>' for n in names) + "]].")
        found = [Broker(self.directory, self.port) for _ in names]
        for broker, name in zip(found, names):
            broker.url = broker.url.replace("%2f", name)
        return found


Event = collections.namedtuple("Event", "key message_id content_type persistent body at")


class Events(threading.Thread):
    """Everything published to the exchange from now on. The queue is durable, so that the broker may restart."""

    def __init__(self, broker):
        super().__init__(daemon=True)
        self.broker = broker
        self.queue = f"test.{os.getpid()}.{time.monotonic_ns()}"
        self.lock = threading.Lock()
        self.received = []  # every delivery, repeated ones too
        self.ending = threading.Event()
        connection = broker.connect()
        channel = connection.channel()
        channel.exchange_declare(EXCHANGE, "topic", durable=True)
        channel.queue_declare(self.queue, durable=True)
        channel.queue_bind(self.queue, EXCHANGE, "#")
        connection.close()
        self.start()

    def run(self):
        while not self.ending.is_set():
            try:
                self.consume()
            except (pika.exceptions.AMQPError, OSError):
                self.ending.wait(0.2)

    def consume(self):
        connection = self.broker.connect()
        channel = connection.channel()
        channel.basic_qos(prefetch_count=1000)
        for method, properties, body in channel.consume(self.queue, inactivity_timeout=0.2):
            if self.ending.is_set():
                channel.queue_delete(self.queue)
                return connection.close()
            if method is not None and method.routing_key in TOLD:
                event = Event(method.routing_key, properties.message_id, properties.content_type,
                              properties.delivery_mode == 2, body, time.monotonic())
                with self.lock:
                    self.received.append(event)
            if method is not None:
                channel.basic_ack(method.delivery_tag)

    def close(self):
        self.ending.set()
        self.join(5)

    def all(self):
        """Every event once, in order of first delivery."""
        with self.lock:
            return list({e.message_id: e for e in reversed(self.received)}.values())[::-1]

    def repeats(self):
        """Deliveries beyond the first of an event: allowed after a crash, told apart by their message-id."""
        with self.lock:
            return len(self.received) - len({e.message_id for e in self.received})

    def all_json(self):
        return [e for e in self.all() if e.content_type == "application/json"]

    def of_call(self, call_id):
        return [e for e in self.all_json() if json.loads(e.body).get("callId") == call_id]

    def keys_of_call(self, call_id):
        return [e.key for e in self.of_call(call_id)]

    def by_call(self):
        calls = {}
        for e in self.all_json():
            calls.setdefault(json.loads(e.body).get("callId"), []).append(e.key)
        return calls

    def wait_ended(self, call_id, seconds=10):
        wait_for(f"call.ended of {call_id}", seconds, lambda: "call.ended" in self.keys_of_call(call_id))
        return [json.loads(e.body) for e in self.of_call(call_id)]


class Platform:
    """The local platform, its configuration and its ledger."""

    def __init__(self, directory, pki, port=None, **changes):
        self.directory, self.pki, self.port = directory, pki, port or free_port()
        self.config_path = os.path.join(directory, "platform.json")
        self.ledger_path = os.path.join(directory, "ledger.jsonl")
        self.log_path = os.path.join(directory, "platform.log")
        with open(os.path.join(TOP, "tests/platform/default.json"), encoding="utf-8") as f:
            self.config = json.load(f)
        # Other tests may run on this machine: begin somewhere, and pass over what is taken.
        low = 20000 + int.from_bytes(os.urandom(2), "big") % 2000 * 2
        self.config["rtp"].update(port_min=low, port_max=low + 8000, quarantine_sec=0, if_taken="next")
        self.config["ledger_rpcs"] = True
        self.config.update(changes)
        self.process = None
        self.write_config()

    def write_config(self):
        with open(self.config_path, "w", encoding="utf-8") as f:
            json.dump(self.config, f)

    def start(self, cert="platform", ca="ca.crt"):
        log = open(self.log_path, "ab")
        self.log_begin = log.tell()
        self.process = subprocess.Popen(
            [*WITH_US, binary("local-platform"), "--config", self.config_path, "--cert", f"{self.pki}/{cert}.crt", "--key",
             f"{self.pki}/{cert}.key", "--ca", f"{self.pki}/{ca}", "--ledger", self.ledger_path, "--listen",
             f"127.0.0.1:{self.port}"], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        log.close()
        wait_for("the local platform is ready", 15, self.answers)
        return self

    def answers(self):
        if self.process.poll() is not None:
            with open(self.log_path, encoding="utf-8", errors="replace") as f:
                raise AssertionError("the local platform ended: " + f.read()[-400:])
        with open(self.log_path, "rb") as f:
            f.seek(self.log_begin)
            return b'"event":"ready"' in f.read()  # by its own word: the port may be somebody else's

    def stop(self):
        if self.process is not None:
            stop_process(self.process, 10)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def ledger(self, event=None):
        try:
            with open(self.ledger_path, encoding="utf-8") as f:
                lines = [json.loads(line) for line in f if line.endswith("\n")]
        except FileNotFoundError:
            lines = []
        return [line for line in lines if event in (None, line["event"])]

    def faults(self, **faults):
        """Sets the faults of each RPC named, such as ResolveDialplan={"status": "UNAVAILABLE"}; none clears all."""
        self.config["faults"] = faults
        self.write_config()
        before = len(self.ledger("reloaded"))
        self.process.send_signal(signal.SIGHUP)
        wait_for("the local platform has read its faults", 5, lambda: len(self.ledger("reloaded")) > before)

    def status(self):
        before = len(self.ledger("status"))
        self.process.send_signal(signal.SIGUSR1)
        wait_for("the local platform's status", 5, lambda: len(self.ledger("status")) > before)
        return self.ledger("status")[-1]

    def wait_balanced(self, seconds=10):
        """Until no port is in use; then allocations equal releases, and nobody released what was not taken."""
        s = wait_for("every port is released", seconds, lambda: (s := self.status())["in_use"] == 0 and s)
        if s["allocated"] != s["released"] or s["released_unknown"] != 0:
            raise AssertionError(f"ports: {s['allocated']} allocated, {s['released']} released, "
                                 f"{s['released_unknown']} releases of a free port")
        return s


def make_pki(directory):
    r = run(os.path.join(TOP, "scripts/pki.sh"), "--bad", directory, timeout=60)
    if r.returncode != 0:
        raise AssertionError("pki.sh: " + r.stderr)
    return directory


class Pki:
    """One set of key pairs for the whole run."""

    directory = None

    @classmethod
    def get(cls):
        if cls.directory is None:
            cls.directory = tempfile.mkdtemp(prefix="sig-pki-")
            atexit.register(shutil.rmtree, cls.directory, ignore_errors=True)
            make_pki(cls.directory)
        return cls.directory


P = "SIP_SIGNALING_SERVICE_"


class Stack:
    """A supervisor with its workers, a platform and a view on the broker's events."""

    def __init__(self, broker_url=None, platform=True, events=True, targets=None, broker=None, **settings):
        self.dir = tempfile.mkdtemp(prefix="sig-")
        self.broker = broker or Broker.get()
        self.pki = Pki.get()
        self.events = Events(self.broker) if events else None
        self.platform = Platform(self.dir, self.pki) if platform else None
        self.sip_port = free_sip_port()
        self.grpc_port = free_port()
        self.runtime, self.state = os.path.join(self.dir, "run"), os.path.join(self.dir, "state")
        os.mkdir(self.runtime, 0o700)
        os.mkdir(self.state, 0o700)
        target = f"127.0.0.1:{self.platform.port}" if self.platform else targets or "127.0.0.1:1"
        self.settings = {
            P + "LISTEN_ADDRESS": "127.0.0.1", P + "SIP_PORT": self.sip_port, P + "SIPS_PORT": 0,
            P + "PUBLIC_IP": "127.0.0.1", P + "GRPC_PORT": self.grpc_port, P + "HTTP_PORT": 0, P + "METRICS_PORT": 0,
            P + "CERT_PATH": f"{self.pki}/sip-signaling.crt", P + "KEY_PATH": f"{self.pki}/sip-signaling.key",
            "GRPC_TLS_CA_PATH": f"{self.pki}/ca.crt", "USER_SERVICE_TARGET_GRPC_URL": target,
            "DIALPLAN_SERVICE_TARGET_GRPC_URL": target, "MEDIA_SERVICE_TARGET_GRPC_URL": target,
            "RABBITMQ_URL": broker_url or self.broker.url, P + "RUNTIME_DIR": self.runtime, P + "STATE_DIR": self.state,
            P + "DRAIN_S": 3, "LOG_LEVEL": "info", "ENV": "production",
        }
        # SIP_T1_MS=50 stands for SIP_SIGNALING_SERVICE_SIP_T1_MS; names of the platform are written in full.
        for name, value in settings.items():
            self.settings[name if name in self.settings or "_SERVICE_" in name else P + name] = value
        self.config_path = os.path.join(self.dir, "settings.conf")
        self.log_path = os.path.join(self.dir, "service.log")
        self.program = binary("supervisor")  # of another build, where a test says so
        self.env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        self.process = None

    def write_config(self):
        with open(self.config_path, "w", encoding="utf-8") as f:
            f.writelines(f"{k}={v}\n" for k, v in self.settings.items() if v is not None)

    # --- life ---

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.close(failed=kind is not None)

    def spawn(self):
        self.write_config()
        log = open(self.log_path, "ab")
        self.process = subprocess.Popen([*WITH_US, self.program, "--config", self.config_path],
                                        stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True, cwd=self.dir,
                                        env=self.env)
        log.close()
        return self

    def start(self):
        try:
            if self.platform:
                self.platform.start()
            self.spawn()
            return self.wait_ready()
        except BaseException:
            self.close(failed=True)
            raise

    def wait_ready(self, seconds=15, ready=True):
        what = "the service is ready" if ready else "the service is not ready"
        wait_for(what, seconds, lambda: self.is_ready() is ready)
        return self

    def is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the supervisor ended with {self.process.returncode}: {self.log()[-600:]}")
        status = self.ctl("status", check=False)
        return status["ready"] if status else None

    def wait_dependency(self, name, state, seconds=15):
        def seen():
            status = self.ctl("status", check=False) or {"dependencies": []}
            return next((d for d in status["dependencies"] if d["name"] == name and d["state"] == state), None)
        return wait_for(f"{name} is {state}", seconds, seen)

    def stop(self, seconds=20):
        """SIGTERM; returns (exit code, seconds it took). No process of the service may be left."""
        code, took = stop_process(self.process, seconds)
        wait_for("all workers are gone", 5, lambda: not processes_of_session(self.process.pid))
        return code, took

    def close(self, failed=False):
        leaked = []
        if self.process is not None:
            stop_process(self.process, 20)
            with contextlib.suppress(AssertionError):
                wait_for("all workers are gone", 3, lambda: not processes_of_session(self.process.pid))
            leaked = processes_of_session(self.process.pid)
            for pid, _ in leaked:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        if self.platform:
            self.platform.stop()
        if self.events:
            self.events.close()
        reports = self.sanitizer_reports()
        if failed or leaked or reports:
            self.keep_logs()
        shutil.rmtree(self.dir, ignore_errors=True)
        if not failed:
            assert not leaked, f"left running: {leaked}"
            assert not reports, "\n".join(reports)

    def keep_logs(self):
        """Shows the end of the logs of a failed test, and keeps them whole when KEEP names a folder."""
        print(f"--- end of {self.log_path}\n{self.log()[-3000:]}\n---", flush=True)
        if os.environ.get("KEEP"):
            shutil.copytree(self.dir, os.path.join(os.environ["KEEP"], os.path.basename(self.dir)), dirs_exist_ok=True,
                            ignore=shutil.ignore_patterns("*.sock", "plane", "run"))

    # --- looking in ---

    def log(self):
        if not os.path.exists(self.log_path):
            return ""
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def sanitizer_reports(self):
        return re.findall(r".*(?:ERROR: AddressSanitizer|ERROR: LeakSanitizer|runtime error:).*", self.log())

    def ctl(self, *args, check=True):
        """sigctl's JSON reply; None when it failed and check is off."""
        r = self.ctl_raw(*args, "--json")
        if check and r.returncode != 0:
            raise AssertionError(f"sigctl {' '.join(args)}: exit {r.returncode}: {r.stdout}{r.stderr}")
        return json.loads(r.stdout) if r.returncode == 0 else None

    def ctl_raw(self, *args):
        return run(binary("sigctl"), *args, env={**os.environ, P + "RUNTIME_DIR": self.runtime}, timeout=10)

    def calls(self):
        return self.ctl("calls")["calls"]

    def wait_established(self, call):
        """Until the ACK has been taken: before that, a kill loses it, as the network may."""
        wait_for("the call is established", 5, lambda: [
            c for c in self.calls() if c["call_id"] == call.call_id and c["state"].lower() == "established"])

    def worker(self, name):
        """A worker's status; a sharded one is called NAME.SHARD."""
        return next(w for w in self.ctl("status")["workers"] if w["name"] in (name, name + ".0"))

    def kill_worker(self, name, signo=signal.SIGKILL):
        """Kills one worker and returns its old pid and restarts."""
        w = self.worker(name)
        os.kill(w["pid"], signo)
        return w

    def wait_restarted(self, old, seconds=10):
        def back():
            w = self.worker(old["name"])
            return w if w["pid"] not in (0, old["pid"]) and w["restarts"] > old["restarts"] else None
        return wait_for(f"{old['name']} was restarted", seconds, back)

    def outbox(self):
        """Events that wait for the broker, by call-actor's own word."""
        return self.ctl("events")["outbox"]

    def wait_outbox_empty(self, seconds=15):
        wait_for("the outbox is empty", seconds, lambda: self.outbox() == 0)

    def wait_no_calls(self, seconds=15):
        """Asks call-actor itself: the numbers in status are as old as its last heartbeat."""
        wait_for("no call is left", seconds, lambda: not self.calls())

    def assert_clean(self, seconds=15):
        """What must hold after every test: no call, no port, nothing unpublished."""
        self.wait_no_calls(seconds)
        self.wait_outbox_empty(seconds)
        return self.platform.wait_balanced(seconds) if self.platform else None
