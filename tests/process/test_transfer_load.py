"""Transfers at a rate beside calls, asked for by AMQP when each caller is through, and the books afterwards: none lost.

FULL=1: 50 transfers a second beside 200 calls a second, for a minute; else a tenth of it, for some seconds."""
import collections
import json
import os
import socket
import subprocess
import tempfile
import threading
import unittest

import pika

import harness
import sipp
from harness import EXCHANGE, KINDS, Stack

ALONE = "a rate of calls"
RATE, BESIDE, SECONDS = (50, 200, 60) if os.environ.get("FULL") else (5, 20, 6)
MOVED = ("call.started", "call.answered", "call.transfer.started", "call.transfer.completed", "call.ended")
CALLER = "905551234567"  # of tests/scenario/transferred_uac.xml


class Asker(threading.Thread):
    """The platform: who of these callers is through is joined to the target."""

    def __init__(self, broker, target):
        super().__init__(daemon=True)
        self.broker, self.target, self.over, self.asked = broker, target, threading.Event(), 0
        connection = broker.connect()
        self.channel = connection.channel()
        self.queue = self.channel.queue_declare("", exclusive=True).method.queue
        for key in ("call.started", "call.answered"):
            self.channel.queue_bind(self.queue, EXCHANGE, key)
        self.ours = set()
        self.start()

    def end(self):
        self.over.set()
        self.join(10)

    def run(self):
        for method, _, body in self.channel.consume(self.queue, inactivity_timeout=0.2, auto_ack=True):
            if self.over.is_set():
                return self.channel.connection.close()
            event = json.loads(body) if method else {}
            if event.get("eventType") == "call.started" and CALLER in event["from"]:
                self.ours.add(event["callId"])
            elif event.get("callId") in self.ours:
                self.ours.remove(event["callId"])
                self.asked += 1
                self.ask(event["callId"])

    def ask(self, call_id):
        self.channel.basic_publish(EXCHANGE, "call.transfer.request", json.dumps({"callId": call_id, "target": self.target}),
                                   pika.BasicProperties(message_id=f"t-{self.asked}"))


class TestTransferLoad(unittest.TestCase):
    def target(self, folder):
        """SIPp as whoever is rung."""
        port, media = (harness.free_port(socket.SOCK_DGRAM) for _ in range(2))
        with open(f"{folder}/target", "w", encoding="utf-8") as out:
            p = subprocess.Popen(["sipp", "-sn", "uas", "-i", "127.0.0.1", "-p", str(port), "-mp", str(media), "-nostdin",
                                  "-aa"], cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        return port

    def test_none_is_lost(self):
        moved, beside = RATE * SECONDS, BESIDE * SECONDS
        with Stack(LOG_LEVEL="warn").start() as stack, tempfile.TemporaryDirectory(prefix="sig-sipp-") as a, \
                tempfile.TemporaryDirectory(prefix="sig-sipp-") as b:
            asker = Asker(stack.broker, f"sip:target@127.0.0.1:{self.target(a)}")
            load = sipp.start(stack.sip_port, b, calls=beside, rate=BESIDE, hold_ms=1000, limit=10000)
            r = sipp.finish(sipp.start(stack.sip_port, a, calls=moved, rate=RATE, hold_ms=500, service="902121234567",
                                       name="transferred_uac.xml", limit=10000), a, SECONDS + 120)
            other = sipp.finish(load, b, SECONDS + 120)
            self.assertEqual((r.ok, r.failed), (moved, 0), r.text)
            self.assertEqual((other.ok, other.failed), (beside, 0), other.text)
            asker.end()
            ports = stack.assert_clean(60)
            self.assertEqual((ports["allocated"], ports["released"]), (moved + beside, moved + beside))
            harness.wait_for("all events", 60, lambda: len(stack.events.all()) >= 5 * moved + 3 * beside)
            orders = collections.Counter(tuple(keys) for keys in stack.events.by_call().values())
            self.assertEqual(orders, {MOVED: moved, KINDS: beside})
            print(f"  {moved} transfers at {RATE}/s beside {beside} calls at {BESIDE}/s: 0 lost, "
                  f"{moved} completed, every port back", flush=True)


if __name__ == "__main__":
    unittest.main()
