"""The command queue: every form in which services send call.terminate.request, and what must not get through."""
import json


import time
import unittest

import pika

import rig
from rig import Broker, Rig, wait_for


TERMINATE = "call.terminate.request"
TRANSFER = "call.transfer.request"


def generic(event_type="", trace_id="", payload=""):
    """A GenericEvent by hand: fields 1, 2 and 5, all strings."""
    out = b""
    for field, text in ((1, event_type), (2, trace_id), (5, payload)):
        data = text.encode()
        if data:
            out += bytes([field << 3 | 2]) + varint(len(data)) + data
    return out


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


class TestCommands(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker().start()

    @classmethod
    def tearDownClass(cls):
        cls.broker.destroy()

    def setUp(self):
        self.connection = self.broker.connect()
        self.channel = self.connection.channel()
        self.addCleanup(lambda c: c.is_open and c.close(), self.connection)

    def send(self, body, key=TERMINATE, exchange=rig.EXCHANGE, **properties):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.channel.basic_publish(exchange, key, body, pika.BasicProperties(delivery_mode=2, **properties))

    def waiting(self):
        """Messages in the queue, also those delivered and not yet acked."""
        out = self.broker.command("ctl", "list_queues", "name", "messages")
        return next((int(x.split()[1]) for x in out.splitlines() if x.startswith(rig.COMMANDS)), None)

    def settled(self):
        wait_for("the queue is empty", 30, lambda: self.waiting() == 0)

    def ready(self, actors=1):
        r = Rig(self.broker.url(), actors).start()
        self.addCleanup(r.__exit__)
        r.publisher.wait("command queue subscribed", 20)
        return r

    def test_forms(self):
        r = self.ready()
        actor = r.actor()
        actor.wait("publisher pid")
        self.send({"callId": "json-1"})
        self.send({"eventType": TERMINATE, "callId": "json-2", "timestamp": "2025-09-02T10:00:00Z", "reason": "BYE", "x": [1]})
        self.send(generic(TERMINATE, "pb-3"))
        self.send(generic(TERMINATE, "trace-4", json.dumps({"callId": "pb-4", "reason": "workflow_hangup"})))
        self.send(generic(TERMINATE, "pb-5", json.dumps({"reason": "r"})))
        self.send({"eventType": TERMINATE, "callId": "direct-6"}, key=rig.COMMANDS, exchange="")
        for line in ("call=json-1 reason= asked_by=amqp", "call=json-2 reason=BYE", "call=pb-3 reason=",
                     "call=pb-4 reason=workflow_hangup", "call=pb-5 reason=r", "call=direct-6"):
            actor.wait(line)
        self.settled()

    def test_hostile(self):
        r = self.ready()
        actor = r.actor()
        actor.wait("publisher pid")
        bad = [b"", b"{", b"[]", b"null", b"{}", b'{"callId":5}', b'{"callId":""}', b'{"callId":"a b"}', b'{"callId":"a\\u0000b"}',
               b'{"callId":"' + b"x" * 600 + b'"}', b"\x00" * 100, b"\xff" * 100, generic(), generic(TERMINATE),
               generic(TERMINATE, "a\nb"), generic(TERMINATE, "x", "{"), generic("other.event", "x")[:7],
               b"[" * 60000, b'{"a":' * 10000, b'{"callId":"x","pad":"' + b"y" * 70000 + b'"}', b"\n" * 500000]
        for body in bad:
            self.send(body)
        self.send({"callId": "x"}, key=rig.COMMANDS, exchange="")  # no event type, and the key says nothing
        self.send({"callId": "good"})
        actor.wait("call=good")
        self.settled()
        self.assertEqual(actor.find("terminate ")[:-1], [])
        self.assertEqual(len(r.publisher.find("malformed command dropped")), len(bad) + 1)

    def test_transfers_and_calls(self):
        r = self.ready()
        actor = r.actor()
        actor.wait("publisher pid")
        self.send({"callId": "x", "target": "sip:y", "stays": "callee", "idempotencyKey": "k"}, key=TRANSFER)
        actor.wait("control op=2 call=x from= to=sip:y stays=callee key=k asked_by=amqp")
        self.send(generic(TRANSFER, "trace", json.dumps({"target": "1002"})), key=TRANSFER)
        actor.wait("control op=2 call=trace from= to=1002 stays= key=body-")
        self.send({"eventType": TRANSFER, "callId": "direct", "to": "1002"}, key=rig.COMMANDS, exchange="")
        actor.wait("control op=2 call=direct")
        self.send({"from": "1001", "to": "1002", "callId": "new"}, key="call.initiate.request")
        actor.wait("control op=1 call=new from=1001 to=1002")
        self.settled()

    def test_unknown_call_is_done_with(self):
        r = self.ready(actors=2)
        actors = [r.actor("--answer", "not_found", shard=n) for n in range(2)]
        for a in actors:
            a.wait("publisher pid")
        self.send({"callId": "nobody"})
        for a in actors:
            a.wait("call=nobody")
        self.settled()

    def test_busy_actor_is_asked_again(self):
        r = self.ready()
        actor = r.actor("--answer", "busy")
        actor.wait("publisher pid")
        self.send({"callId": "patience"})
        wait_for("three times", 15, lambda: len(actor.find("call=patience")) >= 3)
        self.assertEqual(self.waiting(), 1)
        actor.end()
        r.actor("--answer", "ending").wait("call=patience")
        self.settled()

    def test_actor_that_comes_later(self):
        r = self.ready()
        self.send({"callId": "early"})
        wait_for("delivered", 15, lambda: self.waiting() == 1)
        r.actor().wait("call=early")
        self.settled()

    def test_answers_that_the_broker_refuses(self):
        """No right to write to the default exchange: the channel of the commands is closed for it, once."""
        self.broker.command("ctl", "add_user", "mute", "mute")
        self.broker.command("ctl", "set_permissions", "mute", ".*", r"^sentiric.*", ".*")
        self.addCleanup(self.broker.command, "ctl", "delete_user", "mute")
        r = Rig(self.broker.url("mute", "mute")).start()
        self.addCleanup(r.__exit__)
        r.publisher.wait("command queue subscribed", 20)
        actor = r.actor()
        actor.wait("publisher pid")
        asker = self.channel.queue_declare("", exclusive=True).method.queue
        self.send({"callId": "first"}, reply_to=asker)
        r.publisher.wait("answers to commands are refused", 15)
        self.settled()
        self.assertLessEqual(len(actor.find("call=first")), 2)  # as its ack was lost with the channel
        for n in range(20):
            self.send({"callId": f"more-{n}-"}, reply_to=asker)
        self.settled()
        self.assertEqual([len(actor.find(f"call=more-{n}-")) for n in range(20)], [1] * 20)
        self.assertEqual(len(r.publisher.find("command queue not usable")), 1)

    def test_survives_the_broker(self):
        """Sent while nobody consumes, durable across a restart of the broker, done once it is back."""
        r = self.ready()
        actor = r.actor("--answer", "none")
        actor.wait("publisher pid")
        self.send({"callId": "durable"})
        actor.wait("call=durable")
        self.connection.close()
        self.broker.command("restart")
        self.setUp()
        actor.end()
        r.actor().wait("call=durable", 30)
        self.settled()

    def test_queue_deleted(self):
        r = self.ready()
        actor = r.actor()
        actor.wait("publisher pid")
        after = len(r.publisher.lines)
        self.channel.queue_delete(rig.COMMANDS)
        r.publisher.wait("command queue subscribed", 15, after)
        self.send({"callId": "again"})
        actor.wait("call=again")
        self.settled()

    def test_queue_of_another_kind_does_not_stop_events(self):
        """Somebody else's queue has the name: its channel fails, the link publishes."""
        self.ready().publisher.end()
        self.channel.queue_delete(rig.COMMANDS)
        self.channel.queue_declare(rig.COMMANDS, durable=False)
        self.addCleanup(self.broker.connect().channel().queue_delete, rig.COMMANDS)
        reader = rig.Reader(self.broker, "test.beside")
        self.addCleanup(reader.end)
        with Rig(self.broker.url()).start() as r:
            r.publisher.wait("command queue not usable", 15)
            r.actor("--events", "30", "--calls", "10").wait("done")
            r.wait_state("ready")
            self.assertRegex(r.sup.lines[-1], "command queue not usable.*406")
            self.channel.queue_delete(rig.COMMANDS)
            r.publisher.wait("command queue subscribed", 30)

    def test_flood_is_taken_in_portions(self):
        r = self.ready()
        actor = r.actor("--answer", "not_found")
        actor.wait("publisher pid")
        begin = time.monotonic()
        for n in range(2000):
            self.send({"callId": f"flood-{n}"})
        wait_for("all of them", 60, lambda: len(actor.find("call=flood-")) >= 2000)
        self.settled()
        print(f"  2000 commands in {time.monotonic() - begin:.1f} s", flush=True)


if __name__ == "__main__":
    unittest.main()
