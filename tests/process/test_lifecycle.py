"""Start, drain, stop, and every way in which a start can be refused: exit code and one clear line."""
import glob
import json
import os
import re
import resource
import signal
import socket
import tempfile
import time
import unittest

import harness
import sipp
from harness import P, Stack
from test_call import OneCall
from ua import Call, Ua, status

EX_BADUSE, EX_BUSY, EX_STORAGE = 2, 4, 5


class TestCores(unittest.TestCase):
    """A core of the publisher holds the broker's password: there is none unless the setting allows it."""

    def setUp(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))  # inherited by what is started
        self.addCleanup(resource.setrlimit, resource.RLIMIT_CORE, (soft, hard))
        with open("/proc/sys/kernel/core_pattern", encoding="ascii") as f:
            self.here = hard != 0 and f.read().strip() == "core"  # else a core goes where we cannot look

    def cores_of_an_abort(self, **settings):
        with Stack(**settings).start() as stack:
            stack.wait_restarted(stack.kill_worker("publisher", signal.SIGABRT))
            worker = stack.worker("publisher")
            self.assertGreater(worker["rss_kb"], 0, "the supervisor still sees what its workers use")
            return glob.glob(os.path.join(stack.dir, "core*"))

    def test_none(self):
        self.assertEqual(self.cores_of_an_abort(), [])

    def test_where_allowed(self):
        if self.here:  # so that test_none can fail
            self.assertNotEqual(self.cores_of_an_abort(CORE_DUMPS="true"), [])


class TestStop(unittest.TestCase):
    def test_term_without_calls(self):
        with Stack().start() as stack:
            code, took = stack.stop()
            self.assertEqual(code, 0)
            self.assertLess(took, 5 * harness.SLOW)

    def test_term_ends_the_calls(self):
        """DRAIN_S is over: whoever is still there gets BYE, and everything is told and given back before the end."""
        with Stack(DRAIN_S=1).start() as stack, Ua(stack.sip_port) as ua:
            call = Call(ua)
            call.answered()
            stack.wait_established(call)
            stack.process.send_signal(signal.SIGTERM)
            call.expect_bye(10)
            stack.process.wait(15 * harness.SLOW)
            self.assertEqual(stack.process.returncode, 0)
            bodies = stack.events.wait_ended(call.call_id)
            self.assertEqual(bodies[-1]["reason"], "system_terminated")
            stack.platform.wait_balanced()

    def test_term_is_bounded_when_nobody_answers(self):
        with Stack(DRAIN_S=1).start() as stack, Ua(stack.sip_port) as ua:
            Call(ua).answered()
            stack.platform.pause()
            try:
                code, took = stack.stop(30)
            finally:
                stack.platform.resume()
            self.assertEqual(code, 0)
            self.assertLess(took, 20 * harness.SLOW)

    def test_calls_survive_kill_of_everything(self):
        """The supervisor is killed: no worker stays behind, and the next start takes the calls up again."""
        with Stack().start() as stack, Ua(stack.sip_port) as ua:
            call = Call(ua)
            call.answered()
            stack.wait_established(call)
            stack.process.kill()
            stack.process.wait()
            harness.wait_for("the workers are gone", 10, lambda: not harness.processes_of_session(stack.process.pid))
            stack.spawn().wait_ready()
            self.assertEqual([c["call_id"] for c in stack.calls()], [call.call_id])
            self.assertEqual(status(call.bye()), 200)
            stack.events.wait_ended(call.call_id)
            self.assertEqual(stack.events.keys_of_call(call.call_id), list(harness.KINDS))
            stack.assert_clean()


class TestDrain(unittest.TestCase):
    def test_no_new_calls_and_the_old_one_goes_on(self):
        with Stack().start() as stack, Ua(stack.sip_port) as ua:
            call = Call(ua)
            call.answered()
            stack.ctl("drain")
            harness.wait_for("OPTIONS is refused", 5, lambda: status(ua.ask("OPTIONS")) == 503)
            refused = Call(ua).invite().final()
            self.assertEqual(status(refused), 503)
            self.assertEqual(len(stack.calls()), 1)
            self.assertEqual(status(call.bye()), 200)
            stack.events.wait_ended(call.call_id)
            stack.assert_clean()


