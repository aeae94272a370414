"""Independent software that talks to the service: python3-grpcio, python3-pika."""
import json
import math
import os
import struct
import subprocess
import sys
import wave

import pika

import harness
from harness import EXCHANGE, TOP

PYTHON = "/usr/bin/python3"
PEERS = os.path.join(TOP, "tests/peers")


def peer(name, *args, timeout=20):
    return harness.run(PYTHON, os.path.join(PEERS, name), *args, timeout=timeout)


def terminate(stack, call_id, reason, cert="client", ca="ca"):
    """SipSignalingService.TerminateCall as agent-service sends it."""
    return peer("terminate.py", "--target", f"127.0.0.1:{stack.grpc_port}", "--cert", f"{stack.pki}/{cert}.crt",
                "--key", f"{stack.pki}/{cert}.key", "--ca", f"{stack.pki}/{ca}.crt", "--reason", reason, call_id)


def b2bua(stack, *what, key=None, wait=None, stays=None, cert="client", ca="ca"):
    """B2BUAService: "dial", FROM, TO[, CALL_ID]; "transfer", CALL_ID, TO. Returns the answer's fields."""
    said = (("--idempotency-key", key), ("--wait", wait), ("--stays", stays))
    more = [str(word) for option in said if option[1] for word in option]
    patience = 20 * harness.SLOW + (wait or 0)
    r = peer("b2bua.py", "--timeout", str(patience), *to_b2bua(stack, cert, ca), *more, *what, timeout=patience + 10)
    return json.loads(r.stdout)


def to_b2bua(stack, cert="client", ca="ca"):
    return ("--target", f"127.0.0.1:{stack.grpc_port}", "--cert", f"{stack.pki}/{cert}.crt", "--key", f"{stack.pki}/{cert}.key",
            "--ca", f"{stack.pki}/{ca}.crt")


class B2buaLines:
    """One peer that asks many things of B2BUAService over one channel."""

    def __init__(self, stack):
        self.process = subprocess.Popen([*harness.WITH_US, PYTHON, os.path.join(PEERS, "b2bua.py"), *to_b2bua(stack), "lines"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert json.loads(self.process.stdout.readline())["event"] == "ready"

    def ask(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()

    def finish(self):
        """The fields of every answer."""
        out, _ = self.process.communicate(timeout=60 * harness.SLOW)
        return [json.loads(line) for line in out.splitlines()]

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def registrar(stack, *what, cert="client", ca="ca"):
    """RegistrarService: "register", URI, CONTACT, EXPIRES; "unregister", URI; "lookup", URI. Returns the answer's fields."""
    r = peer("registrar.py", "--target", f"127.0.0.1:{stack.grpc_port}", "--cert", f"{stack.pki}/{cert}.crt",
             "--key", f"{stack.pki}/{cert}.key", "--ca", f"{stack.pki}/{ca}.crt", *map(str, what))
    return json.loads(r.stdout)


def amqp_terminate(stack, call_id, *how):
    """call.terminate.request as the platform's services publish it."""
    r = peer("events.py", "--url", stack.broker.url, "terminate", *how, call_id)
    assert r.returncode == 0, r.stdout + r.stderr


def generic_event(event_type, trace_id, payload):
    """A GenericEvent of the contract as bytes, by the protobuf library."""
    sys.path.insert(0, PEERS)
    import wire
    return wire.load("event").GenericEvent(event_type=event_type, trace_id=trace_id, tenant_id="sentiric_demo",
                                           payload_json=json.dumps(payload)).SerializeToString()


def amqp_ask(broker, key, body, seconds=20, reply=True, **properties):
    """A request by the exchange, and the answer to it as a dict. None: none came in time."""
    connection = broker.connect()
    try:
        channel = connection.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        p = pika.BasicProperties(delivery_mode=2, reply_to=queue, correlation_id="c-1", **properties)
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        channel.basic_publish(EXCHANGE, key, body, p)
        for method, told, answer in channel.consume(queue, inactivity_timeout=seconds, auto_ack=True):
            assert method is None or told.correlation_id == "c-1"
            return json.loads(answer) if method else None
    finally:
        connection.close()


def publish(broker, key, body):
    connection = broker.connect()
    connection.channel().basic_publish(EXCHANGE, key, body)
    connection.close()


class PythonPlatform(harness.Platform):
    """tests/peers/platform_peer.py in the place of local-platform: the same contracts by grpcio. Its ledger is its stdout."""

    def start(self, cert="platform", ca="ca.crt"):
        with open(self.ledger_path, "ab") as out, open(self.log_path, "ab") as err:
            self.process = subprocess.Popen(
                [*harness.WITH_US, PYTHON, os.path.join(PEERS, "platform_peer.py"), "--config", self.config_path, "--cert",
                 f"{self.pki}/{cert}.crt", "--key", f"{self.pki}/{cert}.key", "--ca", f"{self.pki}/{ca}", "--listen",
                 f"127.0.0.1:{self.port}"], stdout=out, stderr=err, stdin=subprocess.DEVNULL)
        harness.wait_for("the Python platform is ready", 15, lambda: self.ledger("ready"))
        return self

    def status(self):
        taken = [line["port"] for line in self.ledger("allocate") if "port" in line]
        given = [line["port"] for line in self.ledger("release") if line.get("known", True)]
        return {"allocated": len(taken), "released": len(given), "in_use": len(taken) - len(given),
                "released_unknown": len(self.ledger("release")) - len(given)}


def tone(path, seconds):
    with wave.open(path, "wb") as w:
        w.setnchannels(1)
        w.setsampwidth(2)
        w.setframerate(8000)
        w.writeframes(b"".join(struct.pack("<h", int(8000 * math.sin(2 * math.pi * 440 * i / 8000)))
                               for i in range(8000 * seconds)))


def loudness(samples):
    return math.sqrt(sum(s * s for s in samples) / len(samples)) if samples else 0


def listen_events(url, count, seconds):
    """tests/peers/events.py listening: a process whose lines are read by finish_events()."""
    process = subprocess.Popen([PYTHON, os.path.join(PEERS, "events.py"), "--url", url, "listen", "--count", str(count),
                                "--seconds", str(seconds)], stdout=subprocess.PIPE, text=True)
    assert json.loads(process.stdout.readline())["event"] == "ready"
    return process


def finish_events(process):
    out, _ = process.communicate(timeout=60)
    return [json.loads(line) for line in out.splitlines()]
