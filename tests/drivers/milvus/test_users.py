"""pymilvus: users, roles and grants, as its manual has them, and what is refused.

The same tests for each version; what a version lacks is skipped by its name.
"""

import logging
import sys
import tempfile
import time
import unittest
import warnings
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
CERTIFICATES = FOLDER.parents[2] / "fixtures" / "certs"
sys.path.insert(0, str(FOLDER.parent / "python"))

from server import Server  # noqa: E402

import grpc  # noqa: E402
import pymilvus  # noqa: E402
from pymilvus import MilvusClient, MilvusException, Role, connections, utility  # noqa: E402

# Every refusal is logged by pymilvus with its traceback.
logging.disable(logging.CRITICAL)

ROOT_PASSWORD = "Milvus"
TIMEOUT_S = 20
# A refusal that is repeated takes a minute and more.
AT_ONCE_S = 5

INVALID_PARAMETER = 1100
NOT_AUTHENTICATED = 1400
NOT_PERMITTED = 1401
ANYTHING_ELSE = 65535


def status_of(error):
    """The name of the gRPC status of an error, or its code in Milvus."""
    code = getattr(error, "code", None)
    if callable(code):
        return code().name
    return int(code)


class MilvusCase(unittest.TestCase):
    """A test with a server of its own, and root on it."""

    arguments = ()
    scheme = "http"
    options = {}

    def setUp(self):
        # The older API warns of its end with each call.
        warnings.simplefilter("ignore")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.port_file = port_file = Path(folder.name) / "port"
        self.server = Server(
            "--milvus.enabled",
            "--milvus.port=0",
            f"--milvus.portFile={port_file}",
            f"--milvus.defaultRootPassword={ROOT_PASSWORD}",
            *self.arguments,
        )
        self.addCleanup(self.server.close)
        self.find()
        self.root = self.client("root", ROOT_PASSWORD)

    def find(self):
        """Where the server is, which has just started."""
        self.port = int(self.port_file.read_text())
        self.uri = f"{self.scheme}://localhost:{self.port}"

    def client(self, user, password):
        client = MilvusClient(
            uri=self.uri, token=f"{user}:{password}", timeout=TIMEOUT_S, **self.options
        )
        self.addCleanup(client.close)
        return client

    def orm(self, user, password):
        """A connection of the older API, by its alias."""
        alias = f"{self.id()} {user} {password}"
        connections.connect(
            alias=alias,
            host="127.0.0.1",
            port=str(self.port),
            user=user,
            password=password,
            timeout=TIMEOUT_S,
        )
        self.addCleanup(connections.disconnect, alias)
        return alias

    def refused(self, status, text, call, *arguments, **options):
        """The call is refused with this code or gRPC status, at once."""
        started = time.monotonic()
        with self.assertRaises(Exception) as caught:
            call(*arguments, **options)
        self.assertLess(time.monotonic() - started, AT_ONCE_S)
        self.assertEqual(status_of(caught.exception), status, repr(caught.exception))
        self.assertIn(text, str(caught.exception))

    def has(self, *names):
        """Skips the test where the client lacks one of these."""
        for name in names:
            if not hasattr(self.root, name):
                self.skipTest(f"pymilvus {pymilvus.__version__} has no {name}")


