"""Who asks for a transfer or a call by gRPC, AMQP or sigctl, and what he is told of it, then or later."""
import concurrent.futures
import json
import subprocess
import unittest

import harness
import peers
from harness import wait_for
from test_transfer_bridged import COMPLETED, STARTED, BridgedTest, Side
from ua import status


class Asked:
    """A question that waits for its outcome, beside the test."""

    def __init__(self, ask):
        self.pool = concurrent.futures.ThreadPoolExecutor(1)
        self.result = self.pool.submit(ask)

    def answer(self, seconds=90):
        return self.result.result(seconds)


class TestOutcome(BridgedTest):
    """Who asks can wait for what becomes of it, or ask again with the key of his question."""

    def ask(self, about, **how):
        return Asked(lambda: peers.b2bua(self.stack, "transfer", about.call_id, "bob", **how))

    def sigctl(self, *words):
        run = subprocess.run([harness.binary("sigctl"), "--json", "--runtime-dir", self.stack.runtime, *words],
                             capture_output=True, text=True)
        return run.returncode, json.loads(run.stdout)

    def moves(self, stays, other, rung):
        rung.ring().pick_up()
        rung.expect_ack()
        stays.take()
        other.expect_bye()

    def leave(self, who, *others):
        who.bye()
        for other in others:
            other.expect_bye()
        self.stack.events.wait_ended(self.call.call_id)
        self.stack.assert_clean()

    def test_joined(self):
        stays, other = self.sides("callee")
        asked = self.ask(Side(self, call=self.call), wait=20, stays="callee")
        rung = self.bob.rung()
        self.moves(stays, other, rung)
        self.assertEqual(asked.answer()["status"], "OK")
        self.leave(stays, rung)

    def test_busy(self):
        stays, other = self.sides("caller")
        asked = self.ask(stays, wait=20)
        rung = self.bob.rung()
        rung.say("486 Busy Here", contact=False)
        rung.expect_ack()
        self.assertEqual(asked.answer(), {"status": "ABORTED", "message": "busy, 486"})
        self.leave(stays, other)

    def test_asked_again_until_it_is_known(self):
        stays, other = self.sides("caller")
        self.assertEqual(self.ask(stays, key="k", wait=1).answer()["status"], "DEADLINE_EXCEEDED")
        rung = self.bob.rung().ring()
        asked = self.ask(stays, key="k", wait=20)
        self.moves(stays, other, rung)
        self.assertEqual(asked.answer()["status"], "OK")
        self.assertEqual(self.ask(stays, key="k", wait=1).answer()["status"], "OK")  # any time later
        self.leave(stays, rung)

    def test_the_call_ends(self):
        stays, other = self.sides("caller")
        asked = self.ask(stays, wait=20)
        rung = self.bob.rung().ring()
        wait_for("bob rings", 5, lambda: any(
            leg["state"] == "ringing" for leg in self.stack.ctl("call", self.call.call_id)["legs"]))
        stays.bye()
        other.expect_bye()
        rung.expect_cancel()
        self.assertEqual(asked.answer(), {"status": "ABORTED", "message": "call_ended"})

    def test_an_operator_waits(self):
        stays, other = self.sides("callee")
        asked = Asked(lambda: self.sigctl("transfer", self.call.call_id, "bob", "--stays", "callee", "--wait", "20"))
        rung = self.bob.rung()
        self.moves(stays, other, rung)
        self.assertEqual(asked.answer(), (0, {"ok": True, "call_id": self.call.call_id, "state": "done", "reason": "joined"}))
        shown = self.stack.ctl("call", self.call.call_id)
        self.assertEqual((shown["transfer"]["state"], shown["transfer"]["stays"]), ("completed", "callee 1"))
        self.assertEqual([leg["state"] for leg in shown["legs"]], ["up", "up"])
        self.leave(stays, rung)

    def test_an_operator_waits_in_vain(self):
        stays, other = self.sides("caller")
        asked = Asked(lambda: self.sigctl("transfer", self.call.call_id, "bob", "--wait", "20"))
        rung = self.bob.rung()
        rung.say("603 Decline", contact=False)
        rung.expect_ack()
        code, told = asked.answer()
        self.assertEqual((code, told["state"], told["reason"], told["sip_code"]), (1, "failed", "busy", 603))
        self.leave(stays, other)

    def test_each_worker_is_killed_meanwhile(self):
        for name in ("call-actor", "sip-edge", "orchestrator", "publisher"):
            with self.subTest(name):
                for phone in (self.bob, self.alice, self.ua):
                    phone.unread.clear()
                stays, other = self.sides("callee")
                given_up = []
                asked = self.ask(stays, key="k" + name, wait=60)
                rung = self.bob.rung().ring()
                wait_for("bob rings", 5, lambda: any(
                    leg["state"] == "ringing" for leg in self.stack.ctl("call", self.call.call_id)["legs"]))
                self.stack.wait_restarted(self.stack.kill_worker(name))
                self.stack.wait_ready()
                if name == "orchestrator":  # who is not answered asks again
                    given_up.append(asked)
                    asked = self.ask(stays, key="k" + name, wait=60)
                rung.pick_up()
                rung.expect_ack(10)
                offer = stays.offered()
                stays.say(offer, "100 Trying")  # a restart may take longer than 64*T1 beside others
                self.stack.wait_restarted(self.stack.kill_worker(name))
                self.stack.wait_ready()
                if name == "orchestrator":
                    given_up.append(asked)
                    asked = self.ask(stays, key="k" + name, wait=60)
                stays.take(offer)
                other.expect_bye(10)
                self.assertEqual(asked.answer()["status"], "OK")
                for lost in given_up:  # gRPC may have asked the next orchestrator by itself
                    self.assertIn(lost.answer()["status"], ("UNAVAILABLE", "OK"))
                keys = self.stack.events.keys_of_call(self.call.call_id)
                self.leave(stays, rung)
                wait_for("events", 10, lambda: self.stack.events.keys_of_call(self.call.call_id).count(COMPLETED) == 1)
                self.assertEqual(self.stack.events.keys_of_call(self.call.call_id).count(STARTED), 1, keys)


