"""A publisher between a private RabbitMQ and a fake call-actor, and an independent reader of the events (pika)."""
import collections
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time

import pika

TOP = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
BUILD = os.path.join(TOP, os.environ.get("BUILD", "build"))
SLOW = 3 if "san" in BUILD else 1
EXCHANGE = "sentiric_events"
CONF_PUB = 16  # whose slice of the settings it is (common/rt/conf.h)
COMMANDS = "sentiric.sip_signaling_service.commands"


def free_port():
    """Below the range that the kernel takes for connections: the broker wants it again after a crash."""
    while True:
        port = 10000 + int.from_bytes(os.urandom(2), "big") % 8000
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def wait_for(what, seconds, condition):
    deadline = time.monotonic() + seconds * SLOW
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds * SLOW} s: {what}")
        time.sleep(0.02)


class Broker:
    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="sig-broker-")
        self.port = free_port()

    def command(self, name, *args):
        r = subprocess.run([os.path.join(TOP, "scripts/broker.sh"), name, self.directory, *args], text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
        if r.returncode != 0:
            raise AssertionError(f"broker.sh {name}: {r.stdout} {r.stderr}")
        return r.stdout

    def start(self):
        self.command("start", str(self.port))
        return self

    def url(self, user="guest", password="guest", query=""):
        return f"amqp://{user}:{password}@127.0.0.1:{self.port}/%2f{query}"

    def connect(self):
        return pika.BlockingConnection(pika.URLParameters(self.url()))

    def destroy(self):
        self.command("stop")
        shutil.rmtree(self.directory, ignore_errors=True)


class Process:
    """A program of ours whose lines are kept as they come."""

    def __init__(self, argv, **kw):
        self.lines = []
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kw)
        self.pid = self.process.pid
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def find(self, word, after=0):
        return [x for x in self.lines[after:] if word in x]

    def wait(self, word, seconds=15, after=0):
        try:
            return wait_for(f"{word!r} in the output", seconds, lambda: self.find(word, after))[-1]
        except AssertionError as e:
            raise AssertionError("\n".join([str(e), *self.lines[-8:]])) from None

    def end(self, seconds=10):
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(seconds)
        self.reader.join(5)
        self.process.stdout.close()
        return code

    def cpu_us(self):
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * 1_000_000 // os.sysconf("SC_CLK_TCK")

    def rss_kib(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as f:
            return next(int(x.split()[1]) for x in f if x.startswith("VmRSS"))


class Reader(threading.Thread):
    """Every event of the exchange from now on, from a durable queue, across restarts of the broker."""

    def __init__(self, broker, queue="test.events"):
        super().__init__(daemon=True)
        self.broker, self.queue = broker, queue
        self.seen = []  # (callId, n, message id) of each delivery
        self.properties = None
        self.ending = threading.Event()
        c = broker.connect()
        ch = c.channel()
        ch.exchange_declare(EXCHANGE, "topic", durable=True)
        ch.queue_declare(queue, durable=True)
        ch.queue_bind(queue, EXCHANGE, "call.started")
        ch.queue_bind(queue, EXCHANGE, "call.answered")
        ch.queue_bind(queue, EXCHANGE, "call.ended")
        c.close()
        self.start()

    def run(self):
        while not self.ending.is_set():
            try:
                c = self.broker.connect()
                ch = c.channel()
                ch.basic_qos(prefetch_count=500)
                for method, properties, body in ch.consume(self.queue, inactivity_timeout=0.2):
                    if self.ending.is_set():
                        break
                    if method is not None:
                        event = json.loads(body)
                        self.properties = (method.routing_key, properties)
                        self.seen.append((event["callId"], event["n"], properties.message_id))
                        ch.basic_ack(method.delivery_tag)
                c.close()
            except (pika.exceptions.AMQPError, OSError):
                time.sleep(0.2)

    def distinct(self):
        return len({m for _, _, m in self.seen})

    def repeats(self):
        return len(self.seen) - self.distinct()

    def out_of_order(self):
        """Calls whose events did not come for the first time in order."""
        order = collections.defaultdict(list)
        for call, n, _ in self.seen:
            if n not in order[call]:
                order[call].append(n)
        return [c for c, ns in order.items() if ns != sorted(ns)]

    def end(self):
        self.ending.set()
        self.join(10)


class Rig:
    """One publisher with its settings; actors and supervisor are started as a test needs them."""

    def __init__(self, url, actors=1):
        self.directory = tempfile.mkdtemp(prefix="sig-pub-")
        os.mkdir(os.path.join(self.directory, "plane"), 0o700)
        self.settings = {"RABBITMQ_URL": url, "SIP_SIGNALING_SERVICE_EVENT_FORMAT": "json",
                         "SIP_SIGNALING_SERVICE_RUNTIME_DIR": self.directory, "SIP_SIGNALING_SERVICE_CALL_ACTORS": str(actors),
                         "GRPC_TLS_CA_PATH": os.environ.get("RIG_CA", "/dev/null"), "LOG_LEVEL": "debug", "ENV": "development"}
        self.processes = []
        self.sup = self.run("fake-actor", self.path("sup-publisher0"), "--sup")
        self.publisher = None

    def path(self, name):
        return os.path.join(self.directory, "plane", name)

    def run(self, name, *args, **kw):
        p = Process([os.path.join(BUILD, "bin", name), *args], **kw)
        self.processes.append(p)
        return p

    def start(self):
        r, w = os.pipe()
        os.write(w, f"#slice {CONF_PUB}\n".encode() + "".join(f"{k}={v}\n" for k, v in self.settings.items()).encode())
        os.close(w)
        self.publisher = self.run("publisher", "--instance", "0", "--conf-fd", str(r), pass_fds=(r,))
        os.close(r)
        return self

    def actor(self, *args, shard=0):
        return self.run("fake-actor", self.path(f"call{shard}-publisher"), *args)

    def wait_state(self, state, seconds=20):
        after = len(self.sup.lines)
        try:
            return self.sup.wait(f"state={state}", seconds, after)
        except AssertionError as e:
            raise AssertionError(f"{e}\n" + "\n".join(self.publisher.lines[-15:])) from e

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if exc and exc[0] is not None:
            print("\n".join(self.publisher.lines[-30:]), flush=True)
        for p in self.processes:
            if p.process.poll() is None:
                p.process.send_signal(18)  # SIGCONT
            p.end(20)
        shutil.rmtree(self.directory, ignore_errors=True)
