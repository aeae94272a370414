"""sigctl doctor: silent when all is well, and otherwise each finding with its remedy."""
import json
import os
import shutil
import subprocess
import unittest

import harness
from harness import Stack, run, wait_for
from test_recon import hang_after_taking, kill_supervisor
from ua import Call, Ua, status


def doctor(stack):
    """(exit code, {about: [finding, ...]}) without notes."""
    r = stack.ctl_raw("doctor", "--json")
    reply = json.loads(r.stdout)
    found = {}
    for f in reply["findings"]:
        if f["level"] != "note":
            found.setdefault(f["about"], []).append(f)
    assert reply["sound"] is (not found) and r.returncode == (1 if found else 0), (r.returncode, reply)
    assert all(f["text"] and f["remedy"] and f["process"] for f in reply["findings"]), reply
    return r.returncode, found


def wait_finding(stack, about, seconds=15):
    return wait_for(f"doctor tells of {about}", seconds, lambda: doctor(stack)[1].get(about))


class TestDoctor(unittest.TestCase):
    def test_all_is_well(self):
        with Stack().start() as stack, Ua(stack.sip_port) as ua:
            call = Call(ua)
            call.answered()
            self.assertEqual(doctor(stack), (0, {}))
            r = stack.ctl_raw("doctor")
            self.assertEqual(r.returncode, 0)
            self.assertIn("sound", r.stdout)
            self.assertEqual(set(stack.ctl("doctor")["looked"]), {"supervisor", *harness.WORKERS})
            call.bye()
            stack.assert_clean()

    def test_the_broker_and_a_backend_are_away(self):
        with Stack(broker_url="amqp://guest:guest@127.0.0.1:1/%2f", events=False).start() as stack:
            found = wait_finding(stack, "dependency")
            self.assertTrue([f for f in found if f["text"].startswith("rabbitmq is ") and f["level"] == "warning"], found)
            stack.platform.stop()
            wait_for("doctor tells of media-service", 15, lambda: [
                f for f in doctor(stack)[1].get("dependency", []) if f["text"].startswith("media-service is ") and f["level"] == "error"])
            wait_finding(stack, "calls_refused")
            text = stack.ctl_raw("doctor").stdout
            self.assertIn("\n  remedy: ", text)

    def test_a_worker_died_and_another_does_not_stay_up(self):
        with Stack().start() as stack:
            pid = stack.worker("publisher")["pid"]
            stack.ctl("restart", "publisher")
            wait_for("the publisher of an operator's restart", 10, lambda: stack.worker("publisher")["pid"] not in (0, pid))
            self.assertNotIn("worker_died", doctor(stack)[1], "who was asked to end has not died")
            stack.wait_restarted(stack.kill_worker("publisher"))
            died = wait_finding(stack, "worker_died")
            self.assertIn("publisher died 1 times", died[0]["text"])

    def test_a_certificate_that_ends_soon(self):
        with Stack() as stack:
            for name in ("sip-signaling.crt", "sip-signaling.key"):
                shutil.copy(f"{stack.pki}/{name}", stack.dir)
            short = os.path.join(stack.dir, "short.crt")
            request = ["openssl", "req", "-new", "-key", f"{stack.dir}/sip-signaling.key", "-subj", "/CN=sip-signaling-service"]
            sign = ["openssl", "x509", "-req", "-CA", f"{stack.pki}/ca.crt", "-CAkey", f"{stack.pki}/ca.key", "-days", "10", "-out", short]
            csr = subprocess.run(request, capture_output=True, check=True).stdout
            subprocess.run(sign, input=csr, capture_output=True, check=True)
            stack.settings[harness.P + "CERT_PATH"] = short
            stack.settings[harness.P + "KEY_PATH"] = f"{stack.dir}/sip-signaling.key"
            stack.platform.start()
            stack.spawn()
            wait_for("the control socket", 10, lambda: stack.ctl("status", check=False))
            found = wait_finding(stack, "certificate")
            self.assertRegex(found[0]["text"], r"ends in (9|10) days")

    def test_a_limit_of_files(self):
        with Stack().start() as stack:
            pid = stack.worker("sip-edge")["pid"]
            run("prlimit", f"--pid={pid}", "--nofile=1000:1000")
            found = wait_finding(stack, "file_limit")
            self.assertEqual(found[0]["process"], "sip-edge")

    def test_no_new_calls(self):
        with Stack().start() as stack:
            stack.ctl("drain")
            self.assertEqual(set(doctor(stack)[1]), {"draining"})
            stack.ctl("drain", "off")
            self.assertEqual(doctor(stack)[0], 0)

    def test_ports_of_shards_that_are_no_more(self):
        with Stack(CALL_ACTORS=2).start() as stack, Ua(stack.sip_port) as ua:
            calls = [Call(ua) for _ in range(20)]
            for call in calls:
                call.answered()
                stack.wait_established(call)

            def start_again(shards):
                kill_supervisor(stack)
                stack.settings[harness.P + "CALL_ACTORS"] = shards
                stack.spawn().wait_ready()

            start_again(1)
            left = len(calls) - len(stack.calls())
            found = wait_finding(stack, "ports_left_behind")
            self.assertEqual(found[0]["text"], f"{left} ports belong to calls of call-actors that are no more: there were 2, there is 1")
            self.assertIn("CALL_ACTORS", found[0]["remedy"])
            start_again(2)
            self.assertNotIn("ports_left_behind", doctor(stack)[1])
            for call in calls:
                self.assertEqual(status(call.bye()), 200)
            stack.assert_clean()

    def test_ports_that_nobody_has(self):
        with Stack().start() as stack, Ua(stack.sip_port) as ua:
            first = Call(ua)
            first.answered()
            hang_after_taking(stack)
            second = Call(ua).invite()
            second.response(100)
            wait_for("AllocatePort", 5, lambda: len(stack.platform.ledger("allocate")) == 2)
            lost = stack.platform.ledger("allocate")[1]["port"]
            stack.platform.faults()  # before the next orchestrator asks; what hangs goes on hanging
            stack.wait_restarted(stack.kill_worker("orchestrator"))
            self.assertEqual(status(second.final(20)), 200)
            found = wait_finding(stack, "ports_strange", 30)
            self.assertIn(f": {lost}", found[0]["text"])
            self.assertIn("MEDIA_EXCLUSIVE", found[0]["remedy"])
            self.assertIn("ports_unanswered", doctor(stack)[1])


if __name__ == "__main__":
    unittest.main()
