#!/usr/bin/python3
"""user-, dialplan- and media-service in Python, written from the contract alone: the second opinion beside tests/platform.

It shares no line and no message definition with the C side. It reads the same JSON file as local-platform (users, plans,
numbers, rtp, faults, realm; options given here win), so that a test can swap one for the other, and prints its ledger on
stdout as JSON lines: ready, rpc, allocate, release, play_audio. SIGHUP reads the file again, SIGTERM stops.

Not for load: every call is a thread.
"""

import argparse
import hashlib
import json
import random
import re
import selectors
import signal
import socket
import sys
import threading
import time
import uuid
from collections import deque
from concurrent import futures

import grpc

import wire

user = wire.load("user")
media = wire.load("media")
NIL_UUID = str(uuid.UUID(int=0))
ACTION_TYPES = {"START_AI_CONVERSATION": 1, "BRIDGE_CALL": 2, "ECHO_TEST": 3, "ECHO": 3,
                "PLAY_STATIC_ANNOUNCEMENT": 4, "PLAY_ANNOUNCEMENT": 4}

_print_lock = threading.Lock()


def ledger(event, **fields):
    with _print_lock:
        print(json.dumps({"t_ms": int(time.time() * 1000), "event": event, **fields}), flush=True)


class Refused(Exception):
    def __init__(self, code, text):
        super().__init__(text)
        self.code, self.text = code, text


# --- numbers ---


def stored_phone(value):
    """user-service's form: +90XXXXXXXXXX."""
    digits = re.sub(r"\D", "", value)
    if value.startswith("+"):
        return "+" + digits
    return "+90" + digits[1:] if digits.startswith("0") else "+" + digits


def dialplan_number(text):
    """dialplan-service's form of a number, a URI or a From value: 90XXXXXXXXXX."""
    inside = re.search(r"<([^>]*)", text)
    part = (inside.group(1) if inside else text).strip()
    part = re.sub(r"^(sips?|tel):", "", part, flags=re.I)
    part = re.split("[@;>]", part)[0]
    if part.lower() == "anonymous":
        return "anonymous"
    digits = re.sub(r"\D", "", part)
    if len(digits) == 11 and digits[0] == "0":
        return "90" + digits[1:]
    return "90" + digits if len(digits) == 10 else digits


def contact_key(kind, value):
    return kind, stored_phone(value) if kind == "phone" else value


# --- what the platform knows ---


class Directory:
    def __init__(self, config):
        self.realm = config.get("realm", "sentiric_demo")
        self.contacts, self.sip, self.plans, self.routes = {}, {}, {}, {}
        for number, entry in enumerate(config.get("users", [])):
            self.add_user(number, entry)
        for plan in config.get("plans", []):
            self.plans[plan["id"]] = plan
        for route in config.get("numbers", []):
            self.routes[route["number"]] = route

    def add_user(self, number, entry):
        u = user.User(id=entry["id"], name=entry.get("name", ""), tenant_id=entry["tenant"],
                      user_type=entry.get("type", "caller"), preferred_language_code=entry.get("language", ""))
        for i, c in enumerate(entry.get("contacts", [])):
            key = contact_key(c["type"], c["value"])
            u.contacts.add(id=number * 100 + i + 1, user_id=u.id, contact_type=key[0], contact_value=key[1],
                           is_primary=c.get("primary", i == 0))
            self.contacts[key] = u
        if "sip" in entry:
            name, realm = entry["sip"]["username"], entry["sip"].get("realm", self.realm)
            secret = "%s:%s:%s" % (name, realm, entry["sip"].get("password"))
            self.sip[name] = (u, entry["sip"].get("ha1") or hashlib.md5(secret.encode()).hexdigest())

    def find(self, kind, value):
        return self.contacts.get(contact_key(kind, value))

    def guest(self, number, route):
        """The user that dialplan-service creates for a caller it has not seen."""
        kind, value = contact_key("extension" if len(number) <= 5 else "phone", number)
        u = user.User(id=str(uuid.uuid4()), name="Guest_" + number, tenant_id=route["tenant"], user_type="guest")
        u.contacts.add(id=1, user_id=u.id, contact_type=kind, contact_value=value, is_primary=True)
        self.contacts[kind, value] = u
        return u


