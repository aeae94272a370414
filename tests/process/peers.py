"""Independent software that talks to the service: python3-grpcio, python3-pika, baresip, sipsak."""
import os

import harness
from harness import EXCHANGE, TOP

PYTHON = "/usr/bin/python3"
PEERS = os.path.join(TOP, "tests/peers")


def terminate(stack, call_id, reason, cert="client"):
    """SipSignalingService.TerminateCall as agent-service sends it."""
    return harness.run(PYTHON, os.path.join(PEERS, "terminate.py"), "--target", f"127.0.0.1:{stack.grpc_port}",
                       "--cert", f"{stack.pki}/{cert}.crt", "--key", f"{stack.pki}/{cert}.key", "--ca",
                       f"{stack.pki}/ca.crt", "--reason", reason, call_id, timeout=20)


def publish(broker, key, body):
    connection = broker.connect()
    connection.channel().basic_publish(EXCHANGE, key, body)
    connection.close()


def _field(number, data):
    """A length-delimited protobuf field with a tag of one byte."""
    size, n = b"", len(data)
    while n > 0x7f:
        size, n = size + bytes([n & 0x7f | 0x80]), n >> 7
    return bytes([number << 3 | 2]) + size + bytes([n]) + data


def generic_event(event_type, call_id):
    """sentiric.event.v1.GenericEvent, encoded by hand: event_type 1, trace_id 2, tenant_id 4, payload_json 5."""
    payload = f'{{"callId":"{call_id}","reason":"workflow_hangup"}}'
    return (_field(1, event_type.encode()) + _field(2, call_id.encode()) + _field(4, b"sentiric_demo") +
            _field(5, payload.encode()))
