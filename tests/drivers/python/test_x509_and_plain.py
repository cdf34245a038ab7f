"""MONGODB-X509 and PLAIN: by certificate, and by a password that is sent."""

from pathlib import Path

from case import AUTHENTICATION_FAILED, UNAUTHORIZED, USER_NOT_FOUND, AdminCase
from pymongo.errors import OperationFailure

CERTIFICATES = Path(__file__).parents[3] / "fixtures" / "certs"
ANN = "CN=ann,OU=Clients,O=Portcullis tests"
ESCAPED = r"CN=\#bob \+ \"c\;d\"\<e\>\\\ ,OU=Clients\, old,O=Portcullis tests"
MECHANISM_UNAVAILABLE = 334


def certificate(name):
    return str(CERTIFICATES / f"{name}.pem")


class TlsCase(AdminCase):
    arguments = (
        "--tlsMode=preferTLS",
        f"--tlsCertificateKeyFile={certificate('server')}",
        f"--tlsCAFile={certificate('ca')}",
        "--setParameter=authenticationMechanisms=SCRAM-SHA-1,SCRAM-SHA-256,MONGODB-X509,PLAIN",
        "--setParameter=argon2MemoryKiB=7168",
    )

    def tls_client(self, name, *login, **options):
        return self.client(
            self.server.uri(*login),
            tls=True,
            tlsCAFile=certificate("ca"),
            tlsCertificateKeyFile=certificate(name),
            **options,
        )

    def assert_signed_in(self, client, user, db):
        status = client.admin.command("connectionStatus")["authInfo"]
        self.assertEqual(status["authenticatedUsers"], [{"user": user, "db": db}])

    def assert_sign_in_fails(self, code, client):
        with self.assertRaises(OperationFailure) as caught:
            client.admin.command("ping")
        self.assertEqual(caught.exception.code, code, caught.exception.details)


class X509(TlsCase):
    def by_certificate(self, name, **options):
        return self.tls_client(name, authMechanism="MONGODB-X509", **options)

    def test_the_subject_is_the_user(self):
        for name, subject in (("client", ANN), ("client-escaped", ESCAPED)):
            with self.subTest(name):
                roles = [{"role": "read", "db": "products"}]
                self.admin["$external"].command("createUser", subject, roles=roles)
                self.assert_signed_in(self.by_certificate(name), subject, "$external")
                named = self.by_certificate(name, username=subject)
                self.assert_signed_in(named, subject, "$external")

    def test_a_session_ends_with_its_user(self):
        external = self.admin["$external"]
        external.command("createUser", ANN, roles=[{"role": "read", "db": "products"}])
        client = self.by_certificate("client", maxPoolSize=1)
        self.assert_fails(115, client.products, "find", "c")
        external.command("updateUser", ANN, roles=[])
        self.assert_fails(UNAUTHORIZED, client.products, "find", "c")
        external.command("dropUser", ANN)
        self.assert_fails(UNAUTHORIZED, client.products, "find", "c")

    def test_roles_may_come_with_the_certificate(self):
        client = self.by_certificate("client-with-roles")
        status = client.admin.command("connectionStatus")["authInfo"]
        roles = {(role["role"], role["db"]) for role in status["authenticatedUserRoles"]}
        self.assertEqual(roles, {("read", "shop"), ("clusterMonitor", "admin")})

    def test_who_does_not_get_in(self):
        self.admin["$external"].command("createUser", ANN, roles=[])
        for name, code in (
            ("client-without-user", USER_NOT_FOUND),
            ("client-without-subject", AUTHENTICATION_FAILED),
            ("client-with-bad-roles", AUTHENTICATION_FAILED),
            ("client-cluster-member", AUTHENTICATION_FAILED),
        ):
            with self.subTest(name):
                self.assert_sign_in_fails(code, self.by_certificate(name))
        other = self.by_certificate("client", username="CN=somebody")
        self.assert_sign_in_fails(AUTHENTICATION_FAILED, other)


class Plain(TlsCase):
    def setUp(self):
        super().setUp()
        self.admin.products.command(
            "createUser", "ann", pwd="s\N{SOFT HYPHEN}ecret", roles=["read"], mechanisms=["PLAIN"]
        )

    def by_password(self, user, password):
        return self.tls_client(
            "client", user, password, authMechanism="PLAIN", authSource="products"
        )

    def test_over_tls(self):
        for _ in range(2):
            self.assert_signed_in(self.by_password("ann", "secret"), "ann", "products")
        for user, password in (("ann", "wrong"), ("nobody", "secret")):
            self.assert_sign_in_fails(AUTHENTICATION_FAILED, self.by_password(user, password))

    def test_over_a_unix_socket_and_not_over_tcp(self):
        options = {"authMechanism": "PLAIN", "authSource": "products"}
        client = self.client(self.server.unix_uri("ann", "secret"), **options)
        self.assert_signed_in(client, "ann", "products")
        client = self.client(self.server.uri("ann", "secret"), **options)
        self.assert_sign_in_fails(MECHANISM_UNAVAILABLE, client)

    def test_a_new_password_counts_at_once(self):
        self.assert_signed_in(self.by_password("ann", "secret"), "ann", "products")
        self.admin.products.command("updateUser", "ann", pwd="other", mechanisms=["PLAIN"])
        self.assert_sign_in_fails(AUTHENTICATION_FAILED, self.by_password("ann", "secret"))
        self.assert_signed_in(self.by_password("ann", "other"), "ann", "products")

    def test_whoever_negotiates_does_not_send_the_password(self):
        self.assert_refused("products", "ann", "secret", authMechanism="DEFAULT")