# --- RTP ports ---


class Ports:
    """Even ports in order of their release, a quarantine, and a socket with an echo behind each one in use."""

    def __init__(self, rtp):
        low, high = rtp.get("port_min", 50000), rtp.get("port_max", 50100)
        self.address, self.rest_s = rtp.get("address", "127.0.0.1"), rtp.get("quarantine_sec", 5)
        self.free = deque(range(low + low % 2, high + 1, 2))
        self.resting, self.sessions, self.lock = deque(), {}, threading.Lock()
        self.swept = time.monotonic()
        self.selector = selectors.DefaultSelector()
        threading.Thread(target=self.echo, daemon=True).start()

    def sweep(self):
        now = time.monotonic()
        if now - self.swept < self.rest_s:
            return
        self.swept = now
        while self.resting and now - self.resting[0][0] >= self.rest_s:
            self.free.append(self.resting.popleft()[1])

    def allocate(self):
        with self.lock:
            self.sweep()
            if not self.free:
                raise Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "no port is free")
            port = self.free.popleft()
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                s.bind((self.address, port))
            except OSError:
                s.close()
                self.resting.append((time.monotonic(), port))
                raise Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "port %d is taken" % port) from None
            s.setblocking(False)
            session = {"socket": s, "peer": None}
            self.sessions[port] = session
            self.selector.register(s, selectors.EVENT_READ, session)
            return port

    def release(self, port):
        with self.lock:
            session = self.sessions.pop(port, None)
            if session is None:
                return False
            self.selector.unregister(session["socket"])
            session["socket"].close()
            self.resting.append((time.monotonic(), port))
            return True

    def echo(self):
        while True:
            ready = self.selector.select(0.05)
            with self.lock:
                for key, _ in ready:
                    if key.fileobj.fileno() >= 0:
                        self.read(key.data)
            if not ready:
                time.sleep(0.01)

    @staticmethod
    def read(session):
        try:
            data, source = session["socket"].recvfrom(2048)
        except OSError:
            return
        if len(data) < 12 or data[0] >> 6 != 2 or 192 <= data[1] <= 223:
            return  # RTCP and strangers latch nothing
        session["peer"] = session["peer"] or source
        if source == session["peer"]:
            session["socket"].sendto(data[:8] + b"peer" + data[12:], source)


# --- the three services ---


