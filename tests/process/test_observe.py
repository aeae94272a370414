"""What operators and their tools see: log lines, metrics, live numbers, troubles of the broker."""
import http.client
import json
import os
import re
import signal
import tempfile
import time
import unittest

import harness
import sipp
from harness import Broker, P, Stack
from raw import Raw
from test_call import OneCall
from ua import Call, Ua, status

G729_ONLY = ("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
             "m=audio {port} RTP/AVP 18\r\na=rtpmap:18 G729/8000\r\n")


def lines(stack, **wanted):
    """Lines of the log that have these values."""
    found = []
    for line in stack.log().split("\n"):
        if line.startswith("{"):
            one = json.loads(line)
            if all(one.get(k) == v for k, v in wanted.items()):
                found.append(one)
    return found


def fetch(port, path="/metrics", method="GET"):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    c.request(method, path)
    r = c.getresponse()
    return r, r.read().decode()


SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)\{([^}]*)\} (-?[0-9]+(?:\.[0-9]+)?)$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')


def parse(text):
    """Samples as {(name, labels): value}; raises on whatever the exposition format (version 0.0.4) does not allow."""
    samples, kinds, helped, family = {}, {}, set(), None
    assert text.endswith("\n"), "the last line must end too"
    for line in text.split("\n")[:-1]:
        if line.startswith("# HELP "):
            family = line.split(" ")[2]
            assert family not in helped, f"HELP twice: {family}"
            helped.add(family)
            continue
        if line.startswith("# TYPE "):
            name, kind = line.split(" ")[2:]
            assert name == family and name not in kinds, f"TYPE out of place: {line}"
            assert kind in ("counter", "gauge", "histogram")
            kinds[name] = kind
            continue
        m = SAMPLE.match(line)
        assert m, f"no sample: {line!r}"
        name, labels, value = m.groups()
        base = re.sub(r"_(bucket|sum|count)$", "", name) if kinds.get(family) == "histogram" else name
        assert base == family, f"{name} stands among {family}"
        assert kinds[family] != "counter" or name.endswith("_total"), f"a counter is called {name}"
        pairs = LABEL.findall(labels)
        assert ",".join(f'{k}="{v}"' for k, v in pairs) == labels, f"labels: {labels}"
        assert len({k for k, _ in pairs}) == len(pairs) and "proc" in dict(pairs)
        key = (name, tuple(sorted(pairs)))
        assert key not in samples, f"twice: {line}"
        samples[key] = float(value)
    for (name, labels), value in samples.items():
        if name.endswith("_bucket") and dict(labels)["le"] == "+Inf":
            rest = tuple(p for p in labels if p[0] != "le")
            assert samples[(name[:-len("bucket")] + "count", rest)] == value
    return samples


class TestLog(OneCall):
    def refused(self, code, reason, call_id):
        told = harness.wait_for("a line", 5, lambda: lines(self.stack, message="call refused", call_id=call_id))
        self.assertEqual(len(told), 1, told)
        self.assertEqual((told[0]["level"], told[0]["sip_code"], told[0]["source"]), ("info", code, "127.0.0.1"))
        self.assertIn(reason, told[0]["reason"])

    def test_keys_of_the_platform(self):
        call = Call(self.ua)
        call.answered()
        call.bye()
        self.ended(call, "normal_clearing")
        begun = lines(self.stack, message="call begun", call_id=call.call_id)
        self.assertEqual(len(begun), 1)
        self.assertLessEqual({"timestamp", "level", "service", "process", "message", "trace_id", "call_id"}, set(begun[0]))
        self.assertEqual((begun[0]["service"], begun[0]["process"]), ("sip-signaling-service", "call-actor"))
        for line in self.stack.log().split("\n"):
            if line.startswith("{"):
                self.assertEqual(list(json.loads(line))[:5], ["timestamp", "level", "service", "process", "message"])

    def test_a_codec_nobody_has(self):
        call = Call(self.ua)
        call.invite(offer=G729_ONLY)
        self.assertEqual(status(call.final()), 488)  # by us, when the plan has said that we answer
        ended = harness.wait_for("a line", 5, lambda: lines(self.stack, message="call ended", call_id=call.call_id))[0]
        self.assertEqual((ended["sip_code"], ended["stage"], ended["detail"]), (488, "media", "no codec in common"))

    def test_refused_by_the_edge(self):
        call = Call(self.ua)
        call.invite(extra=["Require: nothing-we-know"])
        self.assertEqual(status(call.final()), 420)
        self.refused(420, "Bad Extension", call.call_id)
        bare = Raw(self.ua, Contact=None).send()
        self.assertEqual(status(bare.final()), 400)
        self.refused(400, "Contact", bare.call_id)


