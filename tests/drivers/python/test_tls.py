"""Encrypted connections: who trusts whom, and that everything else is as ever."""

import time
from pathlib import Path

from case import ServerCase
from pymongo.errors import ConnectionFailure, ServerSelectionTimeoutError
from server import ADMIN, ADMIN_PASSWORD, PATIENCE_S, wait_until

CERTIFICATES = Path(__file__).parents[3] / "fixtures" / "certs"
# Clients that are not let in find out when they have shaken hands, but go on trying.
REFUSED = {"serverSelectionTimeoutMS": 1000}


def certificate(name):
    return str(CERTIFICATES / f"{name}.pem")


class TlsCase(ServerCase):
    """A server that requires TLS and certificates of its clients, with an administrator."""

    more_arguments = ()

    def setUp(self):
        self.arguments = (
            "--tlsMode=requireTLS",
            f"--tlsCertificateKeyFile={certificate('server')}",
            f"--tlsCAFile={certificate('ca')}",
            f"--tlsCRLFile={certificate('crl')}",
            *self.more_arguments,
        )
        super().setUp()
        create = {"pwd": ADMIN_PASSWORD, "roles": ["root"]}
        self.tls_client().admin.command("createUser", ADMIN, **create)

    def tls_client(self, uri=None, ca="ca", key="client", **options):
        options = {"tls": True, "tlsCAFile": certificate(ca), **options}
        if key:
            options["tlsCertificateKeyFile"] = certificate(key)
        return self.client(uri, **options)

    def assert_no_connection(self, client, reason):
        """No server is found; every way to find out is a reason of the connection."""
        started = time.monotonic()
        while True:
            with self.assertRaises((ConnectionFailure, ServerSelectionTimeoutError)) as caught:
                client.admin.command("ping")
            # A slow handshake is not over yet.
            if "No servers found yet" not in str(caught.exception):
                break
            self.assertLess(time.monotonic() - started, PATIENCE_S)
        self.assertRegex(str(caught.exception), reason)


class RequireTls(TlsCase):
    def test_sign_in_over_tls(self):
        client = self.tls_client(self.server.admin_uri())
        users = client.admin.command("usersInfo", 1)["users"]
        self.assertEqual([user["user"] for user in users], [ADMIN])
        counted = client.admin.command("serverStatus")["transportSecurity"]
        self.assertGreater(counted["1.2"] + counted["1.3"], 0)

    def test_compression_and_large_messages(self):
        client = self.tls_client(self.server.admin_uri(), compressors="zlib")
        text = "x" * 10_000_000
        client.products.command("createUser", "ann", pwd="s", roles=[], customData={"t": text})
        (ann,) = client.products.command("usersInfo", "ann")["users"]
        self.assertEqual(ann["customData"], {"t": text})

    def test_a_plain_client_is_turned_away(self):
        plain = self.client(self.server.admin_uri(), **REFUSED)
        self.assert_no_connection(plain, "connection closed|reset by peer")
        text = "only allow SSL connections"
        wait_until(lambda: text in self.server.log(), "nothing is in the log")

    def test_a_client_that_does_not_trust_the_server_leaves(self):
        self.assert_no_connection(
            self.tls_client(ca="other-ca", **REFUSED), "certificate verify failed"
        )

    def test_clients_that_the_server_does_not_trust(self):
        for key in (
            None,
            "client-expired",
            "client-of-other-ca",
            "client-revoked",
            "client-wrong-usage",
        ):
            with self.subTest(key):
                client = self.tls_client(key=key, **REFUSED)
                self.assert_no_connection(client, "alert|reset by peer|connection closed|EOF")
        self.tls_client().admin.command("ping")

    def test_the_name_is_checked_by_the_client(self):
        localhost = self.tls_client(self.server.uri(host=f"localhost:{self.server.port}"))
        localhost.admin.command("ping")
        # The whole network of 127 is this machine, and only one of its addresses is certified.
        elsewhere = self.server.uri(host=f"127.0.0.2:{self.server.port}")
        self.assert_no_connection(self.tls_client(elsewhere, **REFUSED), "refused|mismatch")


class WithoutCertificates(TlsCase):
    more_arguments = ("--tlsAllowConnectionsWithoutCertificates",)

    def test_a_certificate_is_not_needed_but_checked(self):
        client = self.tls_client(self.server.admin_uri(), key=None)
        client.admin.command("usersInfo", 1)
        refused = self.tls_client(key="client-expired", **REFUSED)
        self.assert_no_connection(refused, "alert|reset by peer|connection closed|EOF")


class Rotation(TlsCase):
    def test_a_client_goes_on_through_a_rotation(self):
        client = self.tls_client(self.server.admin_uri())
        self.assertEqual(client.admin.command("rotateCertificates", message="x"), {"ok": 1.0})
        client.admin.command("usersInfo", 1)
        self.tls_client().admin.command("ping")
