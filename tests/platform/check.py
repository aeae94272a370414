#!/usr/bin/python3
"""Is local-platform what the contract says? Asked from outside, with Debian's grpcio and the contract's own messages.

usage: tests/platform/check.py BUILD_DIR [--cpu] [--peer]

Prints one line a check and ends with 0 when all hold. --cpu also measures what one RPC costs the server; --peer asks
tests/peers/platform_peer.py instead, as far as it claims to do the same.
"""

import hashlib
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

from under_test import (ALLOCATE, CREDENTIALS, DEADLINE_S, FIND, PLAY, RESOLVE, TREE, Platform, dialplan, grpc, media,
                        user, wire)

NIL_UUID = "00000000-0000-0000-0000-000000000000"


# --- checks: each takes a Platform ---


def tls_good_names(p):
    for name in ("user-service", "dialplan-service", "media-service", "sentiric.cloud", "localhost"):
        for port in (0, 1):
            grpc.channel_ready_future(p.connect(name=name, port=port)).result(DEADLINE_S)


def refused(channel):
    """Whether no connection comes about: a call that does not wait for one fails with the first handshake."""
    try:
        wire.unary(channel, FIND, user.FindUserByContactRequest(), user.FindUserByContactResponse, timeout=DEADLINE_S)
    except grpc.RpcError as e:
        return e.code().name == "UNAVAILABLE"
    return False


def tls_no_client_certificate(p):
    assert refused(p.connect(cert=None))


def tls_client_of_other_ca(p):
    assert refused(p.connect(cert="bad/other-ca"))


def tls_expired_client(p):
    assert refused(p.connect(cert="bad/expired"))


def tls_client_refuses_wrong_name(p):
    assert refused(p.connect(name="wrong.invalid"))


def tls_client_refuses_other_ca(p):
    assert refused(p.connect(ca="bad/ca"))


def tls_plaintext(p):
    assert refused(grpc.insecure_channel("127.0.0.1:%d" % p.ports[0]))


def unknown_method(p):
    assert p.code("/sentiric.user.v1.UserService/GetUser", user.FindUserByContactRequest(), user.User) == "UNIMPLEMENTED"
    assert p.code("/nobody/knows", user.FindUserByContactRequest(), user.User) == "UNIMPLEMENTED"


def garbage_request(p):
    raw = p.channel.unary_unary(FIND)
    for body in (b"\x0a\xff", b"\xff" * 100, os.urandom(500), b""):
        try:
            raw(body, timeout=DEADLINE_S)
        except grpc.RpcError as e:
            assert e.code().name in ("INTERNAL", "NOT_FOUND"), e.code()
    try:
        raw(b"\x0a\x80\x80\x08" + b"x" * 131072, timeout=DEADLINE_S)
    except grpc.RpcError as e:
        assert e.code().name == "RESOURCE_EXHAUSTED", e.code()


def user_by_phone_any_form(p):
    for number in ("+905550000001", "905550000001", "05550000001"):
        u = p.find("phone", number)
        assert (u.name, u.user_type, u.tenant_id, u.preferred_language_code) == ("Alice", "agent", "sentiric_demo", "tr")
    assert [c.contact_value for c in u.contacts] == ["+905550000001", "1001", "alice"]
    assert [c.is_primary for c in u.contacts] == [True, False, False]
    assert all(c.user_id == u.id for c in u.contacts)
    assert p.find("extension", "1002").name == "Bob"


def user_not_found(p):
    request = user.FindUserByContactRequest
    for kind, value in (("phone", "905551112233"), ("extension", "9999"), ("email", "1001"), ("", ""),
                        ("phone", "9" * 5000)):
        assert p.code(FIND, request(contact_type=kind, contact_value=value), user.FindUserByContactResponse) == "NOT_FOUND"


def sip_credentials(p):
    def get(name, realm):
        return p.call(CREDENTIALS, user.GetSipCredentialsRequest(sip_username=name, realm=realm),
                      user.GetSipCredentialsResponse)

    want = hashlib.md5(b"alice:sentiric_demo:alice-secret").hexdigest()
    got = get("alice", "sentiric_demo")
    assert got.ha1_hash == want and got.tenant_id == "sentiric_demo" and got.user_id == p.find("sip", "alice").id
    assert get("alice", "another").ha1_hash == want  # the realm is not used for the lookup
    assert p.code(CREDENTIALS, user.GetSipCredentialsRequest(sip_username="mallory"),
                  user.GetSipCredentialsResponse) == "NOT_FOUND"