class TestMetrics(unittest.TestCase):
    def test_they_are_valid_and_tell_the_calls(self):
        port = harness.free_port()
        with Stack(**{P + "METRICS_PORT": port}, CALL_ACTORS=2).start() as stack, Ua(stack.sip_port) as ua:
            call = Call(ua)
            call.answered()
            stack.wait_established(call)
            bad = Call(ua)
            bad.invite(offer=G729_ONLY)
            self.assertEqual(status(bad.final()), 488)
            seen = parse(fetch(port)[1])

            def total(name, **labels):
                found = [v for (n, pairs), v in seen.items() if n == name and set(labels.items()) <= set(pairs)]
                self.assertTrue(found, f"{name} {labels}")
                return sum(found)
            self.assertEqual(total("sip_signaling_calls", state="established"), 1)
            self.assertEqual(total("sip_signaling_calls"), 1)
            self.assertEqual(total("sip_signaling_calls_refused_total", status="488", stage="media"), 1)
            self.assertEqual(total("sip_signaling_registrations"), 0)
            self.assertEqual(total("sip_signaling_store_limit_bytes"), 2 * 4096 << 20)
            self.assertGreater(total("sip_signaling_store_used_bytes"), 0)
            self.assertGreaterEqual(total("sip_signaling_store_file_bytes"), total("sip_signaling_store_used_bytes"))
            self.assertEqual(total("sip_signaling_call_setup_ms_count"), 1)
            self.assertGreaterEqual(total("sip_signaling_outbox_limit"), 1)
            for proc in ("supervisor", "sip-edge", "call-actor.0", "call-actor.1", "orchestrator", "publisher"):
                with open(os.path.join(harness.TOP, "VERSION"), encoding="utf-8") as f:
                    self.assertEqual(total("sip_signaling_build_info", proc=proc, version=f.read().strip()), 1)
                for name in ("cpu_seconds_total", "resident_memory_bytes", "virtual_memory_bytes", "open_fds", "max_fds"):
                    self.assertGreaterEqual(total("process_" + name, proc=proc), 0)
                self.assertGreater(total("process_resident_memory_bytes", proc=proc), 1 << 20)
                self.assertGreater(total("process_start_time_seconds", proc=proc), 1e9)
            call.bye()
            stack.events.wait_ended(call.call_id)
            stack.assert_clean()
            seen = parse(fetch(port)[1])
            self.assertEqual(total("sip_signaling_calls"), 0)
            self.assertEqual(total("sip_signaling_outbox"), 0)
            self.assertEqual(total("sip_signaling_calls_ended_total", reason="normal_clearing", ended_by="caller",
                                   stage="established"), 1)

    def test_head_is_a_get_without_its_body(self):
        port = harness.free_port()
        with Stack(**{P + "METRICS_PORT": port}).start():
            head, nothing = fetch(port, method="HEAD")
            got, text = fetch(port)
            self.assertEqual((head.status, nothing), (200, ""))
            self.assertGreater(int(head.headers["Content-Length"]), 1000)
            self.assertAlmostEqual(int(head.headers["Content-Length"]), len(text.encode()), delta=200)
            self.assertEqual(int(got.headers["Content-Length"]), len(text.encode()))
            missing, nothing = fetch(port, "/nowhere", method="HEAD")
            self.assertEqual((missing.status, nothing), (404, ""))

    def test_strangers_do_not_fill_the_log(self):
        """Every refusal is counted, some are told."""
        port, count = harness.free_port(), 40
        with Stack(**{P + "METRICS_PORT": port}, TRUSTED_PEERS="192.0.2.0/24").start() as stack, Ua(stack.sip_port) as ua:
            begin = time.monotonic()
            for _ in range(count):
                self.assertEqual(status(Call(ua).invite(extra=["Require: nonsense"]).final()), 420)
            took = time.monotonic() - begin
            seen = parse(fetch(port)[1])
            self.assertEqual(sum(v for (n, labels), v in seen.items() if n == "sip_signaling_calls_refused_total"
                                 and {("status", "420"), ("stage", "edge")} <= set(labels)), count)
            told = len(lines(stack, message="call refused"))
            self.assertGreaterEqual(told, 5)
            self.assertLessEqual(told, 5 * (took + 1) + 5)