class Users(MilvusCase):
    def test_the_manuals_example(self):
        alias = self.orm("root", ROOT_PASSWORD)
        utility.create_user("newuser", "newpassword", using=alias)
        self.assertEqual(utility.list_usernames(using=alias), ["newuser", "root"])
        utility.update_password("newuser", "newpassword", "changed1", using=alias)
        users = utility.list_users(True, using=alias).groups
        self.assertEqual([user.username for user in users], ["newuser", "root"])
        own = self.orm("newuser", "changed1")
        described = utility.list_user("newuser", True, using=own).groups
        self.assertEqual([user.username for user in described], ["newuser"])
        utility.delete_user("newuser", using=alias)
        self.assertEqual(utility.list_usernames(using=alias), ["root"])

    def test_a_users_life(self):
        self.root.create_user("ann", "P@ssw0rd")
        self.assertEqual(self.root.list_users(), ["ann", "root"])
        ann = self.client("ann", "P@ssw0rd")
        self.assertEqual(ann.describe_user("ann")["user_name"], "ann")
        ann.update_password("ann", "P@ssw0rd", "N3w P@ssw0rd")
        self.refused("UNAUTHENTICATED", "auth check failure", ann.describe_user, "ann")
        # Older versions give the connection of a user again, with the password it began with.
        ann.close()
        again = self.client("ann", "N3w P@ssw0rd")
        self.assertEqual(again.describe_user("ann")["user_name"], "ann")
        self.root.drop_user("ann")
        self.refused("UNAUTHENTICATED", "auth check failure", again.describe_user, "ann")
        self.assertEqual(self.root.describe_user("ann"), {})

    def test_bad_calls(self):
        self.root.create_user("ann", "secret")
        create = self.root.create_user
        self.refused(ANYTHING_ELSE, "user already exists: ann", create, "ann", "secret")
        self.refused(INVALID_PARAMETER, "username must be not empty", create, "", "secret")
        self.refused(INVALID_PARAMETER, "must be a letter", create, "1ann", "secret")
        self.refused(INVALID_PARAMETER, "only numbers, letters", create, "a.b", "secret")
        self.refused(INVALID_PARAMETER, "the length of username", create, "a" * 33, "secret")
        self.refused(INVALID_PARAMETER, "5 out of range 6", create, "bob", "short")
        self.refused(INVALID_PARAMETER, "73 out of range 6", create, "bob", "x" * 73)
        update = self.root.update_password
        self.refused(NOT_AUTHENTICATED, "old password not correct", update, "ann", "wrong1", "secret")
        self.refused(NOT_AUTHENTICATED, "old password not correct", update, "eve", "secret", "secret")
        self.refused(NOT_PERMITTED, "root user cannot be deleted", self.root.drop_user, "root")
        self.root.drop_user("nobody")

    def test_who_may_not(self):
        self.root.create_user("ann", "secret")
        ann = self.client("ann", "secret")
        denied = "permission deny to ann"
        self.refused("PERMISSION_DENIED", denied, ann.create_user, "bob", "secret")
        self.refused("PERMISSION_DENIED", denied, ann.drop_user, "ann")
        self.refused("PERMISSION_DENIED", denied, ann.list_users)
        self.refused("PERMISSION_DENIED", denied, ann.describe_user, "root")
        self.refused("PERMISSION_DENIED", denied, ann.create_role, "reader")

    def test_wrong_passwords(self):
        for user, password in [("root", "wrong"), ("nobody", "secret")]:
            # Which of the two depends on the version.
            with self.assertRaises((MilvusException, grpc.RpcError)):
                MilvusClient(uri=self.uri, token=f"{user}:{password}", timeout=3)

    def test_data_are_not_served(self):
        self.refused("UNIMPLEMENTED", "is not served", self.root.list_collections)


class StrictPasswords(MilvusCase):
    arguments = ("--milvus.passwordPolicy=strict",)

    def test_three_kinds_of_characters(self):
        create = self.root.create_user
        self.refused(INVALID_PARAMETER, "7 out of range 8", create, "ann", "P@ssw0r")
        self.refused(INVALID_PARAMETER, "at least 3 of", create, "ann", "password1")
        create("ann", "Password1")


class Encrypted(MilvusCase):
    arguments = (
        "--tlsMode=requireTLS",
        f"--tlsCertificateKeyFile={CERTIFICATES / 'server.pem'}",
        f"--tlsCAFile={CERTIFICATES / 'ca.pem'}",
    )
    scheme = "https"
    # Each of the client's files has its certificate and its key.
    options = {
        "secure": True,
        "ca_pem_path": str(CERTIFICATES / "ca.pem"),
        "client_pem_path": str(CERTIFICATES / "client.pem"),
        "client_key_path": str(CERTIFICATES / "client.pem"),
        "server_name": "localhost",
    }

    def test_users_inside_tls(self):
        self.root.create_user("ann", "secret")
        self.assertEqual(self.client("ann", "secret").describe_user("ann")["user_name"], "ann")