def plan_both_shapes(p):
    for shape in ("old", "new"):
        p.reload(dialplan_action=shape)
        r = p.resolve("905550000001", "902121234567", shape)
        assert (r.dialplan_id, r.tenant_id, r.action.action) == ("DP_DEMO_AI", "sentiric_demo", "START_AI_CONVERSATION")
        data = r.action.action_data.data if shape == "old" else r.action.action_data
        assert data["welcome_announcement_id"] == "ANNOUNCE_SYSTEM_WELCOME" and data["language"] == "tr"
        if shape == "new":
            assert r.action.type == 1
    assert p.resolve("1001", "902121230001").action.type == 3
    assert p.resolve("1001", "902121230002").action.type == 4
    assert p.resolve("1001", "902121230003").action.action_data["target"] == "sip:bob@sentiric_demo"
    assert p.resolve("1001", "902121230009").action.type == 0  # ENQUEUE_CALL is not in the server's mapping


def plan_known_caller(p):
    r = p.resolve('"A" <sip:+905550000001@192.0.2.1>;tag=x', "sip:02121234567@192.0.2.1")
    assert r.matched_user.name == "Alice" and r.matched_contact.contact_value == "+905550000001"
    assert r.inbound_route.phone_number == "902121234567" and r.inbound_route.default_language_code == "tr"
    assert r.inbound_route.failsafe_dialplan_id == "DP_SYSTEM_FAILSAFE"
    r = p.resolve("1002", "2121234567")
    assert r.matched_user.name == "Bob" and r.matched_contact.contact_type == "extension"


def plan_unknown_caller(p):
    number = "90555%07d" % random.randrange(10**7)
    r = p.resolve(number, "902121234567")
    assert r.dialplan_id == "DP_DEMO_AI"
    assert (r.matched_user.name, r.matched_user.user_type) == ("Guest_" + number, "guest")
    assert r.matched_contact.contact_value == "+" + number
    assert p.find("phone", number).id == r.matched_user.id == p.resolve(number, "902121234567").matched_user.id
    assert p.resolve("sip:someone@192.0.2.1", "902121234567").matched_user.id == NIL_UUID


def plan_unknown_number(p):
    r = p.resolve("905550000001", "05329999999")
    assert (r.dialplan_id, r.inbound_route.phone_number, r.inbound_route.tenant_id) == \
        ("DP_SYSTEM_AI_GUEST", "905329999999", "system")
    assert r.inbound_route.default_language_code == "tr" and not r.HasField("matched_user")
    assert p.resolve("", "").dialplan_id == "DP_SYSTEM_AI_GUEST"


def plan_of_route_state(p):
    r = p.resolve("905550000001", "902121230007")
    assert r.dialplan_id == "DP_DEMO_MAINTENANCE" and not r.HasField("matched_user")
    assert r.inbound_route.is_maintenance_mode
    assert p.resolve("905550000001", "902121230008").dialplan_id == "DP_DEMO_CLOSED"
    r = p.resolve("905550000001", "902121230010")
    assert r.dialplan_id == "DP_SYSTEM_AI_GUEST" and r.matched_user.name == "Alice"


def plan_blocks_anonymous(p):
    for caller in ("", "anonymous", "sip:anonymous@anonymous.invalid"):
        request = dialplan["new"].ResolveDialplanRequest(caller_contact_value=caller, destination_number="902121230006")
        assert p.code(RESOLVE, request, dialplan["new"].ResolveDialplanResponse) == "PERMISSION_DENIED"
    assert p.resolve("905550000001", "902121230006").dialplan_id == "DP_DEMO_AI"
    assert p.resolve("anonymous", "902121234567").matched_user.id == NIL_UUID


