#!/usr/bin/python3
"""The events on the development broker.

usage: scripts/events.py --url AMQP_URL declare
       scripts/events.py --url AMQP_URL show [-f] [--call CALL_ID] [--json]

declare makes a durable queue that sees everything and keeps the last ones; show prints what is in it and leaves it.
On a broker without that queue, show -f listens with a queue of its own.
"""
import argparse
import json
import sys

import pika

EXCHANGE = "sentiric_events"
QUEUE = "dev.events"
KEPT_MAX = 20000


def reason(e):
    """pika wraps what went wrong in exceptions that have no text of their own."""
    while not str(e) and e.args and isinstance(e.args[0], BaseException):
        e = e.args[0]
    inner = getattr(e, "exception", None)
    return str(e) or (reason(inner) if inner else type(e).__name__)


def connect(url):
    try:
        where = pika.URLParameters(url)
    except (ValueError, IndexError, KeyError):
        sys.exit("events: RABBITMQ_URL must be amqp://user:password@host:port/vhost")
    try:
        return pika.BlockingConnection(where)
    except (pika.exceptions.AMQPError, OSError) as e:
        sys.exit(f"events: no broker at {where.host}:{where.port}: {reason(e)}")


def declare(channel):
    channel.exchange_declare(EXCHANGE, "topic", durable=True)
    channel.queue_declare(QUEUE, durable=True, arguments={"x-max-length": KEPT_MAX, "x-overflow": "drop-head"})
    channel.queue_bind(QUEUE, EXCHANGE, "#")


def parse(properties, body):
    """The body as a dictionary; of a protobuf body only its size."""
    if properties.content_type == "application/json":
        return json.loads(body)
    return {"eventType": properties.type, "bytes": len(body), "contentType": properties.content_type}


def describe(key, event):
    text = f"{event.get('timestamp', '?'):<30} {key:<14} {event.get('callId', '')}"
    if key == "call.started":
        plan = event.get("dialplanResolution", {})
        media = event.get("mediaInfo", {})
        text += (f"  {event.get('fromUri')} -> {event.get('toUri')}"
                 f"  plan {plan.get('dialplanId')} ({plan.get('action', {}).get('action')})"
                 f"  rtp {media.get('callerRtpAddr')} -> {media.get('serverRtpPort')}")
    elif key == "call.ended":
        text += f"  reason {event.get('reason')}"
    return text


def stored(channel):
    """What the queue holds, without taking it out: unacknowledged messages go back when the channel closes."""
    while True:
        method, properties, body = channel.basic_get(QUEUE)
        if method is None:
            return
        yield method.routing_key, properties, body


def follow(connection, show):
    channel = connection.channel()
    channel.exchange_declare(EXCHANGE, "topic", durable=True)
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, EXCHANGE, "#")
    for method, properties, body in channel.consume(queue, auto_ack=True):
        show(method.routing_key, properties, body)


def main():
    a = argparse.ArgumentParser(description="the events on the development broker")
    a.add_argument("--url", required=True)
    a.add_argument("command", choices=["declare", "show"])
    a.add_argument("-f", "--follow", action="store_true", help="go on with the events to come")
    a.add_argument("--call", help="only this Call-ID")
    a.add_argument("--json", action="store_true", help="whole bodies")
    args = a.parse_args()
    connection = connect(args.url)
    if args.command == "declare":
        return declare(connection.channel())

    def show(key, properties, body):
        event = parse(properties, body)
        if args.call in (None, event.get("callId")):
            print(json.dumps(event, ensure_ascii=False) if args.json else describe(key, event), flush=True)

    try:
        channel = connection.channel()
        channel.queue_declare(QUEUE, passive=True)
    except pika.exceptions.ChannelClosedByBroker:
        if not args.follow:
            sys.exit(f"events: this broker has no queue {QUEUE}; -f listens with one of its own")
    else:
        for key, properties, body in stored(channel):
            show(key, properties, body)
        channel.close()
    if args.follow:
        follow(connection, show)


try:
    main()
except (KeyboardInterrupt, BrokenPipeError):
    pass