class FullAuditLog(MilvusCase):
    def test_changes_are_refused_at_once(self):
        log = Path(self.server.path("audit.log"))
        log.symlink_to("/dev/full")
        self.root.close()
        auditing = ("--auditDestination=file", "--auditFormat=JSON", f"--auditPath={log}")
        self.server.restart(*auditing, "--noauth")
        self.find()
        refusal = "no space left for the audit log, so nothing was done"
        root = self.client("root", ROOT_PASSWORD)
        self.refused(ANYTHING_ELSE, refusal, root.create_user, "ann", "secret")
        self.assertEqual(root.list_users(), ["root"])


class Roles(MilvusCase):
    def test_a_roles_life(self):
        self.root.create_role("reader")
        self.root.create_user("ann", "secret")
        self.root.grant_role("ann", "reader")
        self.assertEqual(self.root.list_roles(), ["admin", "public", "reader"])
        self.assertEqual(tuple(self.root.describe_user("ann")["roles"]), ("reader",))
        ann = self.client("ann", "secret")
        self.refused("PERMISSION_DENIED", "SelectOwnership", ann.list_users)
        self.root.grant_privilege("reader", "Global", "SelectOwnership", "*")
        self.assertEqual(ann.list_users(), ["ann", "root"])
        self.root.revoke_privilege("reader", "Global", "SelectOwnership", "*")
        self.refused("PERMISSION_DENIED", "SelectOwnership", ann.list_users)
        self.root.revoke_role("ann", "reader")
        self.assertEqual(tuple(self.root.describe_user("ann")["roles"]), ())
        self.root.drop_role("reader")
        self.assertEqual(self.root.list_roles(), ["admin", "public"])

    def test_the_older_form(self):
        alias = self.orm("root", ROOT_PASSWORD)
        role = Role("reader", using=alias)
        self.assertFalse(role.is_exist())
        role.create()
        self.assertTrue(role.is_exist())
        utility.create_user("ann", "secret", using=alias)
        role.add_user("ann")
        self.assertEqual(list(role.get_users()), ["ann"])
        role.grant("Collection", "books", "Load")
        granted = sorted(grant.privilege for grant in role.list_grants().groups)
        self.assertEqual(granted, ["GetLoadState", "GetLoadingProgress", "Load"])
        self.refused(ANYTHING_ELSE, "that it has privileges", role.drop)
        role.revoke("Collection", "books", "Load")
        role.remove_user("ann")
        role.drop()
        self.assertFalse(role.is_exist())

    def test_grants_of_groups(self):
        self.has("grant_privilege_v2")
        self.root.create_role("keeper")
        self.root.create_user("ann", "secret")
        self.root.grant_role("ann", "keeper")
        self.root.grant_privilege_v2("keeper", "ClusterAdmin", "*", "*")
        ann = self.client("ann", "secret")
        ann.create_user("bob", "secret")
        (grant,) = self.root.describe_role("keeper")["privileges"]
        self.assertEqual((grant["privilege"], grant["db_name"]), ("ClusterAdmin", "*"))
        self.root.revoke_privilege_v2("keeper", "ClusterAdmin", "*", "*")
        self.refused("PERMISSION_DENIED", "CreateOwnership", ann.create_user, "eve", "secret")

    def test_bad_calls(self):
        self.root.create_role("reader")
        create = self.root.create_role
        self.refused(ANYTHING_ELSE, "already exists", create, "reader")
        self.refused(ANYTHING_ELSE, "already exists", create, "admin")
        self.refused(INVALID_PARAMETER, "underscore or letter", create, "1")
        self.refused(NOT_PERMITTED, "is a default role", self.root.drop_role, "public")
        self.refused(ANYTHING_ELSE, "not found the role", self.root.drop_role, "none")
        self.refused(ANYTHING_ELSE, "not found the user", self.root.grant_role, "none", "reader")
        self.refused(ANYTHING_ELSE, "not found the role", self.root.grant_role, "root", "none")
        grant = self.root.grant_privilege
        self.refused(ANYTHING_ELSE, "not found the object type", grant, "reader", "Thing", "Load", "*")
        self.refused(ANYTHING_ELSE, "not found the privilege", grant, "reader", "Global", "Load", "*")
        self.refused(ANYTHING_ELSE, "not found the role", grant, "none", "Global", "FlushAll", "*")


if __name__ == "__main__":
    unittest.main()