def plan_hard_coded(p):
    plans = p.config["plans"]
    p.reload(plans=[])
    r = p.resolve("905550000001", "902121234567")
    p.reload(plans=plans)
    assert (r.dialplan_id, r.tenant_id, r.action.type) == ("HARDCODED_FAILSAFE", "system", 4)
    assert dict(r.action.action_data) == {"announcement_id": "ANNOUNCE_SYSTEM_ERROR", "record": "true"}


def ports_first_in_first_out(p):
    ports = [p.allocate("fifo") for _ in range(4)]
    assert all(port % 2 == 0 for port in ports) and ports == sorted(ports) and len(set(ports)) == 4
    for port in ports:
        assert p.release(port)
    fifth = p.allocate("fifo")
    assert fifth not in ports  # they rest, and others were free before them
    assert p.release(1) and p.release(fifth + 1)  # unknown ports are released, too
    assert p.release(fifth)


def ports_exhaustion_and_quarantine(p):
    wait_free(p)
    taken = []
    while True:
        try:
            taken.append(p.allocate("exhaust"))
        except grpc.RpcError as e:
            assert e.code().name == "RESOURCE_EXHAUSTED"
            break
    assert p.status()["free"] == 0
    p.release(taken[0])
    assert p.code(ALLOCATE, media.AllocatePortRequest(call_id="x"), media.AllocatePortResponse) == "RESOURCE_EXHAUSTED"
    released = time.monotonic()
    again = None
    while again is None:
        try:
            again = p.allocate("exhaust")
        except grpc.RpcError:
            assert time.monotonic() < released + DEADLINE_S
            time.sleep(0.02)
    rested = time.monotonic() - released
    assert again == taken[0]
    assert 0.9 <= rested <= 2.5, rested  # quarantine is 1 s, swept every second
    for port in taken:
        p.release(port)
    wait_free(p)


def wait_free(p):
    """Until no port rests or is in use."""
    until = time.monotonic() + DEADLINE_S
    while True:
        s = p.status()
        if s["resting"] == 0 and s["in_use"] == 0:
            return
        assert time.monotonic() < until, "%d in use, %d resting" % (s["in_use"], s["resting"])
        time.sleep(0.05)


def port_that_cannot_be_bound(p):
    wait_free(p)
    mine = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    first = p.allocate("probe")
    p.release(first)
    low, high = p.config["rtp"]["port_min"], p.config["rtp"]["port_max"]
    following = first + 2 if first + 2 <= high else low
    mine.bind(("127.0.0.1", following))
    before = p.status()["bind_failed"]
    assert p.code(ALLOCATE, media.AllocatePortRequest(), media.AllocatePortResponse) == "RESOURCE_EXHAUSTED"
    mine.close()
    assert p.status()["bind_failed"] == before + 1
    assert p.release(p.allocate("next"))  # the one after it is fine


def rtp_packet(sequence, kind=0):
    return struct.pack("!BBHII", 0x80, kind, sequence, sequence * 160, 0x12345678) + bytes(160)


def udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 0))
    s.settimeout(DEADLINE_S)
    return s


def rtp_echo(p):
    port = p.allocate("echo")
    caller, stranger = udp(), udp()
    caller.sendto(b"\x80\xc8" + bytes(26), ("127.0.0.1", port))  # RTCP: must not latch
    stranger.sendto(rtp_packet(1), ("127.0.0.1", port))
    answer, source = stranger.recvfrom(2048)
    assert source == ("127.0.0.1", port) and answer[:8] == rtp_packet(1)[:8] and answer[12:] == rtp_packet(1)[12:]
    assert answer[8:12] != rtp_packet(1)[8:12]  # not our own SSRC
    caller.sendto(rtp_packet(7), ("127.0.0.1", port))  # a second source changes nothing
    stranger.sendto(rtp_packet(2), ("127.0.0.1", port))
    assert stranger.recv(2048)[2:4] == rtp_packet(2)[2:4]
    caller.settimeout(0.1)
    try:
        caller.recv(2048)
        raise AssertionError("a second source got an echo")
    except socket.timeout:
        pass
    p.release(port)