class TestControl(OneCall):
    def test_status_keys(self):
        s = self.stack.ctl("status")
        self.assertLessEqual({"ready", "workers", "dependencies", "calls", "registrations", "outbox"}, set(s))
        self.assertEqual(sorted(w["name"] for w in s["workers"]), sorted(harness.WORKERS))
        for w in s["workers"]:
            self.assertLessEqual({"name", "pid", "state", "restarts", "uptime_s"}, set(w))
        self.assertEqual({d["name"]: d["state"] for d in s["dependencies"]}, {
            n: "ready" for n in ("user-service", "dialplan-service", "media-service", "rabbitmq")})

    def test_one_call_in_full(self):
        call = Call(self.ua)
        call.answered()
        shown = self.stack.calls()[0]
        self.assertLessEqual({"call_id", "trace_id", "state", "direction", "from", "to", "rtp_port", "started_at"},
                             set(shown))
        self.assertEqual(shown["direction"], "inbound")
        one = self.stack.ctl("call", call.call_id)
        self.assertIn(call.call_id, str(one))
        call.bye()
        self.ended(call, "normal_clearing")
        self.assertEqual(self.stack.ctl_raw("call", "nobody@nowhere").returncode, 1)

    def test_the_messages_of_a_call(self):
        call = Call(self.ua)
        call.answered()
        self.stack.wait_established(call)
        call.bye()
        self.ended(call, "normal_clearing")
        one = self.stack.ctl("ladder", call.call_id)
        sent = [(m["from"], m["message"]) for m in one["ladder"] if m.get("to") in ("caller", "call-actor")]
        self.assertEqual([m for m in sent if m[0] in ("caller", "call-actor")], [
            ("caller", "INVITE"), ("call-actor", "180 Ringing"), ("call-actor", "200 OK"), ("caller", "ACK"),
            ("caller", "BYE"), ("call-actor", "200 OK")])
        drawn = self.stack.ctl_raw("ladder", call.call_id)
        self.assertEqual(drawn.returncode, 0)
        self.assertRegex(drawn.stdout, r"\|-+ INVITE -+>\|")
        self.assertEqual(self.stack.ctl_raw("ladder", "nobody@nowhere").returncode, 1)

    def test_the_state_tells_what_a_set_up_waits_for(self):
        self.stack.platform.faults(ResolveDialplan={"delay_ms": 1000})
        try:
            call = Call(self.ua).invite()
            harness.wait_for("the dialplan is asked", 5, lambda: [
                c for c in self.stack.calls() if c["call_id"] == call.call_id and c["state"] == "dialplan"])
            call.ack(call.final())
        finally:
            self.stack.platform.faults()
        call.bye()
        self.ended(call, "normal_clearing")

    def test_half_a_command(self):
        self.assertEqual(self.stack.ctl("registrations")["registrations"], [])
        call = Call(self.ua)
        call.answered()
        self.assertEqual(self.stack.ctl_raw("transfer", call.call_id).returncode, EX_BADUSE)
        call.bye()
        self.ended(call, "normal_clearing")

    def test_a_name_that_is_no_text(self):
        call = Call(self.ua)
        call.from_value = call.from_value.replace("Caller", "Ca\udcffller")
        call.answered()
        shown = self.stack.ctl("calls")["calls"][0]["from"]
        self.assertIn('"Ca?ller" <sip:', shown)
        self.assertIn("Ca?ller", self.stack.ctl_raw("call", call.call_id).stdout)
        call.bye()
        self.ended(call, "normal_clearing")

    def test_top(self):
        seen = self.stack.ctl("top")
        self.assertLessEqual({"status", "rates", "workers", "calls"}, set(seen))
        self.assertTrue(all("cpu_percent" in w and w["rss_kb"] > 0 for w in seen["workers"]))
        shown = self.stack.ctl_raw("top", "-n", "2")
        self.assertEqual((shown.returncode, shown.stdout.count("per second:")), (0, 2))
        self.assertEqual(self.stack.ctl_raw("status", "-n", "2").returncode, EX_BADUSE)

    def test_metrics_are_prometheus_text(self):
        text = self.stack.ctl_raw("metrics").stdout
        self.assertIn('sip_signaling_calls_total{proc="call-actor"} ', text)
        self.assertIn("# TYPE sip_signaling_call_setup_ms histogram", text)

    def test_every_call_is_listed(self):
        """More than a page of them; each once, oldest first."""
        count = 450
        with tempfile.TemporaryDirectory(prefix="sig-sipp-") as folder:
            load = sipp.start(self.stack.sip_port, folder, calls=count, rate=150, hold_ms=8000, service="902121234567")
            listed = harness.wait_for("all calls are up", 15, lambda: (
                (r := self.stack.ctl("calls"))["total"] == count and r))
            self.assertEqual(len({c["call_id"] for c in listed["calls"]}), count)
            starts = [c["started_at"] for c in listed["calls"]]
            self.assertEqual(starts, sorted(starts))
            self.assertNotIn("truncated", listed)
            some = self.stack.ctl("calls", "250")
            self.assertEqual((len(some["calls"]), some["truncated"]), (250, True))
            r = sipp.finish(load, folder, 60)
        self.assertEqual((r.ok, r.failed), (count, 0), r.text)
        self.stack.assert_clean()

    def test_exit_codes(self):
        self.assertEqual(self.stack.ctl_raw("nonsense").returncode, EX_BADUSE)
        with tempfile.TemporaryDirectory(prefix="sig-") as empty:
            r = harness.run(harness.binary("sigctl"), "status", env={**os.environ, P + "RUNTIME_DIR": empty})
            self.assertEqual(r.returncode, 3, r.stderr)
            self.assertEqual(len(r.stderr.strip().split("\n")), 1, r.stderr)

    def test_log_level_and_reload(self):
        for args in (("log", "debug"), ("log", "info"), ("reload",), ("events",), ("metrics",)):
            with self.subTest(args=args):
                r = self.stack.ctl_raw(*args)
                self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
        self.stack.process.send_signal(signal.SIGHUP)
        self.assertEqual(status(self.ua.ask("OPTIONS")), 200)
        self.assertTrue(self.stack.is_ready())

    def test_reload_of_certificates(self):
        """What cannot be used, or does not connect, leaves the service as it was; good ones replace them unnoticed."""
        def details():
            return {d["name"]: (d["state"], d.get("detail", "")) for d in self.stack.ctl("status")["dependencies"]
                    if d["name"].endswith("-service")}

        def put(name, key_of=None, code=0):
            for kind, source in (("crt", name), ("key", key_of or name)):
                with open(os.path.join(self.stack.pki, f"{source}.{kind}"), encoding="utf-8") as f:
                    text = f.read()
                with open(os.path.join(self.stack.pki, f"sip-signaling.{kind}"), "w", encoding="utf-8") as f:
                    f.write(text)
            self.assertEqual(self.stack.ctl_raw("reload").returncode, code)
            self.assertEqual(status(self.ua.ask("OPTIONS")), 200)

        good = {}
        for kind in ("crt", "key"):
            with open(os.path.join(self.stack.pki, f"sip-signaling.{kind}"), encoding="utf-8") as f:
                good[kind] = f.read()
        try:
            put("client", key_of="platform", code=1)
            put("bad/other-ca")
            harness.wait_for("every service says that the new ones do not connect", 10, lambda: all(
                state == "ready" and "the new ones do not connect" in why for state, why in details().values()))
            self.assertEqual(status(self.ua.ask("OPTIONS")), 200)
            put("client")
            harness.wait_for("they are in use", 10,
                             lambda: self.stack.log().count("new certificates are in use") >= 3)
            harness.wait_for("nothing to complain about", 10,
                             lambda: set(details().values()) == {("ready", "")})
        finally:
            for kind, text in good.items():
                with open(os.path.join(self.stack.pki, f"sip-signaling.{kind}"), "w", encoding="utf-8") as f:
                    f.write(text)
            self.stack.ctl_raw("reload")
        self.assertEqual(status(self.ua.ask("OPTIONS")), 200)

    def test_the_socket_is_ours_alone(self):
        mode = os.stat(os.path.join(self.stack.runtime, "control.sock")).st_mode & 0o777
        self.assertEqual(mode, 0o600)

    def test_stop(self):
        with Stack(events=False).start() as stack:
            stack.ctl_raw("stop")
            self.assertEqual(stack.process.wait(20 * harness.SLOW), 0)


