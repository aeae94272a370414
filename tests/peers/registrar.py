#!/usr/bin/python3
"""Calls RegistrarService as sip-proxy does: mutual TLS, server name from an option.

usage: registrar.py --cert F --key F --ca F [--target HOST:PORT] [--name SERVER_NAME] register URI CONTACT EXPIRES
       registrar.py ... unregister URI
       registrar.py ... lookup URI

Prints one JSON line, {"status": ..., "success": ..., "contacts": [...]}; ends with 0 for OK, 1 for another status.
"""

import argparse
import json
import sys

import grpc

import wire

SERVICE = "/sentiric.sip.v1.RegistrarService/"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    wire.add_tls_options(parser)
    parser.add_argument("--target", default="127.0.0.1:13021")
    parser.add_argument("--name", default="sip-signaling-service", help="the server name to expect")
    parser.add_argument("--timeout", type=float, default=5)
    parser.add_argument("what", choices=("register", "unregister", "lookup"))
    parser.add_argument("uri")
    parser.add_argument("contact", nargs="?", default="")
    parser.add_argument("expires", nargs="?", type=int, default=0)
    args = parser.parse_args()
    sip = wire.load("sip")
    method, request, answer_type = {
        "register": ("Register", sip.RegisterRequest(sip_uri=args.uri, contact_uri=args.contact, expires=args.expires),
                     sip.RegisterResponse),
        "unregister": ("Unregister", sip.UnregisterRequest(sip_uri=args.uri), sip.UnregisterResponse),
        "lookup": ("LookupContact", sip.LookupContactRequest(sip_uri=args.uri), sip.LookupContactResponse),
    }[args.what]
    channel = wire.channel(args.target, args.cert, args.key, args.ca, args.name)
    try:
        answer = wire.unary(channel, SERVICE + method, request, answer_type, timeout=args.timeout)
    except grpc.RpcError as e:
        print(json.dumps({"status": e.code().name, "message": e.details()}))
        return 1
    print(json.dumps({"status": "OK", "success": getattr(answer, "success", True),
                      "contacts": list(getattr(answer, "contact_uris", ()))}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