def rtp_echo_switch(p):
    port, caller = p.allocate("echo"), udp()
    for control, echoed in (("disable", False), ("enable", True)):
        assert p.play(port, "control://%s_echo" % control, target="127.0.0.1:%d" % caller.getsockname()[1]) == "OK"
        for _ in range(3):
            caller.recv(2048)  # the silence that PlayAudio sent
        caller.sendto(rtp_packet(3), ("127.0.0.1", port))
        caller.settimeout(DEADLINE_S if echoed else 0.1)
        try:
            assert caller.recv(2048)[2:4] == rtp_packet(3)[2:4] and echoed
        except socket.timeout:
            assert not echoed
        caller.settimeout(DEADLINE_S)
    p.release(port)


def play_audio_answers(p):
    port = p.allocate("play")
    assert p.play(port, "file://audio/welcome.wav") == "OK"
    assert p.play(port, "control://set_target") == "OK"
    assert p.play(port, "control://self_destruct") == "INVALID_ARGUMENT"
    assert p.play(port, "data:audio/wav;base64,AAAA") == "INTERNAL"
    assert p.play(port, "http://example/") == "INTERNAL"
    assert p.play(port, "file://x", target="nobody") == "INVALID_ARGUMENT"
    assert p.play(port + 2, "file://x", target="nobody") == "NOT_FOUND"  # the session is looked up first
    assert p.play(port, "file://x", layout="1_8") == "INVALID_ARGUMENT"
    p.release(port)


def play_audio_layouts(p):
    port = p.allocate("play")
    p.reload(play_audio_layout="1.8", data_uris=True)
    assert p.play(port, "file://x", layout="1_8") == "OK" and p.play(port, "file://x") == "INVALID_ARGUMENT"
    assert p.play(port, "data:audio/wav;base64,AAAA", layout="1_8") == "OK"
    p.reload(play_audio_layout="1.13", data_uris=False)
    p.release(port)


def play_audio_any_layout(p):
    port = p.allocate("play")
    p.reload(play_audio_layout="any")
    assert p.play(port, "file://x", layout="1_8") == "OK" and p.play(port, "file://x") == "OK"
    p.reload(play_audio_layout="1.13")
    p.release(port)


def play_audio_punches(p):
    """The hole punch: valid RTP silence to the target before it ever sent."""
    port, caller = p.allocate("play"), udp()
    assert p.play(port, "control://set_target", target="127.0.0.1:%d" % caller.getsockname()[1]) == "OK"
    packet, source = caller.recvfrom(2048)
    assert source == ("127.0.0.1", port) and packet[0] == 0x80 and len(packet) == 172
    p.release(port)


def fault_status_count(p):
    p.reload(faults={"AllocatePort": {"status": "UNAVAILABLE", "count": 2, "message": "away"}})
    before = p.status()["allocated"]
    codes = [p.code(ALLOCATE, media.AllocatePortRequest(call_id="f"), media.AllocatePortResponse) for _ in range(2)]
    assert codes == ["UNAVAILABLE", "UNAVAILABLE"], codes
    p.release(p.allocate("f"))
    assert p.status()["allocated"] == before + 1
    for name in ("UNKNOWN", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "INTERNAL", "UNAUTHENTICATED"):
        p.reload(faults={"ResolveDialplan": {"status": name}})
        assert p.code(RESOLVE, dialplan["new"].ResolveDialplanRequest(), dialplan["new"].ResolveDialplanResponse) == name
    p.reload(faults={"ResolveDialplan": {"status": "INTERNAL", "probability": 0}})
    assert p.resolve("1001", "902121234567").dialplan_id == "DP_DEMO_AI"
    p.reload(faults={})


def fault_probability(p):
    p.reload(faults={"FindUserByContact": {"status": "ABORTED", "probability": 0.5}})
    request = user.FindUserByContactRequest(contact_type="extension", contact_value="1001")
    codes = [p.code(FIND, request, user.FindUserByContactResponse) for _ in range(200)]
    p.reload(faults={})
    assert set(codes) == {"OK", "ABORTED"} and 50 < codes.count("OK") < 150


def fault_delay(p):
    p.reload(faults={"FindUserByContact": {"delay_ms": 300}})
    start = time.monotonic()
    futures = [p.channel.unary_unary(FIND).future(
        user.FindUserByContactRequest(contact_type="extension", contact_value="1001").SerializeToString(), timeout=5)
        for _ in range(100)]
    for f in futures:
        f.result()
    took = time.monotonic() - start
    p.reload(faults={})
    assert 0.3 <= took < 1.5, took  # all at once, no thread was held


