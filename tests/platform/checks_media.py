"""media-service: ports, RTP, PlayAudio. Each check takes a Platform."""

import socket
import struct
import time

from under_test import ALLOCATE, DEADLINE_S, grpc, media


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
    p.wait_free()
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
    p.wait_free()


def port_that_cannot_be_bound(p):
    p.wait_free()
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


def next_port_when_taken(p):
    low = p.config["rtp"]["port_max"] + 2
    mine = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    for i, s in enumerate(mine):
        s.bind(("127.0.0.1", low + 2 * i))
    other = p.sibling(port_min=low, port_max=low + 6, if_taken="next")
    assert other.allocate("a") == low + 4 and other.allocate("b") == low + 6
    assert other.code(ALLOCATE, media.AllocatePortRequest(), media.AllocatePortResponse) == "RESOURCE_EXHAUSTED"
    assert other.status()["bind_failed"] == 2
    other.stop_cleanly()


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
