"""Faults on purpose, the ledger, the configuration. Each check takes a Platform."""

import os
import signal
import socket
import subprocess
import time

from under_test import ALLOCATE, DEADLINE_S, FIND, RESOLVE, TREE, dialplan, media, user


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
    assert after.get("AllocatePort.OK", 0) == before.get("AllocatePort.OK", 0)
    assert after["AllocatePort.CANCELLED"] == before.get("AllocatePort.CANCELLED", 0) + 1
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
    p.wait_free()
    s = p.status()
    lines = p.ledger()
    taken = [line["port"] for line in lines if line["event"] == "allocate"]
    given = [line["port"] for line in lines if line["event"] == "release"]
    assert sorted(taken) == sorted(given) and len(taken) == s["allocated"] == s["released"]


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