def fault_hang(p):
    p.reload(faults={"AllocatePort": {"hang": True}})
    before = p.status()
    assert p.code(ALLOCATE, media.AllocatePortRequest(), media.AllocatePortResponse, timeout=0.3) == "DEADLINE_EXCEEDED"
    p.reload(faults={})
    after = p.status()
    assert after["allocated"] == before["allocated"]
    assert after.get("AllocatePort.cancelled", 0) == before.get("AllocatePort.cancelled", 0) + 1


def fault_after_work(p):
    """A port that was allocated while its caller gave up: the ledger says so."""
    p.reload(faults={"AllocatePort": {"delay_ms": 5000, "when": "after"}})
    assert p.code(ALLOCATE, media.AllocatePortRequest(call_id="lost"), media.AllocatePortResponse,
                  timeout=0.3, metadata=[("x-trace-id", "t-lost")]) == "DEADLINE_EXCEEDED"
    p.wait_ledger(lambda line: line["event"] == "answer_lost" and line["trace"] == "t-lost")
    port = p.wait_ledger(lambda line: line["event"] == "allocate" and line["call"] == "lost")["port"]
    p.reload(faults={"AllocatePort": {"status": "UNAVAILABLE", "when": "after"}})
    before = p.status()["allocated"]
    assert p.code(ALLOCATE, media.AllocatePortRequest(call_id="l2"), media.AllocatePortResponse) == "UNAVAILABLE"
    assert p.status()["allocated"] == before + 1
    p.reload(faults={})
    p.release(port)
    p.release(p.wait_ledger(lambda line: line["event"] == "allocate" and line["call"] == "l2")["port"])


def ledger_rpcs(p):
    p.reload(ledger_rpcs=True)
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    port = p.allocate('tr"ace\x01', metadata=[("x-trace-id", "T1"), ("traceparent", parent)])
    line = p.wait_ledger(lambda l: l["event"] == "rpc" and l["trace"] == "T1")
    assert line["rpc"] == "AllocatePort" and line["status"] == "OK" and line["traceparent"] == parent
    p.wait_ledger(lambda l: l["event"] == "allocate" and l["call"] == 'tr"ace\x01' and l["trace"] == "T1")
    p.reload(ledger_rpcs=False)
    p.release(port)


def bad_reload_is_refused(p):
    good = dict(p.config)
    with open(p.config_path, "w") as f:
        f.write('{"users": [')
    p.process.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    assert p.find("extension", "1001").name == "Alice"
    p.config = good
    p.reload()


def books_balance(p):
    wait_free(p)
    s = p.status()
    lines = p.ledger()
    taken = [line["port"] for line in lines if line["event"] == "allocate"]
    given = [line["port"] for line in lines if line["event"] == "release"]
    assert sorted(taken) == sorted(given) and len(taken) == s["allocated"] == s["released"]


# What both programs do, and what only local-platform does.
COMMON = [tls_good_names, tls_no_client_certificate, tls_client_of_other_ca, tls_expired_client,
          tls_client_refuses_wrong_name, tls_client_refuses_other_ca, tls_plaintext, unknown_method,
          user_by_phone_any_form, user_not_found, sip_credentials, plan_both_shapes, plan_known_caller,
          plan_unknown_caller, plan_unknown_number, plan_of_route_state, plan_blocks_anonymous, plan_hard_coded,
          ports_first_in_first_out, rtp_echo, play_audio_answers, play_audio_layouts, fault_probability, ledger_rpcs]
OWN = [garbage_request, rtp_echo_switch, play_audio_any_layout, play_audio_punches, ports_exhaustion_and_quarantine,
       port_that_cannot_be_bound, fault_status_count, fault_delay, fault_hang, fault_after_work, bad_reload_is_refused,
       books_balance]


# --- start-up faults: each must be one clear line and an exit code ---