class TestNewerStore(unittest.TestCase):
    """A store that a newer version has written is left alone, and somebody is told."""

    def mark(self, stack, schema):
        """Of the writer's mark the first field: proto/store.proto, Meta."""
        path = os.path.join(stack.state, "shard0.mdb")
        with open(path, "rb") as f:
            text = f.read()
        changed, cnt = re.subn(rb"\x08[\x01\x02](?=\x12.\d+\.\d+\.\d+)", bytes((8, schema)), text)
        self.assertGreater(cnt, 0)
        with open(path, "r+b") as f:
            f.write(changed)
        return changed

    def test_it_is_refused_and_waits(self):
        with Stack().start() as stack, Ua(stack.sip_port) as ua:
            call = Call(ua)
            call.answered()
            stack.wait_established(call)
            stack.process.send_signal(signal.SIGKILL)
            stack.process.wait()
            harness.wait_for("all workers are gone", 10, lambda: not harness.processes_of_session(stack.process.pid))
            newer = self.mark(stack, 2)
            stack.spawn()
            deaths = harness.wait_for("call-actor has died again and again", 20, lambda: len(
                died) > 2 and died if (died := re.findall(r'"worker died","worker":"call-actor".*', stack.log())) else None)
            self.assertTrue(all("exit 5 (storage unusable)" in d for d in deaths), deaths)
            line = re.search(r".*with schema 2.*", stack.log()).group()
            for words in ("shard0.mdb", f"this is version {stack.ctl('status')['version']}", "knows up to 1", "run that version"):
                self.assertIn(words, line)
            reply = json.loads(stack.ctl_raw("doctor", "--json").stdout)
            found = {f["about"]: f["text"] for f in reply["findings"] if "call-actor" in f["text"]}
            self.assertIn("exit 5 (storage unusable)", found["worker_died"])
            self.assertRegex(found.get("worker_down", "") + found.get("worker_failed", ""), "is backoff|is starting|does not stay up")
            self.assertFalse(stack.ctl("status")["ready"])
            with open(os.path.join(stack.state, "shard0.mdb"), "rb") as f:
                self.assertEqual(f.read(), newer)
            self.mark(stack, 1)
            stack.wait_ready(20)
            self.assertEqual(status(call.bye()), 200)  # nothing of it was lost
            stack.assert_clean()