class TestNumbers(OneCall):
    def test_status_is_as_new_as_calls(self):
        """Not as old as the last heartbeat, which may be half a second."""
        for n in range(6):
            call = Call(self.ua)
            call.answered()
            self.assertEqual(self.stack.ctl("status")["calls"], len(self.stack.calls()), n)
            self.stack.wait_established(call)
            self.assertEqual(self.stack.ctl("status")["calls"], 1)
            call.bye()
            self.stack.wait_no_calls()
            self.assertEqual(self.stack.ctl("status")["calls"], 0)
        self.stack.assert_clean()

    def test_status_waits_for_nobody(self):
        """A shard that does not answer: its last heartbeat's numbers, soon."""
        pid = self.stack.worker("call-actor")["pid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            begin = time.monotonic()
            self.assertEqual(self.stack.ctl("status")["calls"], 0)
            self.assertLess(time.monotonic() - begin, 1 * harness.SLOW)
        finally:
            os.kill(pid, signal.SIGCONT)


class TestBrokerTroubles(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker(tempfile.mkdtemp(prefix="sig-broker-"), harness.free_port())
        cls.broker.start()

    @classmethod
    def tearDownClass(cls):
        cls.broker.destroy()

    def test_events_no_queue_is_bound_for(self):
        with Stack(broker_url=self.broker.url, events=False).start() as stack, Ua(stack.sip_port) as ua:
            for _ in range(3):
                call = Call(ua)
                call.answered()
                call.bye()
            dep = stack.wait_dependency("rabbitmq", "degraded")
            self.assertIn("no queue is bound for call.started", dep["detail"])
            self.assertTrue(stack.is_ready())
            warned = harness.wait_for("a warning", 5, lambda: lines(stack, level="warn", process="publisher"))
            self.assertEqual([w.get("key") for w in warned], ["call.started"])
            events = harness.Events(self.broker)
            stack.events = events
            stack.wait_outbox_empty(30)
            stack.wait_dependency("rabbitmq", "ready", 30)

    def test_another_reason_is_another_line(self):
        wrong = self.broker.url.replace("guest:guest", "guest:wrong")
        self.broker.stop()
        try:
            with Stack(broker_url=wrong, events=False).start() as stack:
                harness.wait_for("it cannot be reached", 10, lambda: lines(stack, message="broker not reachable"))
                self.broker.start()
                harness.wait_for("it refuses us", 30, lambda: [
                    one for one in lines(stack, level="warn", message="broker not reachable") if "REFUSED" in one["why"]])
                self.assertLess(len(lines(stack, level="warn", message="broker not reachable")), 8)
        finally:
            self.broker.start()

    def test_what_waited_is_the_outbox(self):
        """More than publisher takes at once."""
        calls = 300
        self.broker.stop()
        try:
            with Stack(broker_url=self.broker.url, events=False).start() as stack, \
                    tempfile.TemporaryDirectory(prefix="sig-sipp-") as folder:
                load = sipp.start(stack.sip_port, folder, calls=calls, rate=100, hold_ms=100, service="902121234567")
                r = sipp.finish(load, folder, 60)
                self.assertEqual((r.ok, r.failed), (calls, 0), r.text)
                self.assertEqual(stack.ctl("status")["outbox"], 3 * calls)
                self.broker.start()
                stack.events = harness.Events(self.broker)
                told = harness.wait_for("they are told", 30, lambda: lines(stack, message="events waited for the broker"))
                self.assertEqual([(t["process"], t["count"]) for t in told], [("call-actor", 3 * calls)])
                stack.wait_outbox_empty(60)
        finally:
            self.broker.start()
