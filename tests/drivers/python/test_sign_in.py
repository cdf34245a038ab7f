"""Signing in: mechanisms, databases, addresses, wrong passwords."""

from case import AUTHENTICATION_FAILED, AdminCase, ServerCase
from pymongo.errors import OperationFailure
from server import ADMIN, ADMIN_PASSWORD

MECHANISMS = ("SCRAM-SHA-1", "SCRAM-SHA-256")


class SignIn(AdminCase):
    def create(self, user, password="secret", db="products", **options):
        self.admin[db].command("createUser", user, pwd=password, roles=["read"], **options)

    def test_with_either_mechanism_and_with_what_is_negotiated(self):
        self.create("ann")
        for mechanism in (*MECHANISMS, "DEFAULT"):
            with self.subTest(mechanism):
                self.sign_in("products", "ann", "secret", authMechanism=mechanism)

    def test_with_the_one_mechanism_a_user_has(self):
        for user, mechanism, other in (
            ("one", "SCRAM-SHA-1", "SCRAM-SHA-256"),
            ("two", "SCRAM-SHA-256", "SCRAM-SHA-1"),
        ):
            with self.subTest(mechanism):
                self.create(user, mechanisms=[mechanism])
                self.sign_in("products", user, "secret", authMechanism="DEFAULT")
                self.sign_in("products", user, "secret", authMechanism=mechanism)
                # Not mongod's 334, which tells that the user exists.
                self.assert_refused("products", user, "secret", authMechanism=other)

    def test_a_wrong_password_and_an_unknown_user_look_the_same(self):
        self.create("ann")
        for mechanism in MECHANISMS:
            with self.subTest(mechanism):
                self.assert_refused("products", "ann", "wrong", authMechanism=mechanism)
                self.assert_refused("products", "nobody", "secret", authMechanism=mechanism)

    def test_a_user_belongs_to_a_database(self):
        self.create("ann", password="here")
        self.create("ann", password="there", db="shop")
        self.assert_refused("products", "ann", "there")
        self.assert_refused("admin", "ann", "here")
        for db, password in (("products", "here"), ("shop", "there")):
            uri = self.server.uri("ann", password, "ignored") + f"?authSource={db}"
            status = self.client(uri).admin.command("connectionStatus")["authInfo"]
            self.assertEqual(status["authenticatedUsers"], [{"user": "ann", "db": db}])

    def test_names_and_passwords_beyond_ascii(self):
        # U+2168 is "IX" and U+00AD nothing once SASLprep is done (RFC 4013, section 3).
        self.create("\N{ROMAN NUMERAL NINE}", password="I\N{SOFT HYPHEN}X")
        user = "\N{ROMAN NUMERAL NINE}"
        self.sign_in("products", user, "IX", authMechanism="SCRAM-SHA-256")
        self.sign_in("products", user, "\N{ROMAN NUMERAL NINE}", authMechanism="SCRAM-SHA-256")
        self.assert_refused("products", "IX", "IX", authMechanism="SCRAM-SHA-256")
        self.create("a=b,c@d:e/f%", password="p=,@:/%")
        for mechanism in MECHANISMS:
            self.sign_in("products", "a=b,c@d:e/f%", "p=,@:/%", authMechanism=mechanism)

    def test_from_and_to_the_right_address_only(self):
        for user, restriction, is_met in (
            ("here", {"clientSource": ["127.0.0.0/8"]}, True),
            ("elsewhere", {"clientSource": ["192.0.2.0/24", "2001:db8::/32"]}, False),
            ("to-here", {"serverAddress": ["127.0.0.1"]}, True),
            ("to-elsewhere", {"serverAddress": ["127.0.0.2"]}, False),
            ("half", {"clientSource": ["127.0.0.1"], "serverAddress": ["192.0.2.1"]}, False),
        ):
            with self.subTest(user):
                self.create(user, authenticationRestrictions=[restriction])
                for mechanism in MECHANISMS:
                    if is_met:
                        self.sign_in("products", user, "secret", authMechanism=mechanism)
                    else:
                        self.assert_refused("products", user, "secret", authMechanism=mechanism)

    def test_an_address_that_is_shut_out_later_ends_the_session(self):
        self.create("ann")
        client = self.sign_in("products", "ann", "secret")
        elsewhere = [{"clientSource": ["192.0.2.1"]}]
        self.admin.products.command("updateUser", "ann", authenticationRestrictions=elsewhere)
        with self.assertRaises(OperationFailure) as caught:
            client.products.command("usersInfo", "ann")
        self.assertEqual(caught.exception.code, 13)

    def test_over_the_unix_socket(self):
        self.create("ann")
        self.create("restricted", authenticationRestrictions=[{"clientSource": ["127.0.0.1"]}])
        client = self.client(self.server.unix_uri("ann", "secret", "products"))
        status = client.products.command("connectionStatus")["authInfo"]
        self.assertEqual(status["authenticatedUsers"], [{"user": "ann", "db": "products"}])
        # A Unix socket has no address that a restriction could be met by.
        client = self.client(self.server.unix_uri("restricted", "secret", "products"))
        with self.assertRaises(OperationFailure) as caught:
            client.admin.command("ping")
        self.assertEqual(caught.exception.code, AUTHENTICATION_FAILED)


class TheFirstUserOverTheUnixSocket(ServerCase):
    def test_is_created(self):
        client = self.client(self.server.unix_uri())
        client.admin.command("createUser", ADMIN, pwd=ADMIN_PASSWORD, roles=["root"])
        self.sign_in("admin", ADMIN, ADMIN_PASSWORD)


class OneMechanism(AdminCase):
    arguments = ("--setParameter", "authenticationMechanisms=SCRAM-SHA-1")

    def test_the_other_is_neither_offered_nor_stored(self):
        self.assertEqual(self._mechanisms(), ["SCRAM-SHA-1"])
        hello = self.client().admin.command("hello", saslSupportedMechs=f"admin.{ADMIN}")
        self.assertEqual(hello["saslSupportedMechs"], ["SCRAM-SHA-1"])
        self.sign_in("admin", ADMIN, ADMIN_PASSWORD, authMechanism="DEFAULT")
        self.assert_refused("admin", ADMIN, ADMIN_PASSWORD, authMechanism="SCRAM-SHA-256")

    def _mechanisms(self):
        (user,) = self.admin.admin.command("usersInfo", ADMIN)["users"]
        return user["mechanisms"]
