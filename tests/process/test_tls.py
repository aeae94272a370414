"""Mutual TLS: whoever is not who the certificate must name is refused, and status and log say which and why."""
import unittest

import grpc

import harness
import peers
from harness import Pki, Stack
from ua import Call, Ua, header, status

SERVICES = ("user-service", "dialplan-service", "media-service")


class TestPlatformRefused(unittest.TestCase):
    """The platform shows a certificate that we must not accept, or does not accept ours."""

    def refused(self, words, cert="platform", ca="ca.crt", **settings):
        with Stack(events=False, **settings) as stack, Ua(stack.sip_port) as ua:
            stack.platform.start(cert=cert, ca=ca)
            stack.spawn()

            def explained():
                s = stack.ctl("status", check=False) or {"dependencies": []}
                texts = {d["name"]: d["detail"] for d in s["dependencies"]}
                return texts if all(any(w in texts.get(n, "").lower() for w in words) for n in SERVICES) else None
            try:
                texts = harness.wait_for(f"status says {words}", 15, explained)
            except AssertionError as e:
                raise AssertionError(f"{e}; status: {stack.ctl('status', check=False)}") from None
            print(f"  {cert}: {texts['media-service']}", flush=True)
            self.assertFalse(stack.is_ready())
            log = [line.lower() for line in stack.log().split("\n")]
            for name in SERVICES:
                self.assertTrue([x for x in log if name in x and any(w in x for w in words)], f"log about {name}")
            answer = Call(ua).invite().final()
            self.assertEqual(status(answer), 503)
            self.assertIsNotNone(header(answer, "Retry-After"))
            self.assertEqual(stack.platform.ledger("rpc"), [], "no RPC got through")

    def test_server_of_another_ca(self):
        self.refused(["certificate", "ca"], cert="bad/other-ca")

    def test_server_with_a_wrong_name(self):
        self.refused(["not for the expected name"], cert="bad/wrong-name")

    def test_server_with_an_expired_certificate(self):
        self.refused(["expired"], cert="bad/expired")

    def test_expected_name_is_a_setting(self):
        names = {f"{s}_SERVICE_TLS_NAME": "sentiric.cloud" for s in ("USER", "DIALPLAN", "MEDIA")}
        with Stack(events=False, **names) as stack:
            stack.start()

    def test_our_certificate_is_refused(self):
        """The platform trusts another CA than the one that signed ours."""
        self.refused(["certificate", "refused", "handshake", "closed"], ca="bad/ca.crt")


class TestOurServer(unittest.TestCase):
    """Who may call TerminateCall."""

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(events=False).start()

    @classmethod
    def tearDownClass(cls):
        cls.stack.close()

    TERMINATE = "SipSignalingService/TerminateCall"

    def status_of(self, credentials, name="sip-signaling-service", rpc=TERMINATE, request=b"\x0a\x06nobody"):
        options = [("grpc.ssl_target_name_override", name)]
        with grpc.secure_channel(f"127.0.0.1:{self.stack.grpc_port}", credentials, options) as channel:
            call = channel.unary_unary("/sentiric.sip.v1." + rpc)
            try:
                call(request, timeout=5)
                return "OK"
            except grpc.RpcError as e:
                return e.code().name

    def read(self, name):
        with open(f"{Pki.get()}/{name}", "rb") as f:
            return f.read()

    def test_a_client_of_our_ca_is_served(self):
        r = peers.terminate(self.stack, "nobody@nowhere", "test")
        self.assertIn("NOT_FOUND", r.stdout + r.stderr)

    def test_a_client_without_a_certificate_is_refused(self):
        self.assertEqual(self.status_of(grpc.ssl_channel_credentials(self.read("ca.crt"))), "UNAVAILABLE")

    def test_a_client_of_another_ca_is_refused(self):
        self.assertEqual(self.status_of(grpc.ssl_channel_credentials(
            self.read("ca.crt"), self.read("bad/other-ca.key"), self.read("bad/other-ca.crt"))), "UNAVAILABLE")

    def test_every_way_to_control_calls_asks_for_a_certificate(self):
        ca, good = self.read("ca.crt"), [self.read("client.key"), self.read("client.crt")]
        other = [self.read("bad/other-ca.key"), self.read("bad/other-ca.crt")]
        unlisted = [self.read("bad/wrong-name.key"), self.read("bad/wrong-name.crt")]
        dial = b"\x12\x04sip:\x1a\x04sip:"  # from and to that are no URIs
        transfer = b"\x0a\x06nobody\x12\x0asip:a@b.cd"
        for rpc, request, served in ((self.TERMINATE, b"\x0a\x06nobody", "NOT_FOUND"),
                                     ("B2BUAService/InitiateCall", dial, "INVALID_ARGUMENT"),
                                     ("B2BUAService/TransferCall", transfer, "NOT_FOUND")):
            for pair, wanted in ((good, served), (other, "UNAVAILABLE"), ([], "UNAVAILABLE"), (unlisted, "PERMISSION_DENIED")):
                got = self.status_of(grpc.ssl_channel_credentials(ca, *pair), rpc=rpc, request=request)
                self.assertEqual(got, wanted, rpc)

    def test_an_expired_client_is_refused(self):
        self.assertEqual(self.status_of(grpc.ssl_channel_credentials(
            self.read("ca.crt"), self.read("bad/expired.key"), self.read("bad/expired.crt"))), "UNAVAILABLE")

    def test_a_client_whose_name_is_not_listed_is_denied(self):
        """And told which setting says who may."""
        r = peers.terminate(self.stack, "nobody@nowhere", "test", cert="bad/wrong-name")
        self.assertIn("PERMISSION_DENIED", r.stdout)
        self.assertIn("wrong-name may not end calls", r.stdout)
        self.assertIn("SIP_SIGNALING_SERVICE_GRPC_MAY_TERMINATE", r.stdout)

    def test_any_dns_name_of_a_certificate_is_enough(self):
        """The platform's certificate is for several services; sentiric.cloud is in the list."""
        r = peers.terminate(self.stack, "nobody@nowhere", "test", cert="platform")
        self.assertIn("NOT_FOUND", r.stdout)

    def test_plain_text_is_refused(self):
        with grpc.insecure_channel(f"127.0.0.1:{self.stack.grpc_port}") as channel:
            with self.assertRaises(grpc.RpcError):
                channel.unary_unary("/sentiric.sip.v1.SipSignalingService/TerminateCall")(b"", timeout=3)

    def test_our_certificate_carries_our_name(self):
        self.assertEqual(self.status_of(grpc.ssl_channel_credentials(
            self.read("ca.crt"), self.read("client.key"), self.read("client.crt")), "wrong.invalid"), "UNAVAILABLE")


class TestOurServerForNamed(unittest.TestCase):
    def test_the_list_is_a_setting(self):
        with Stack(events=False, SIP_SIGNALING_SERVICE_GRPC_MAY_TERMINATE="somebody, *.INVALID").start() as stack:
            self.assertIn("NOT_FOUND", peers.terminate(stack, "nobody@nowhere", "test", cert="bad/wrong-name").stdout)
            self.assertIn("PERMISSION_DENIED", peers.terminate(stack, "nobody@nowhere", "test").stdout)


class TestUserServiceAlone(unittest.TestCase):
    def test_wrong_name_of_one_dependency(self):
        """Only the one that is wrong is blamed."""
        with Stack(events=False, USER_SERVICE_TLS_NAME="somebody.else") as stack:
            stack.platform.start()
            stack.spawn()
            stack.wait_dependency("media-service", "ready")
            stack.wait_dependency("user-service", "failed")
