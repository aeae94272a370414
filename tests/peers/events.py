#!/usr/bin/python3
"""The platform's side of RabbitMQ: reads events as its services do, and asks for a call's end as they do.

usage: events.py --url amqp://... listen [--key '#'] [--count N] [--seconds S] [--action old|new] [--durable NAME]
       events.py --url amqp://... terminate [--format json|protobuf] [--where payload|trace] [--reason TEXT] CALL_ID

listen prints {"event":"ready",...} once its queue is bound, then one JSON line an event: routing key, properties, headers,
and the decoded body (JSON, or the contract's protobuf messages tried in cdr-service's order). It ends after N events or S
seconds, with 1 when there were fewer than N.
"""

import argparse
import json
import sys
import time

import pika
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError

import wire

EXCHANGE = "sentiric_events"


# --- bodies ---


def decode_protobuf(body, shape):
    """The first message whose event_type fits, as cdr-service decides it."""
    event = wire.load("event")
    typed = ((event.CallStartedEvent, "call.started"), (event.CallEndedEvent, "call.ended"), (event.GenericEvent, None))
    for kind, wanted in typed:
        try:
            m = kind.FromString(body)
        except DecodeError:
            continue
        if m.event_type == wanted or (wanted is None and m.event_type):
            return kind.__name__, unfold(m, shape)
    return None, None


def unfold(m, shape):
    fields = MessageToDict(m, preserving_proto_field_name=True)
    if "dialplan_resolution" in fields:
        fields["dialplan_resolution"] = decode_resolution(m.dialplan_resolution, shape)
    if "payload_json" in fields:
        fields["payload"] = json.loads(fields["payload_json"])
    return fields


def decode_resolution(data, shape):
    kind = wire.load("dialplan_" + shape).ResolveDialplanResponse
    return MessageToDict(kind.FromString(data), preserving_proto_field_name=True)


def decode(body, shape):
    try:
        return {"format": "json", "body": json.loads(body)}
    except ValueError:
        pass
    name, fields = decode_protobuf(body, shape)
    if name is None:
        return {"format": "unknown", "body": body.hex()}
    return {"format": "protobuf", "message": name, "body": fields}


# --- commands ---


def connect(args):
    channel = pika.BlockingConnection(pika.URLParameters(args.url)).channel()
    channel.exchange_declare(EXCHANGE, exchange_type="topic", durable=True)
    return channel


def show(line):
    print(json.dumps(line, ensure_ascii=False), flush=True)


def listen(args):
    channel = connect(args)
    queue = channel.queue_declare(args.durable or "", durable=bool(args.durable),
                                  exclusive=not args.durable).method.queue
    for key in args.key or ["#"]:
        channel.queue_bind(queue, EXCHANGE, key)
    show({"event": "ready", "queue": queue})
    until = time.monotonic() + args.seconds if args.seconds else None
    seen = 0
    for method, properties, body in channel.consume(queue, inactivity_timeout=0.2):
        if method is not None:
            seen += 1
            p = {k: v for k, v in vars(properties).items() if v is not None}
            show({"key": method.routing_key, "redelivered": method.redelivered, "properties": p,
                  **decode(body, args.action)})
            channel.basic_ack(method.delivery_tag)
        if (args.count and seen >= args.count) or (until and time.monotonic() >= until):
            break
    channel.cancel()
    channel.connection.close()
    return 1 if args.count and seen < args.count else 0


def terminate_body(args):
    if args.format == "json":
        return {"callId": args.call_id, "eventType": "call.terminate.request", "reason": args.reason}
    event = wire.load("event")
    payload = {"callId": args.call_id, "reason": args.reason} if args.where == "payload" else {"reason": args.reason}
    m = event.GenericEvent(event_type="call.terminate.request", tenant_id="sentiric_demo",
                           trace_id=args.call_id if args.where == "trace" else "trace-of-somebody",
                           payload_json=json.dumps(payload))
    m.timestamp.seconds = int(time.time())
    return m


def terminate(args):
    """Ends with 1 when no queue is bound for it, so that a test does not wait for nothing."""
    channel = connect(args)
    channel.confirm_delivery()
    body = terminate_body(args)
    is_json = isinstance(body, dict)
    properties = pika.BasicProperties(delivery_mode=2,
                                      content_type="application/json" if is_json else "application/protobuf")
    try:
        channel.basic_publish(EXCHANGE, "call.terminate.request",
                              json.dumps(body).encode() if is_json else body.SerializeToString(), properties,
                              mandatory=True)
    except pika.exceptions.UnroutableError:
        show({"published": False, "why": "no queue is bound"})
        return 1
    show({"published": True, "format": args.format, "call_id": args.call_id})
    channel.connection.close()
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", required=True, help="amqp://user:password@host:port/%%2f")
    commands = parser.add_subparsers(dest="command", required=True)
    p = commands.add_parser("listen")
    p.add_argument("--key", action="append", help="binding key, repeatable (default #)")
    p.add_argument("--count", type=int, default=0, help="end after so many events")
    p.add_argument("--seconds", type=float, default=0, help="end after so much time")
    p.add_argument("--action", choices=("old", "new"), default="new", help="DialplanAction in protobuf bodies")
    p.add_argument("--durable", help="a durable queue of this name instead of one that goes with us")
    p = commands.add_parser("terminate")
    p.add_argument("--format", choices=("json", "protobuf"), default="json")
    p.add_argument("--where", choices=("payload", "trace"), default="payload",
                   help="where the protobuf form carries the call id")
    p.add_argument("--reason", default="workflow_hangup")
    p.add_argument("call_id")
    args = parser.parse_args()
    return listen(args) if args.command == "listen" else terminate(args)


if __name__ == "__main__":
    sys.exit(main())