class Platform:
    def __init__(self, args):
        self.args = args
        self.reload()
        self.ports = Ports(self.config.get("rtp", {}))

    def reload(self):
        with open(self.args.config) as f:
            self.config = json.load(f)
        self.shape = self.args.action or self.config.get("dialplan_action", "new")
        self.layout = self.args.play_audio or self.config.get("play_audio_layout", "1.13")
        self.dialplan = wire.load("dialplan_" + self.shape)
        self.directory = Directory(self.config)
        self.faults = {name: dict(f) for name, f in self.config.get("faults", {}).items()}
        for text in self.args.fault:
            name, _, rest = text.partition(":")
            self.faults[name] = {k: parse_value(v) for k, v in (part.split("=") for part in rest.split(","))}
        self.fault_lock = threading.Lock()

    def methods(self):
        d, m = self.dialplan, media
        return {
            "/sentiric.user.v1.UserService/FindUserByContact": (user.FindUserByContactRequest, self.find_user),
            "/sentiric.user.v1.UserService/GetSipCredentials": (user.GetSipCredentialsRequest, self.credentials),
            "/sentiric.dialplan.v1.DialplanService/ResolveDialplan": (d.ResolveDialplanRequest, self.resolve),
            "/sentiric.media.v1.MediaService/AllocatePort": (m.AllocatePortRequest, self.allocate),
            "/sentiric.media.v1.MediaService/ReleasePort": (m.ReleasePortRequest, self.release),
            "/sentiric.media.v1.MediaService/PlayAudio": (self.play_request(), self.play),
        }

    def find_user(self, request, _trace):
        found = self.directory.find(request.contact_type, request.contact_value)
        if found is None:
            raise Refused(grpc.StatusCode.NOT_FOUND, "kullanıcı bulunamadı")
        return user.FindUserByContactResponse(user=found)

    def credentials(self, request, _trace):
        if request.sip_username not in self.directory.sip:
            raise Refused(grpc.StatusCode.NOT_FOUND, "SIP kullanıcısı bulunamadı")
        found, ha1 = self.directory.sip[request.sip_username]
        return user.GetSipCredentialsResponse(user_id=found.id, tenant_id=found.tenant_id, ha1_hash=ha1)

    def action(self, text, data):
        if self.shape == "old":
            return self.dialplan.DialplanAction(action=text, action_data=self.dialplan.ActionData(data=data))
        return self.dialplan.DialplanAction(action=text, type=ACTION_TYPES.get(text, 0), action_data=data)

    def resolution(self, plan_id, **fields):
        plan = self.directory.plans.get(plan_id)
        if plan is None:
            action = self.action("PLAY_STATIC_ANNOUNCEMENT", {"announcement_id": "ANNOUNCE_SYSTEM_ERROR", "record": "true"})
            return self.dialplan.ResolveDialplanResponse(dialplan_id="HARDCODED_FAILSAFE", tenant_id="system",
                                                         action=action, **fields)
        action = self.action(plan["action"], plan.get("data", {}))
        return self.dialplan.ResolveDialplanResponse(dialplan_id=plan["id"], tenant_id=plan.get("tenant", "system"),
                                                     action=action, **fields)

    def inbound_route(self, route):
        r = self.dialplan.InboundRoute(phone_number=route["number"], tenant_id=route["tenant"],
                                       is_maintenance_mode=route.get("maintenance", False),
                                       default_language_code=route.get("language", "tr"))
        for name, field in (("plan", "active_dialplan_id"), ("off_hours_plan", "off_hours_dialplan_id"),
                            ("failsafe_plan", "failsafe_dialplan_id")):
            if name in route:
                setattr(r, field, route[name])
        if self.shape == "new":
            r.block_anonymous = route.get("block_anonymous", False)
        return r

    def resolve(self, request, _trace):
        caller = dialplan_number(request.caller_contact_value)
        number = dialplan_number(request.destination_number)
        route = self.directory.routes.get(number)
        if route is None:
            made_up = self.dialplan.InboundRoute(phone_number=number, tenant_id="system", default_language_code="tr")
            return self.resolution("DP_SYSTEM_AI_GUEST", inbound_route=made_up)
        inbound = self.inbound_route(route)
        if route.get("maintenance"):
            return self.resolution(route.get("failsafe_plan") or "DP_SYSTEM_FAILSAFE", inbound_route=inbound)
        anonymous = caller in ("", "anonymous")
        if route.get("block_anonymous") and anonymous:
            raise Refused(grpc.StatusCode.PERMISSION_DENIED, "anonim arama kabul edilmiyor")
        kind = "extension" if len(caller) <= 5 else "phone"
        who = None if anonymous else self.directory.find(kind, caller) or self.directory.guest(caller, route)
        fields = {"inbound_route": inbound,
                  "matched_user": who or user.User(id=NIL_UUID, user_type="guest", tenant_id=route["tenant"])}
        for contact in who.contacts if who else ():
            if dialplan_number(contact.contact_value) == caller:
                fields["matched_contact"] = contact
        plan = route.get("off_hours_plan") if route.get("closed") else None
        plan = plan or route.get("plan")
        return self.resolution(plan if plan in self.directory.plans else "DP_SYSTEM_AI_GUEST", **fields)

    def allocate(self, request, trace):
        port = self.ports.allocate()
        ledger("allocate", port=port, call=request.call_id, trace=trace)
        return media.AllocatePortResponse(rtp_port=port)

    def release(self, request, trace):
        known = self.ports.release(request.rtp_port)
        ledger("release" if known else "release_unknown", port=request.rtp_port, trace=trace)
        return media.ReleasePortResponse(success=True)

    def play_request(self):
        return media.PlayAudioRequest_1_8 if self.layout == "1.8" else media.PlayAudioRequest_1_13

    def play(self, request, trace):
        ledger("play_audio", port=request.server_rtp_port, uri=request.audio_uri, target=request.rtp_target_addr, trace=trace)
        if request.server_rtp_port not in self.ports.sessions:
            raise Refused(grpc.StatusCode.NOT_FOUND, "oturum yok")
        if not re.fullmatch(r"\d+\.\d+\.\d+\.\d+:\d+", request.rtp_target_addr):
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "geçersiz hedef")
        scheme, _, rest = request.audio_uri.partition(":")
        if scheme == "control" and rest not in ("//enable_echo", "//disable_echo", "//set_target"):
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "bilinmeyen komut")
        if scheme not in ("control", "file") and not (scheme == "data" and self.config.get("data_uris")):
            raise Refused(grpc.StatusCode.INTERNAL, "çalınamadı")
        return media.PlayAudioResponse(success=True)