class TestByAmqp(BridgedTest):
    """call.transfer.request and call.initiate.request, by pika and the protobuf library."""

    def ask(self, body, key="call.transfer.request", **how):
        return peers.amqp_ask(self.stack.broker, key, body, **how)

    def finish(self, stays, other, rung):
        rung.ring().pick_up()
        rung.expect_ack()
        stays.take()
        other.expect_bye()
        self.finished(COMPLETED)
        stays.bye()
        rung.expect_bye()
        return self.books(stays.party)

    def test_json(self):
        stays, other = self.sides("caller")
        told = self.ask({"callId": stays.call_id, "target": "sip:bob@sentiric.cloud"}, message_id="m-1")
        self.assertEqual((told["result"], told["callId"], told["idempotencyKey"]), ("ok", self.call.call_id, "m-1"))
        rung = self.bob.rung()
        self.assertEqual(self.ask({"callId": stays.call_id, "target": "sip:bob@sentiric.cloud"}, message_id="m-1")["result"], "ok")
        done = self.finish(stays, other, rung)  # one transfer, as the events say
        self.assertEqual((done["askedBy"], done["idempotencyKey"]), ("amqp", "m-1"))

    def test_protobuf(self):
        stays, other = self.sides("callee")
        body = peers.generic_event("call.transfer.request", self.call.call_id, {"target": "bob", "stays": "callee", "idempotencyKey": "k"})
        self.assertEqual(self.ask(body)["result"], "ok")
        rung = self.bob.rung()
        self.assertEqual(self.ask(body)["result"], "ok")
        self.finish(stays, other, rung)

    def test_delivered_again_after_kills(self):
        stays, other = self.sides("caller")
        body = {"callId": stays.call_id, "target": "bob"}
        self.assertEqual(self.ask(body)["result"], "ok")
        rung = self.bob.rung().ring()
        for name in ("publisher", "call-actor"):
            wait_for("bob rings", 5, lambda: any(
                leg["state"] == "ringing" for leg in self.stack.ctl("call", self.call.call_id)["legs"]))
            self.stack.wait_restarted(self.stack.kill_worker(name))
            self.stack.wait_ready()
            self.assertEqual(self.ask(body)["result"], "ok")
        self.finish(stays, other, rung)

    def test_refused(self):
        stays, other = self.sides("caller")
        for body, result in (({"callId": "nobody@nowhere", "target": "bob"}, "not_found"),
                             ({"callId": stays.call_id, "target": "sip:"}, "bad_request"),
                             ({"callId": stays.call_id, "target": "bob", "stays": "both"}, "bad_request"),
                             ({"callId": stays.call_id, "target": "905551112233"}, "refused")):
            told = self.ask(body)
            self.assertEqual(told["result"], result, told)
        for body in (b"", b"{", {"callId": stays.call_id}, {"target": "bob"}, {"callId": stays.call_id, "target": "x" * 600}):
            self.assertIsNone(self.ask(body, seconds=0.5))
        stays.bye()
        other.expect_bye()
        self.over(self.call, "normal_clearing", stays.party)

    def test_a_call_is_placed(self):
        told = self.ask({"from": "1001", "to": "bob", "callId": "by-amqp-1"}, "call.initiate.request", message_id="m-2")
        self.assertEqual((told["result"], told["callId"]), ("ok", "by-amqp-1"))
        first = self.alice.rung()
        self.assertEqual(self.ask({"from": "1001", "to": "bob"}, "call.initiate.request", message_id="m-2")["callId"], "by-amqp-1")
        first.say("486 Busy Here", contact=False)
        first.expect_ack()
        self.stack.events.wait_ended("by-amqp-1")
        self.stack.assert_clean()
        self.assertEqual(self.ask({"from": "902121234567", "to": "1003", "callId": "by-amqp-2"}, "call.initiate.request")["result"], "not_found")


if __name__ == "__main__":
    unittest.main()
