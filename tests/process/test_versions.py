"""Two versions side by side: each pair of neighbours mixed both ways, up and down, with kills and with calls that live through all of it.

The younger one has a field more in every message and row (next_version.py).
"""
import json
import os

import next_version
from harness import WORKERS
from test_upgrade import UpgradeTest
from ua import OFFER, Call, status

# By upgrades, one after the other: every pair of neighbours meets with the younger one on either side.
OLD = ()
MIXES = (("call-actor",), ("sip-edge", "orchestrator", "publisher"), WORKERS, OLD)


class TestSideBySide(UpgradeTest):
    settings = {"NO_ANSWER_S": 30}

    @classmethod
    def setUpClass(cls):
        cls.next = next_version.build()
        super().setUpClass()

    def mix(self, young):
        """A directory in which these workers are of the younger version."""
        return self.at("mix", **{name.replace("-", "_"): self.next for name in young})

    def lines(self, message):
        return [line for line in map(json.loads, filter(lambda s: s.startswith("{"), self.stack.log().splitlines()))
                if line.get("message") == message]

    def refused(self):
        text = self.stack.ctl("metrics")["metrics"]
        return [line for line in text.splitlines()
                if line.startswith("sip_signaling_plane_bad_total{") and not line.endswith(" 0")]

    def new_call(self):
        call = Call(self.ua)
        call.answered()
        self.stack.wait_established(call)
        call.bye()
        self.ended_of(call)

    def hold(self, call, direction):
        """A re-INVITE: the row is read, changed and written by whoever is there."""
        call.request("INVITE", OFFER.format(port=40000).replace("sendrecv", direction))
        answer = call.final(10)
        self.assertEqual(status(answer), 200)
        call.ack(answer)

    def row_of(self, call):
        """What the younger version has found in the call's row when it was started last: its own count, and the dialog's mark."""
        of = self.stack.ctl("call", call.call_id)["trace_id"]
        row = [line for line in self.lines("next: row") if line["of"] == of][-1]
        return row["mark"], row["dialog"]

    def test_up_and_down(self):
        held = Call(self.ua)
        held.answered()
        self.stack.wait_established(held)
        between, rung = self.talks()
        counts = []
        for i, young in enumerate(MIXES):
            with self.subTest(young=young, after=MIXES[i - 1] if i else OLD):
                code, said = self.upgrade(self.mix(young))
                self.assertEqual(code, 0, said)
                self.assertEqual(self.stack.ctl("upgrade")["upgrade"]["version"],
                                 next_version.VERSION if "sip-edge" in young else self.version())
                self.hold(held, "sendonly" if i % 2 == 0 else "sendrecv")
                self.new_call()
                for name in WORKERS:
                    self.stack.wait_restarted(self.stack.kill_worker(name))
                    self.stack.wait_ready()
                    self.new_call()
                if "call-actor" in young:
                    counts.append(self.row_of(held))
        # Versions that do not know the fields have kept them while they wrote the row: the count went on.
        self.assertTrue(all(dialog == 7 for _, dialog in counts), counts)
        marks = [mark for mark, _ in counts]
        self.assertGreater(marks[0], 0)
        self.assertGreater(marks[1], marks[0])
        heard = {line["type"] for line in self.lines("next: marked")}
        self.assertLessEqual({"EDGE_RX_REQUEST", "EDGE_SEND_REPLY", "ORCH_RUN_JOB", "ORCH_JOB_DONE", "PUB_EVENT",
                              "PUB_CONFIRMED"}, heard)
        self.assertEqual(self.refused(), [])
        held.bye()
        self.ended_of(held)
        rung.phone.answer(self.bye_between(between, rung))
        self.assertEqual(status(between.final(method="BYE")), 200)
        self.ended_of(between)
        self.stack.assert_clean()

    def bye_between(self, between, rung):
        between.request("BYE")
        return rung.expect("BYE")

    def version(self):
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../VERSION"), encoding="ascii") as f:
            return f.read().strip()