def startup_faults(binary, pki, folder):
    good = ["--config", os.path.join(TREE, "tests/platform/default.json"), "--cert", pki + "/platform.crt",
            "--key", pki + "/platform.key", "--ca", pki + "/ca.crt", "--listen", "127.0.0.1:0"]

    def run(args, text, code):
        r = subprocess.run([binary] + args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=DEADLINE_S)
        assert r.returncode == code and text in r.stderr.decode(), (r.returncode, r.stderr)

    def changed(option, value):
        args = list(good)
        args[args.index(option) + 1] = value
        return args

    def config(text):
        path = os.path.join(folder, "bad.json")
        with open(path, "w") as f:
            f.write(text)
        return changed("--config", path)

    run([], "--config", 2)
    run(changed("--config", folder + "/none.json"), "none.json", 2)
    run(changed("--key", folder + "/none.key"), "none.key", 2)
    run(config('{"users": ['), "line 1", 2)
    run(config('{"userz": []}'), "userz", 2)
    run(config('{"rtp": {"port_min": 5}}'), "port_min", 2)
    run(config('{"faults": {"AllocatePort": {"status": "NOPE"}}}'), "NOPE", 2)
    run(config('{"faults": {"Nothing": {}}}'), "Nothing", 2)
    run(config('{"plans": [{"id": "A", "action": "X"}, {"id": "A", "action": "X"}]}'), "plans[1]", 2)
    run(config('{"numbers": [{"number": "02121234567", "tenant": "t"}]}'), "902121234567", 2)
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    run(changed("--listen", "127.0.0.1:%d" % taken.getsockname()[1]), "cannot listen", 4)
    run(changed("--key", pki + "/client.key"), "unusable", 4)


def measure_cpu(p, in_flight=50, total=20000):
    """CPU microseconds of the server per unary RPC with in_flight outstanding."""
    call = p.channel.unary_unary(FIND)
    body = user.FindUserByContactRequest(contact_type="extension", contact_value="1001").SerializeToString()
    slots = threading.Semaphore(in_flight)
    status = p.status()
    before, answered, start = status["cpu_us"], status.get("FindUserByContact.OK", 0), time.monotonic()
    for _ in range(total):
        slots.acquire()
        call.future(body, timeout=DEADLINE_S).add_done_callback(lambda _f: slots.release())
    for _ in range(in_flight):
        slots.acquire()
    took = time.monotonic() - start
    after = p.status()
    assert after["FindUserByContact.OK"] - answered == total
    used = after["cpu_us"] - before
    print("cpu: %.1f us per unary RPC at %d in flight (%d RPCs, %.0f/s)" % (used / total, in_flight, total, total / took))


def run_checks(checks):
    """Runs (name, function) pairs; a failed one does not hide the others. Returns how many failed."""
    failed = 0
    for name, check in checks:
        try:
            check()
            print("ok   " + name)
        except Exception as e:
            failed += 1
            print("FAIL %s: %s: %s" % (name, type(e).__name__, e))
    return failed


def main():
    args = [a for a in sys.argv[1:] if not a.startswith("--")]
    peer = "--peer" in sys.argv
    if len(args) != 1:
        sys.exit(__doc__)
    binary = os.path.join(os.path.abspath(args[0]), "bin", "local-platform")
    command = ["/usr/bin/python3", os.path.join(TREE, "tests/peers/platform_peer.py")] if peer else [binary]
    with tempfile.TemporaryDirectory(prefix="platform-check-") as folder:
        pki = os.path.join(folder, "pki")
        subprocess.run([os.path.join(TREE, "scripts", "pki.sh"), "--bad", pki], check=True, stdout=subprocess.DEVNULL)
        with open(os.path.join(TREE, "tests/platform/default.json")) as f:
            config = json.load(f)
        low = random.randrange(20000, 30000, 2)
        config["rtp"].update(port_min=low, port_max=low + 38, quarantine_sec=1)
        p = Platform(command, pki, folder, config, ledger_is_stdout=peer)
        checks = [(c.__name__, lambda c=c: c(p)) for c in COMMON + ([] if peer else OWN)]
        if not peer:
            checks.append(("startup_faults", lambda: startup_faults(binary, pki, folder)))
        failed = run_checks(checks)
        if "--cpu" in sys.argv and not peer:
            measure_cpu(p)
        p.channel.close()
        failed += run_checks([("stops", lambda: p.stop_cleanly())])
    print("%d checks, %d failed" % (len(checks) + 1, failed))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
