#!/usr/bin/python3
"""Calls SipSignalingService.TerminateCall as agent-service does: mutual TLS, server name from an option.

usage: terminate.py --cert F --key F --ca F [--target HOST:PORT] [--name SERVER_NAME] [--reason TEXT] CALL_ID

Prints one JSON line, {"status": ..., "success": ..., "message": ...}; ends with 0 for OK, 1 for another status.
"""

import argparse
import json
import sys

import grpc

import wire


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    wire.add_tls_options(parser)
    parser.add_argument("--target", default="127.0.0.1:13021")
    parser.add_argument("--name", default="sip-signaling-service", help="the server name to expect")
    parser.add_argument("--reason", default="completed_by_user_request")
    parser.add_argument("--timeout", type=float, default=5)
    parser.add_argument("call_id")
    args = parser.parse_args()
    sip = wire.load("sip")
    channel = wire.channel(args.target, args.cert, args.key, args.ca, args.name)
    request = sip.TerminateCallRequest(call_id=args.call_id, reason=args.reason)
    try:
        answer = wire.unary(channel, "/sentiric.sip.v1.SipSignalingService/TerminateCall", request,
                            sip.TerminateCallResponse, timeout=args.timeout)
    except grpc.RpcError as e:
        print(json.dumps({"status": e.code().name, "message": e.details()}))
        return 1
    print(json.dumps({"status": "OK", "success": answer.success, "message": answer.message}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