class TestRefusedStart(unittest.TestCase):
    """Each case: the exit code, and one line that names what is wrong."""

    def refused(self, code, *words, prepare=None, **settings):
        with Stack(platform=False, events=False, **settings) as stack:
            cleanup = prepare(stack) if prepare else None
            try:
                stack.spawn()
                got = stack.process.wait(15 * harness.SLOW)
                lines = [line for line in stack.log().split("\n") if line]
            finally:
                if cleanup:
                    cleanup()
            shown = "\n".join(lines)
            self.assertEqual(got, code, shown)
            # What explains the end is one line, whatever else was logged on the way.
            told = [line for line in lines if all(w in line for w in words)]
            self.assertTrue(told, f"no line with {words}:\n{shown}")
            print(f"  {code}: {told[-1][:300]}", flush=True)

    def test_unknown_setting(self):
        self.refused(EX_BADUSE, P + "SIP_PROT", P + "SIP_PORT", **{P + "SIP_PROT": 5060})

    def test_bad_value(self):
        self.refused(EX_BADUSE, P + "SIP_PORT", "70000", **{P + "SIP_PORT": 70000})

    def test_missing_setting(self):
        self.refused(EX_BADUSE, "RABBITMQ_URL", RABBITMQ_URL=None)

    def test_missing_certificate(self):
        self.refused(EX_BADUSE, P + "CERT_PATH", "/nowhere/cert.pem", **{P + "CERT_PATH": "/nowhere/cert.pem"})

    def test_key_of_another_certificate(self):
        self.refused(EX_BADUSE, "key", **{P + "KEY_PATH": harness.Pki.get() + "/platform.key"})

    def test_a_certificate_that_is_none(self):
        with tempfile.NamedTemporaryFile("w", prefix="sig-", suffix=".pem") as f:
            f.write("not a certificate\n")
            f.flush()
            self.refused(EX_BADUSE, f.name, **{P + "CERT_PATH": f.name})

    def test_sip_port_in_use(self):
        def prepare(stack):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.bind(("127.0.0.1", stack.sip_port))
            self.port = str(stack.sip_port)
            return s.close
        self.refused(EX_BUSY, "in use", prepare=prepare)

    def test_bad_codecs(self):
        self.refused(EX_BADUSE, P + "CODECS", "FOO,BAR", CODECS="FOO,BAR")
        self.refused(EX_BADUSE, P + "CODECS", "one of them audio", CODECS="telephone-event")

    def test_two_listeners_on_one_port(self):
        self.refused(EX_BADUSE, P + "HTTP_PORT", P + "GRPC_PORT", **{P + "HTTP_PORT": 13900, P + "GRPC_PORT": 13900})

    def test_what_only_a_worker_would_find(self):
        for setting, value in (("CODECS", "FOO,BAR"), ("CODECS", "telephone-event"), ("OUTBOUND_TRUNK", "sip:@"),
                               ("RABBITMQ_URL", "amqp://127.0.0.1/v?heartbeat=soon")):
            with self.subTest(setting=setting), Stack(platform=False, events=False) as stack:
                stack.settings[setting if setting in stack.settings else P + setting] = value
                stack.write_config()
                r = harness.run(harness.binary("supervisor"), "--config", stack.config_path, "--check-config")
                self.assertEqual((r.returncode, r.stderr.count("\n")), (EX_BADUSE, 1), r.stderr)
                self.assertIn(setting, r.stderr)

    def test_a_name_twice(self):
        with Stack(platform=False, events=False) as stack:
            stack.write_config()
            with open(stack.config_path, "a", encoding="utf-8") as f:
                f.write("LOG_LEVEL=debug\n")
            last = len(open(stack.config_path, encoding="utf-8").readlines())
            r = harness.run(harness.binary("supervisor"), "--config", stack.config_path, "--check-config")
            self.assertEqual(r.returncode, EX_BADUSE, r.stderr)
            self.assertIn(f"settings.conf:{last}: LOG_LEVEL is set twice", r.stderr)

    def test_unknown_option(self):
        for program, option in (("supervisor", "--nonsense"), ("sigctl", "--nonsense"), ("supervisor", "--config")):
            with self.subTest(program=program, option=option):
                r = harness.run(harness.binary(program), option)
                self.assertEqual((r.returncode, r.stderr.count("\n")), (EX_BADUSE, 1), r.stderr)
                self.assertIn(option, r.stderr)

    def test_names_of_the_platform(self):
        """What compose files set for every service of the platform stops no start."""
        names = [P + n for n in ("WS_PORT", "CONTACT_IP", "HOST", "DNS_NAME")]
        with Stack(platform=False, events=False, **{n: "13023" for n in names}, ADVERTISED_PORT=5999).spawn() as stack:
            harness.wait_for("it runs", 10, lambda: stack.ctl("status", check=False))
            warned = [line for line in stack.log().split("\n") if all(n in line for n in names)]
            self.assertEqual(len(warned), 1, stack.log())

    def test_grpc_port_in_use(self):
        """The orchestrator would die of it again and again: told before any worker starts."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            self.refused(EX_BUSY, "port in use", P + "GRPC_PORT", str(port), "remedy", **{P + "GRPC_PORT": port})

    def test_second_instance(self):
        with Stack(platform=False, events=False).spawn() as first:
            harness.wait_for("the first runs", 10, lambda: first.ctl("status", check=False))
            self.refused(EX_BUSY, first.runtime, **{P + "RUNTIME_DIR": first.runtime})
            self.assertIsNotNone(first.ctl("status", check=False), "the first still answers")

    def test_state_directory_cannot_be_written(self):
        self.refused(EX_STORAGE, "/proc/nowhere", **{P + "STATE_DIR": "/proc/nowhere"})

    def test_state_directory_is_a_file(self):
        with tempfile.NamedTemporaryFile(prefix="sig-") as f:
            self.refused(EX_STORAGE, f.name, **{P + "STATE_DIR": f.name})

    def test_runtime_directory_cannot_be_made(self):
        with tempfile.NamedTemporaryFile(prefix="sig-") as f:
            self.refused(EX_STORAGE, f.name, **{P + "RUNTIME_DIR": f.name + "/run"})

    def test_check_config(self):
        with Stack(platform=False, events=False) as stack:
            stack.write_config()
            r = harness.run(harness.binary("supervisor"), "--config", stack.config_path, "--check-config")
            self.assertEqual(r.returncode, 0, r.stderr)
            self.assertNotIn("guest:guest", r.stdout)
            again = os.path.join(stack.dir, "again.conf")
            with open(again, "w", encoding="utf-8") as f:
                f.write(r.stdout)
            r = harness.run(harness.binary("supervisor"), "--config", again, "--check-config")
            self.assertEqual(r.returncode, 0, r.stderr)

    def test_a_start_takes_no_time(self):
        with Stack().spawn() as stack:
            stack.platform.start()
            begin = time.monotonic()
            stack.wait_ready()
            self.assertLess(time.monotonic() - begin, 10 * harness.SLOW)