# --- serving ---


def parse_value(text):
    if text in ("true", "false"):
        return text == "true"
    return float(text) if re.fullmatch(r"[0-9.]+", text) else text


class Handler(grpc.GenericRpcHandler):
    def __init__(self, platform):
        self.platform = platform

    def service(self, details):
        found = self.platform.methods().get(details.method)
        if found is None:
            return None
        request_type, work = found
        name = details.method.rsplit("/", 1)[1]

        def serve(request, context):
            metadata = dict(context.invocation_metadata())
            trace = metadata.get("x-trace-id", "")
            status = "OK"
            try:
                return self.answer(name, work, request, context, trace)
            except Refused as r:
                status = r.code.name
                context.set_code(r.code)
                context.set_details(r.text)
                return None
            finally:
                ledger("rpc", rpc=name, status=status, cancelled=not context.is_active(), trace=trace,
                       traceparent=metadata.get("traceparent", ""))

        return grpc.unary_unary_rpc_method_handler(
            serve, request_deserializer=request_type.FromString,
            response_serializer=lambda m: b"" if m is None else m.SerializeToString())

    def strike(self, name):
        """The fault for this call, counted off."""
        with self.platform.fault_lock:
            fault = self.platform.faults.get(name)
            if fault is None or fault.get("count", -1) == 0 or random.random() >= fault.get("probability", 1):
                return {}
            if fault.get("count", -1) > 0:
                fault["count"] -= 1
            return fault

    def answer(self, name, work, request, context, trace):
        fault = self.strike(name)
        status = fault.get("status", "OK")
        after = fault.get("when") == "after"
        response = work(request, trace) if after else None
        if fault.get("hang"):
            while context.is_active():
                time.sleep(0.02)
        until = time.monotonic() + fault.get("delay_ms", 0) / 1000
        while context.is_active() and time.monotonic() < until:
            time.sleep(min(0.02, max(0, until - time.monotonic())))
        if not context.is_active():
            raise Refused(grpc.StatusCode.CANCELLED, "istemci gitti")
        if status != "OK":
            raise Refused(grpc.StatusCode[status], fault.get("message", "injected fault"))
        return response if after else work(request, trace)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    wire.add_tls_options(parser)
    parser.add_argument("--config", required=True, help="JSON file, as for local-platform")
    parser.add_argument("--listen", action="append", help="HOST:PORT, repeatable (default the platform's three ports)")
    parser.add_argument("--action", choices=("old", "new"), help="which DialplanAction is sent")
    parser.add_argument("--play-audio", choices=("1.8", "1.13"), help="which PlayAudioRequest is understood")
    parser.add_argument("--fault", action="append", default=[], metavar="RPC:NAME=VALUE[,...]",
                        help="as in the file's faults: AllocatePort:status=UNAVAILABLE,count=3")
    parser.add_argument("--threads", type=int, default=64)
    args = parser.parse_args()

    signals = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    platform = Platform(args)
    server = grpc.server(futures.ThreadPoolExecutor(args.threads), handlers=[Handler(platform)],
                         options=[("grpc.so_reuseport", 0), ("grpc.http2.min_ping_interval_without_data_ms", 5000)])
    credentials = wire.server_credentials(args)
    listen = args.listen or ["127.0.0.1:12011", "127.0.0.1:12021", "127.0.0.1:13031"]
    ports = [server.add_secure_port(address, credentials) for address in listen]
    server.start()
    ledger("ready", ports=ports)
    while signal.sigwait(signals) == signal.SIGHUP:
        platform.reload()
        ledger("reloaded")
    server.stop(None).wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
