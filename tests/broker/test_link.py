"""The publisher and a real broker: absent, restarted, killed, frozen, blocked, refusing, without a queue. Nothing is lost, a
call's events arrive in order, the actor is told the truth."""
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

import rig
from rig import Broker, Reader, Rig, wait_for

FULL = bool(os.environ.get("FULL"))
EVENTS = 150000 if FULL else 49998


def counts(line):
    return {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", line)}


class TestLink(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker().start()

    @classmethod
    def tearDownClass(cls):
        cls.broker.destroy()

    def setUp(self):
        self.broker.start()
        self.reader = Reader(self.broker)
        self.addCleanup(self.forget)

    def forget(self):
        self.reader.end()
        c = self.broker.connect()
        c.channel().queue_delete(self.reader.queue)
        c.close()

    def load(self, r, calls, *args, shard=0):
        return r.actor("--events", str(3 * calls), "--calls", str(calls), *args, shard=shard)

    def assert_arrived(self, events, repeats=None):
        wait_for(f"{events} events", 60, lambda: self.reader.distinct() >= events)
        self.assertEqual(self.reader.distinct(), events)
        self.assertEqual(self.reader.out_of_order(), [])
        if repeats is not None:
            self.assertEqual(self.reader.repeats(), repeats)

    def test_many(self):
        """Also the figure: CPU of the whole publisher for an event that is taken, published, confirmed and answered."""
        with Rig(self.broker.url()).start() as r:
            r.wait_state("ready")
            before = r.publisher.cpu_us()
            actor = self.load(r, EVENTS // 3)
            done = counts(actor.wait("done", 120))
            cpu = (r.publisher.cpu_us() - before) / EVENTS
            self.assertEqual(done["sends"], EVENTS)
            self.assert_arrived(EVENTS, repeats=0)
            key, p = self.reader.properties
            self.assertEqual((p.delivery_mode, p.content_type, p.type), (2, "application/json", key))
            self.assertLess(abs(p.timestamp - time.time()), 60)
            print(f"  {EVENTS} events, 512 under way: {EVENTS * 1000 // done['ms']}/s, {cpu:.1f} us of CPU each, "
                  f"{r.publisher.rss_kib()} KiB", flush=True)
            self.assertLess(r.publisher.rss_kib(), 65536 * (8 if rig.SLOW > 1 else 1))

    def test_large_event_spans_frames(self):
        with Rig(self.broker.url()).start() as r:
            actor = self.load(r, 4, "--size", str(1000 * 1000))
            actor.wait("done", 30)
            self.assert_arrived(12, repeats=0)

    def test_absent_at_start(self):
        self.broker.command("stop")
        with Rig(self.broker.url()).start() as r:
            actor = self.load(r, 500)
            r.sup.wait("Connection refused")  # not in the first beat: the first attempt may still be under way
            actor.wait("link up=0")
            self.broker.start()
            actor.wait("link up=1", 30)
            actor.wait("done", 30)
            self.assert_arrived(1500, repeats=0)

    def test_restart_under_load(self):
        with Rig(self.broker.url()).start() as r:
            actor = self.load(r, 5000, "--rate", "1500")
            wait_for("the first events", 15, self.reader.distinct)
            self.broker.command("restart")
            actor.wait("done", 60)
            self.assert_arrived(15000)
            print(f"  restart: {self.reader.repeats()} of 15000 repeated", flush=True)

    def test_crash_under_load(self):
        with Rig(self.broker.url()).start() as r:
            actor = self.load(r, 5000, "--rate", "1500")
            wait_for("the first events", 15, self.reader.distinct)
            self.broker.command("crash")
            self.broker.start()
            actor.wait("done", 60)
            self.assert_arrived(15000)
            print(f"  crash: {self.reader.repeats()} of 15000 repeated", flush=True)

    def test_frozen_longer_than_the_heartbeat(self):
        with Rig(self.broker.url(query="?heartbeat=1")).start() as r:
            actor = self.load(r, 3000, "--rate", "1500")
            wait_for("the first events", 15, self.reader.distinct)
            self.broker.command("pause")
            try:
                r.publisher.wait("heartbeats stopped", 15)
                r.wait_state("connecting")
            finally:
                self.broker.command("resume")
            actor.wait("done", 60)
            self.assert_arrived(9000)
            slowest = max(int(x) for x in re.findall(r"slowest=(\d+)", "\n".join(r.sup.lines)))
            self.assertLess(slowest, 50 * rig.SLOW, "nothing held the loop")
            print(f"  frozen: {self.reader.repeats()} of 9000 repeated, slowest turn {slowest} ms", flush=True)

    def test_blocked(self):
        with Rig(self.broker.url()).start() as r:
            actor = self.load(r, 4000, "--rate", "1500")
            wait_for("the first events", 15, self.reader.distinct)
            self.broker.command("block")
            try:
                r.wait_state("failed")
                self.assertIn("blocked by the broker: low on memory", r.sup.lines[-1])
                actor.wait("link up=0")
            finally:
                self.broker.command("unblock")
            r.wait_state("ready")
            actor.wait("done", 60)
            self.assert_arrived(12000, repeats=0)

    def test_unroutable_is_refused_until_a_queue_is_bound(self):
        c = self.broker.connect()
        c.channel().queue_unbind(self.reader.queue, rig.EXCHANGE, "call.started")
        with Rig(self.broker.url()).start() as r:
            actor = self.load(r, 20)
            actor.wait("refused=60")  # each of the 20 was asked again, twice
            said = r.publisher.find("no queue is bound")
            self.assertEqual(len([x for x in said if "warn" in x.lower()]), 1, "once, the rest only for debugging")
            self.assertFalse(actor.find("done"))
            c.channel().queue_bind(self.reader.queue, rig.EXCHANGE, "call.started")
            c.close()
            done = counts(actor.wait("done", 30))
            self.assertGreaterEqual(done["refused"], 60)
            self.assert_arrived(60, repeats=0)

    def test_publisher_killed_under_load(self):
        with Rig(self.broker.url()).start() as r:
            actor = self.load(r, 5000, "--rate", "1500")
            for _ in range(3):
                seen = self.reader.distinct()
                wait_for("more events", 15, lambda s=seen: self.reader.distinct() > s + 1000)
                r.publisher.process.send_signal(signal.SIGKILL)
                r.publisher.process.wait()
                r.start()
            actor.wait("done", 60)
            self.assert_arrived(15000)
            print(f"  publisher killed 3 times: {self.reader.repeats()} of 15000 repeated", flush=True)

    def test_actor_that_comes_back_doubles_nothing(self):
        """What an actor asks again, under way or confirmed a moment ago, is not published again."""
        with Rig(self.broker.url()).start() as r:
            first = self.load(r, 100)
            first.wait("done", 30)
            first.process.send_signal(signal.SIGKILL)
            first.process.wait()
            again = self.load(r, 100)
            again.wait("done", 30)
            self.assert_arrived(300, repeats=0)

    def test_two_shards(self):
        with Rig(self.broker.url(), actors=2).start() as r:
            actors = [self.load(r, 1000, "--label", f"s{n}", shard=n) for n in range(2)]
            for a in actors:
                a.wait("done", 30)
            self.assert_arrived(6000, repeats=0)

    def test_exchange_of_another_type(self):
        c = self.broker.connect()
        c.channel().exchange_delete(rig.EXCHANGE)
        c.channel().exchange_declare(rig.EXCHANGE, "fanout", durable=True)
        with Rig(self.broker.url()).start() as r:
            r.wait_state("failed")
            self.assertRegex(r.sup.lines[-1], "406 PRECONDITION_FAILED.*sentiric_events")
            c.channel().exchange_delete(rig.EXCHANGE)
            c.close()
            r.wait_state("ready", 30)

    def test_wrong_password_is_said_and_not_shown(self):
        with Rig(self.broker.url(password="s3cr3t-word")).start() as r:
            r.wait_state("failed")
            self.assertRegex(r.sup.lines[-1], "403 ACCESS_REFUSED")
            r.publisher.end()
            self.assertFalse([x for p in r.processes for x in p.lines if "s3cr3t" in x])

    def test_unknown_vhost(self):
        with Rig(self.broker.url().replace("%2f", "nowhere")).start() as r:
            r.wait_state("failed")
            self.assertRegex(r.sup.lines[-1], "530 NOT_ALLOWED.*nowhere")

    def test_name_that_does_not_resolve(self):
        with Rig("amqp://guest:guest@broker.invalid:5672").start() as r:
            r.publisher.wait("broker not reachable", 20)
            r.wait_state("connecting")

    def test_name_is_resolved(self):
        """localhost is also ::1, where nothing listens: the next address is tried."""
        with Rig(self.broker.url().replace("127.0.0.1", "localhost")).start() as r:
            r.wait_state("ready")

    def test_not_a_broker(self):
        with socket.create_server(("127.0.0.1", 0)) as s:
            def serve():
                try:
                    while True:
                        peer = s.accept()[0]
                        peer.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n" * 20)
                        peer.close()
                except OSError:
                    pass
            threading.Thread(target=serve, daemon=True).start()
            with Rig(f"amqp://guest:guest@127.0.0.1:{s.getsockname()[1]}").start() as r:
                r.publisher.wait("broker not reachable", 20)
                r.wait_state("connecting")
                self.assertRegex(r.sup.lines[-1], "not AMQP|closed|reset")

    def test_stop_waits_for_confirms(self):
        with Rig(self.broker.url()).start() as r:
            actor = self.load(r, 2000, "--rate", "3000")
            wait_for("the first events", 15, self.reader.distinct)
            self.assertEqual(r.publisher.end(), 0)
            actor.end()
            told = counts(actor.find("counts")[-1])
            wait_for("what was confirmed is there", 15, lambda: self.reader.distinct() >= told["confirmed"])


class TlsFront(threading.Thread):
    """TLS in front of the plain broker, by Python's ssl."""

    def __init__(self, port, cert, key):
        super().__init__(daemon=True)
        self.target = port
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(cert, key)
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.start()

    def run(self):
        try:
            while True:
                peer = self.server.accept()[0]
                threading.Thread(target=self.serve, args=(peer,), daemon=True).start()
        except OSError:
            pass

    def serve(self, peer):
        try:
            with self.context.wrap_socket(peer, server_side=True) as front, \
                    socket.create_connection(("127.0.0.1", self.target)) as back:
                threading.Thread(target=self.copy, args=(back, front), daemon=True).start()
                self.copy(front, back)
        except (OSError, ssl.SSLError):
            pass

    @staticmethod
    def copy(a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
        except (OSError, ssl.SSLError):
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class TestTls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker().start()
        cls.pki = tempfile.mkdtemp(prefix="sig-pki-")
        subprocess.run([os.path.join(rig.TOP, "scripts/pki.sh"), "--bad", cls.pki], check=True, stdout=subprocess.DEVNULL)

    @classmethod
    def tearDownClass(cls):
        cls.broker.destroy()
        shutil.rmtree(cls.pki, ignore_errors=True)

    def rig_for(self, name, host="localhost"):
        front = TlsFront(self.broker.port, f"{self.pki}/{name}.crt", f"{self.pki}/{name}.key")
        self.addCleanup(front.server.close)
        r = Rig(f"amqps://guest:guest@{host}:{front.port}")
        r.settings["GRPC_TLS_CA_PATH"] = f"{self.pki}/ca.crt"
        return r

    def test_events_over_tls(self):
        reader = Reader(self.broker, "test.tls")
        for host in ("localhost", "127.0.0.1"):
            with self.rig_for("platform", host).start() as r:
                r.wait_state("ready")
                r.actor("--events", "3000", "--calls", "1000", "--label", host).wait("done", 60)
        wait_for("all", 30, lambda: reader.distinct() == 6000)
        self.assertEqual((reader.repeats(), reader.out_of_order()), (0, []))
        reader.end()

    def test_certificates_that_must_be_refused(self):
        for name, why in (("bad/other-ca", "certificate"), ("bad/wrong-name", "[Hh]ostname mismatch"),
                          ("bad/expired", "expired")):
            with self.subTest(name), self.rig_for(name).start() as r:
                r.publisher.wait("broker not reachable", 20)
                r.wait_state("connecting")
                self.assertRegex(r.sup.lines[-1], why)


if __name__ == "__main__":
    unittest.main()
