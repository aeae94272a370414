#!/usr/bin/python3
"""Is local-platform what the contract says? Asked from outside, with Debian's grpcio and the contract's own messages.

usage: tests/platform/check.py BUILD_DIR [--cpu] [--peer]

Prints one line a check and ends with 0 when all hold. --cpu also measures what one RPC costs the server; --peer asks
tests/peers/platform_peer.py instead, as far as it claims to do the same.
"""

import json
import os
import random
import subprocess
import sys
import tempfile

import checks_faults as faults
import checks_media as media
import checks_plan as plan
import checks_tls as tls
import cpu
from under_test import TREE, Platform

# What both programs do, and what only local-platform does.
COMMON = [tls.tls_good_names, tls.tls_no_client_certificate, tls.tls_client_of_other_ca, tls.tls_expired_client,
          tls.tls_client_refuses_wrong_name, tls.tls_client_refuses_other_ca, tls.tls_plaintext, tls.unknown_method,
          plan.user_by_phone_any_form, plan.user_not_found, plan.sip_credentials, plan.plan_both_shapes,
          plan.plan_known_caller, plan.plan_unknown_caller, plan.plan_unknown_number, plan.plan_of_route_state,
          plan.plan_blocks_anonymous, plan.plan_hard_coded, media.ports_first_in_first_out, media.rtp_echo,
          media.play_audio_answers, media.play_audio_layouts, faults.fault_probability, faults.ledger_rpcs]
OWN = [tls.garbage_request, media.rtp_echo_switch, media.play_audio_any_layout, media.play_audio_punches,
       media.ports_exhaustion_and_quarantine, media.port_that_cannot_be_bound, media.next_port_when_taken,
       faults.fault_status_count,
       faults.fault_delay, faults.fault_hang, faults.fault_after_work, faults.bad_reload_is_refused,
       faults.books_balance]


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
        config["rtp"].update(port_min=low, port_max=low + 38, quarantine_sec=1, if_taken="refuse")
        config["users"].append({"id": "55555555-5555-4555-8555-555555555555", "tenant": "sentiric_demo",
                                "sip": {"username": "dora", "ha1": "00112233445566778899aabbccddeeff"}})
        p = Platform(command, pki, folder, config, ledger_is_stdout=peer)
        checks = [(c.__name__, lambda c=c: c(p)) for c in COMMON + ([] if peer else OWN)]
        if not peer:
            checks.append(("startup_faults", lambda: faults.startup_faults(binary, pki, folder)))
        checks.append(("stops", p.stop_cleanly))
        failed = run_checks(checks)
        if "--cpu" in sys.argv and not peer:
            config["rtp"].update(port_max=low + 2000, quarantine_sec=0)
            p = Platform(command, pki, folder, config)
            cpu.measure(p)
            p.stop_cleanly()
    print("%d checks, %d failed" % (len(checks), failed))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
