"""Who gets in, and what happens to strange requests. Each check takes a Platform."""

import os

from under_test import DEADLINE_S, FIND, grpc, user, wire


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
