"""Real phones: baresip and linphone register over each transport, refresh, leave, and are missed when they are killed."""
import tempfile
import unittest

import harness
from harness import Stack
from phones import Baresip, Linphone
from test_abuse import metric

TRANSPORTS = ("udp", "tcp", "tls")


class PhonesTest(unittest.TestCase):
    settings = {"REGISTER_MIN_S": 2, "SIP_T1_MS": 50, "KEEPALIVE": "options", "KEEPALIVE_S": 1}

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="sig-phones-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.sips_port = harness.free_port()
        self.stack = Stack(events=False, SIPS_PORT=self.sips_port, **self.settings)
        self.stack.platform.config["users"] += [{"id": name, "tenant": "t", "sip": {"username": name, "password": f"{name}-secret"}}
                                                for name in ("p0", "p1", "p2", "p3", "p4", "p5")]
        self.stack.platform.write_config()
        self.stack.start()
        self.addCleanup(self.stack.close)

    def phone(self, kind, user, transport, **how):
        port = self.sips_port if transport == "tls" else self.stack.sip_port
        phone = kind(self.folder, user, port, transport, f"{self.stack.pki}/ca.crt", **how)
        self.addCleanup(phone.stop)
        return phone

    def rows(self):
        """{user: binding}"""
        rows = self.stack.ctl("registrations")["registrations"]
        return {row["aor"].partition(":")[2].partition("@")[0]: row for row in rows}

    def wait_registered(self, phones, seconds=10):
        users = {p.user: p.transport.upper() for p in phones}
        try:
            harness.wait_for("the phones are registered", seconds, lambda: {u: r["transport"] for u, r in self.rows().items()} == users)
        except AssertionError as e:
            raise AssertionError(f"{e}; there are {self.rows()}; said: " + " | ".join(p.text()[-400:] for p in phones)) from None


class TestLife(PhonesTest):
    def test_register_refresh_unregister(self):
        kinds = [(kind, transport) for kind in (Baresip, Linphone) for transport in TRANSPORTS]
        phones = [self.phone(kind, f"p{n}", transport) for n, (kind, transport) in enumerate(kinds)]
        self.wait_registered(phones)
        since = {user: row["since"] for user, row in self.rows().items()}
        least, refreshed = {}, set()

        def all_refreshed():
            for user, row in self.rows().items():
                least[user] = min(least.get(user, 99), row["expires_s"])
                if row["expires_s"] > least[user]:
                    refreshed.add(user)
            return refreshed == set(since)
        try:
            harness.wait_for("every phone refreshed", 15, all_refreshed)
        except AssertionError as e:
            raise AssertionError(f"{e}; did: {sorted(refreshed)}, there are {self.rows()}") from None
        self.assertEqual({user: row["since"] for user, row in self.rows().items()}, since)
        for phone in phones:
            phone.stop()
        harness.wait_for("all have left", 5, lambda: self.rows() == {})
        self.assertEqual(metric(self.stack, "sip_signaling_bindings_expired_total"), 0)
        self.assertEqual(metric(self.stack, "sip_signaling_bindings_lost_total"), 0)

    def test_wrong_password(self):
        phones = [self.phone(kind, user, "udp", password="guess") for kind, user in ((Baresip, "p0"), (Linphone, "p1"))]
        harness.wait_for("both were refused", 10, lambda: all(
            word in phone.text() for phone, word in zip(phones, ("401 Unauthorized", "Password for"))))
        self.assertEqual(self.rows(), {})
        self.assertGreaterEqual(metric(self.stack, "sip_signaling_auth_total"), 4)
        for phone in phones:
            phone.kill()  # linphone goes on asking for a password


class TestKilled(PhonesTest):
    """Nothing is said when a process is killed, and its registration would last for an hour."""

    def test_by_every_transport(self):
        alive = self.phone(Linphone, "p5", "udp", expires=3600)
        phones = {t: self.phone(Baresip, f"p{n}", t, expires=3600) for n, t in enumerate(TRANSPORTS)}
        self.wait_registered([alive, *phones.values()])
        harness.wait_for("OPTIONS are answered", 10, lambda: all(self.rows()[u].get("answers_options") for u in ("p0", "p5")))
        for phone in phones.values():
            phone.kill()
        harness.wait_for("TLS: the connection was the only way", 3, lambda: "p2" not in self.rows())
        harness.wait_for("TCP: the connection is lost, the Contact may listen", 3,
                         lambda: "p1" not in self.rows() or self.rows()["p1"].get("connection_lost"))
        harness.wait_for("UDP: it answers no more, and the others do", 25, lambda: self.rows()["p0"].get("silent"))
        harness.wait_for("TCP: neither the connection nor the Contact", 25, lambda: set(self.rows()) == {"p0", "p5"})
        self.assertNotIn("unanswered", self.rows()["p5"])


if __name__ == "__main__":
    unittest.main()
