"""A broker that is absent, stops, freezes or blocks never stops a call and never loses an event."""
import os
import signal
import tempfile
import unittest

import harness
import sipp
from harness import Broker, Events, KINDS, Stack
from ua import Call, Ua, status

FULL = bool(os.environ.get("FULL"))  # the long variants
DOWN_S = 60 if FULL else 8


class TestBroker(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker(tempfile.mkdtemp(prefix="sig-broker-"), harness.free_port())
        cls.broker.start()

    @classmethod
    def tearDownClass(cls):
        cls.broker.destroy()

    def stack(self, **settings):
        s = Stack(broker_url=self.broker.url, events=False, **settings)
        s.events = Events(self.broker)
        return s

    def one_call(self, stack, ua):
        call = Call(ua)
        call.answered()
        self.assertEqual(status(call.bye()), 200)
        return call

    def test_absent_at_start(self):
        with self.stack() as stack, Ua(stack.sip_port) as ua:
            self.broker.stop()
            try:
                stack.start()
                calls = [self.one_call(stack, ua) for _ in range(3)]
                self.assertEqual(stack.outbox(), 9)
                rabbit = stack.wait_dependency("rabbitmq", "connecting")
                self.assertTrue(stack.is_ready(), "a broker that is down never stops calls")
                self.assertTrue(rabbit)
            finally:
                self.broker.start()
            for call in calls:
                stack.events.wait_ended(call.call_id, 30)
                self.assertEqual(stack.events.keys_of_call(call.call_id), list(KINDS))
            stack.assert_clean(30)

    def test_stopped_under_load(self):
        """Nothing is lost, nothing doubled, each call's events in order."""
        rate, calls = 50, 50 * (DOWN_S + 6)
        with self.stack().start() as stack, tempfile.TemporaryDirectory(prefix="sig-sipp-") as folder:
            load = sipp.start(stack.sip_port, folder, calls=calls, rate=rate, hold_ms=300, service="902121234567")
            harness.wait_for("calls", 10, lambda: stack.events.all())
            self.broker.stop()
            harness.wait_for("events pile up", DOWN_S + 10, lambda: stack.outbox() > rate * (DOWN_S - 3))
            piled = stack.outbox()
            self.broker.start()
            r = sipp.finish(load, folder, 60 + DOWN_S)
            self.assertEqual((r.ok, r.failed), (calls, 0), r.text)
            stack.assert_clean(60)
            harness.wait_for("all events", 30, lambda: len(stack.events.all()) >= 3 * calls)
            orders = {tuple(keys) for keys in stack.events.by_call().values()}
            print(f"  broker down {DOWN_S} s at {rate} calls/s: {calls} calls, 0 failed, {piled} events waited, "
                  f"{len(stack.events.all())} events arrived, {stack.events.repeats()} repeated", flush=True)
            self.assertEqual(orders, {KINDS})
            self.assertEqual(len(stack.events.by_call()), calls)

    def test_the_store_fills_up(self):
        """Its limit is for new calls only: nothing dies, who talks can hang up, and the broker's return makes room."""
        with self.stack(STORE_MAX_MB=16, SIP_T1_MS=50, EVENT_FORMAT="both") as stack, Ua(stack.sip_port) as ua, \
                tempfile.TemporaryDirectory(prefix="sig-sipp-") as folder:
            self.broker.stop()
            load = None
            try:
                stack.start()
                talking = Call(ua)
                talking.answered()
                stack.wait_established(talking)
                load = sipp.start(stack.sip_port, folder, calls=100000, rate=200, hold_ms=0, service="902121234567")
                harness.wait_for("the store is full", 120, lambda: "the store is full" in stack.log())
                refused = Call(ua).invite().final()
                self.assertEqual(status(refused), 503)
                self.assertEqual(status(talking.bye()), 200)
                load.send_signal(signal.SIGUSR1)  # no new calls
                load.wait(30)
                stack.wait_no_calls()
                waited = stack.outbox()
                stack.wait_restarted(stack.kill_worker("call-actor"))  # a full store is read back like any other
                harness.wait_for("all events are there again", 10, lambda: (
                    events := stack.ctl("events", check=False)) and events["outbox"] == waited)
                self.assertEqual(status(Call(ua).invite().final()), 503)
                stack.wait_ready(ready=False)
            finally:
                if load is not None:
                    load.kill()
                    load.wait()
                self.broker.start()
            stack.wait_outbox_empty(90)
            stack.wait_ready()
            self.one_call(stack, ua)
            stack.events.wait_ended(talking.call_id, 30)
            stack.assert_clean(30)
            print(f"  a store of 16 MiB took {waited} events", flush=True)
            self.assertEqual({w["name"]: w["restarts"] for w in stack.ctl("status")["workers"] if w["restarts"]},
                             {"call-actor": 1})
            harness.wait_for("all events", 30, lambda: len(stack.events.all()) >= waited + 2 * len(KINDS))
            self.assertEqual({tuple(keys) for keys in stack.events.by_call().values()}, {KINDS})
            self.assertEqual(len(stack.events.all()), 2 * len(stack.events.all_json()))

    def test_killed_without_notice(self):
        with self.stack().start() as stack, Ua(stack.sip_port) as ua:
            first = self.one_call(stack, ua)
            self.broker.command("crash")
            try:
                second = self.one_call(stack, ua)
            finally:
                self.broker.start()
            for call in (first, second):
                stack.events.wait_ended(call.call_id, 30)
                self.assertEqual(stack.events.keys_of_call(call.call_id), list(KINDS))
            stack.assert_clean(30)

    def test_frozen(self):
        with self.stack().start() as stack, Ua(stack.sip_port) as ua:
            self.broker.command("pause")
            try:
                call = self.one_call(stack, ua)
            finally:
                self.broker.command("resume")
            stack.events.wait_ended(call.call_id, 60)
            self.assertEqual(stack.events.keys_of_call(call.call_id), list(KINDS))
            stack.assert_clean(30)

    def test_blocked(self):
        """The memory alarm: the broker reads no publishing connection until it clears."""
        with self.stack().start() as stack, Ua(stack.sip_port) as ua:
            self.broker.command("block")
            try:
                calls = [self.one_call(stack, ua) for _ in range(2)]
                self.assertGreater(stack.outbox(), 0)
            finally:
                self.broker.command("unblock")
            for call in calls:
                stack.events.wait_ended(call.call_id, 30)
                self.assertEqual(stack.events.keys_of_call(call.call_id), list(KINDS))
            stack.assert_clean(30)

    def test_returned_message_is_kept(self):
        """An event that no queue takes comes back (mandatory) and waits for a queue."""
        with self.stack().start() as stack, Ua(stack.sip_port) as ua:
            stack.events.close()  # its queue goes: nobody is bound any more
            call = self.one_call(stack, ua)
            stack.wait_no_calls()
            harness.wait_for("three events wait", 10, lambda: stack.outbox() == 3)
            stack.events = Events(self.broker)
            stack.events.wait_ended(call.call_id, 60)
            self.assertEqual(stack.events.keys_of_call(call.call_id), list(KINDS))
            stack.assert_clean(30)

    def test_a_publisher_restarted_in_order_doubles_nothing(self):
        """It leaves when every confirm is there and has been passed on, so its successor is asked for nothing twice."""
        rounds, calls = 5, 40
        with self.stack(RATE_LIMIT=0).start() as stack, Ua(stack.sip_port) as ua:
            repeats = []
            for n in range(1, rounds + 1):
                before, old = stack.events.repeats(), stack.worker("publisher")
                for i in range(calls):
                    call = Call(ua)
                    call.answered()
                    if i == calls // 2:
                        stack.ctl("restart", "publisher")
                    call.request("BYE")
                stack.wait_restarted(old)
                stack.wait_ready()
                stack.wait_outbox_empty()
                harness.wait_for("all events", 15, lambda n=n: len(stack.events.all()) >= 3 * calls * n)
                repeats.append(stack.events.repeats() - before)
            self.assertEqual(repeats, [0] * rounds)
            stack.assert_clean()

    def test_a_stop_while_the_broker_is_frozen(self):
        """It looks connected and confirms nothing: the stop gives it two seconds."""
        with self.stack(DRAIN_S=60).start() as stack, Ua(stack.sip_port) as ua:
            self.broker.command("pause")
            try:
                call = self.one_call(stack, ua)
                stack.wait_no_calls()
                code, took = stack.stop()
                self.assertEqual(code, 0)
                self.assertLess(took, 10 * harness.SLOW)
            finally:
                self.broker.command("resume")
            stack.spawn().wait_ready()
            stack.events.wait_ended(call.call_id, 30)
            self.assertEqual(stack.events.keys_of_call(call.call_id), list(KINDS))
            stack.assert_clean(30)

    def test_service_restarted_while_the_broker_is_down(self):
        """The outbox is on disk: what waited in one life is published in the next, and a stop does not wait for it."""
        with self.stack(DRAIN_S=60).start() as stack, Ua(stack.sip_port) as ua:
            self.broker.stop()
            try:
                call = self.one_call(stack, ua)
                stack.wait_no_calls()
                stack.wait_dependency("rabbitmq", "connecting")
                code, took = stack.stop()
                self.assertEqual(code, 0)
                self.assertLess(took, 6 * harness.SLOW)
                stack.spawn().wait_ready()
                self.assertEqual(stack.outbox(), 3)
            finally:
                self.broker.start()
            stack.events.wait_ended(call.call_id, 30)
            self.assertEqual(stack.events.keys_of_call(call.call_id), list(KINDS))
            stack.assert_clean(30)
