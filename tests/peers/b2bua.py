#!/usr/bin/python3
"""Calls B2BUAService as agent-service does: mutual TLS, server name from an option.

usage: b2bua.py --cert F --key F --ca F [--target HOST:PORT] [--name SERVER_NAME] [--idempotency-key K] [--wait S] [--stays WHO] dial FROM_URI TO_URI [CALL_ID] | transfer CALL_ID URI | lines

Prints one JSON line, {"status": ..., "success": ..., "call_id" or "message": ...}; ends with 0 for OK, 1 for another status.
lines: prints {"event": "ready"}, reads such words (dial ..., transfer ...) line by line, asks many at once over one
channel, and prints a line for each at the end of stdin.
"""

import argparse
import concurrent.futures
import json
import sys

import grpc

import wire


def ask(channel, sip, args, what, *words):
    """One RPC: its line."""
    said = (("idempotency-key", args.idempotency_key), ("wait", args.wait), ("stays", args.stays))
    metadata = [(name, value) for name, value in said if value] or None
    rpc, response = "InitiateCall", sip.InitiateCallResponse
    if what == "dial":
        request = sip.InitiateCallRequest(from_uri=words[0], to_uri=words[1], call_id="".join(words[2:]))
    else:
        rpc, response = "TransferCall", sip.TransferCallResponse
        request = sip.TransferCallRequest(existing_call_id=words[0], transfer_target_uri=words[1])
    try:
        answer = wire.unary(channel, "/sentiric.sip.v1.B2BUAService/" + rpc, request, response, timeout=args.timeout,
                            metadata=metadata)
    except grpc.RpcError as e:
        return {"status": e.code().name, "message": e.details()}
    return {"status": "OK", "success": answer.success, "call_id": getattr(answer, "new_call_id", None)}


def tell(line):
    print(json.dumps(line), flush=True)
    return line.get("status") == "OK"


def ask_lines(channel, sip, args):
    """Of each line of stdin; returns whether all were OK."""
    tell({"event": "ready"})
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(ask, channel, sip, args, *line.split()) for line in iter(sys.stdin.readline, "")]
        return all([tell(line.result()) for line in concurrent.futures.as_completed(asked)])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    wire.add_tls_options(parser)
    parser.add_argument("--target", default="127.0.0.1:13021")
    parser.add_argument("--name", default="sip-signaling-service", help="the server name to expect")
    parser.add_argument("--idempotency-key")
    parser.add_argument("--wait", help="seconds to wait for the outcome")
    parser.add_argument("--stays", help="transfer: caller or callee")
    parser.add_argument("--timeout", type=float, default=20)
    parser.add_argument("what", choices=["dial", "transfer", "lines"])
    parser.add_argument("words", nargs="*")
    args = parser.parse_args()
    sip = wire.load("sip")
    channel = wire.channel(args.target, args.cert, args.key, args.ca, args.name)
    if args.what == "lines":
        return 0 if ask_lines(channel, sip, args) else 1
    return 0 if tell(ask(channel, sip, args, args.what, *args.words)) else 1


if __name__ == "__main__":
    sys.exit(main())
