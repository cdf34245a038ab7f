"""pymilvus: users, roles and grants, as its manual has them, and what is refused.

The same tests for each version; what a version lacks is skipped by its name.
"""

import inspect
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
# A refusal that is repeated takes a minute and more; a slow machine takes some seconds to hash.
AT_ONCE_S = 20

INVALID_PARAMETER = 1100
INVALID_GROUP_NAME = 1402
NOT_AUTHENTICATED = 1400
NOT_PERMITTED = 1401
NO_DATABASE = 800
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
            **self.options,
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

    def table(self, *rows):
        """Bad calls: what is called with what, and the code and text it is refused with."""
        for call, arguments, code, text in rows:
            with self.subTest(call=call.__name__, arguments=arguments):
                self.refused(code, text, call, *arguments)

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
        create, update = self.root.create_user, self.root.update_password
        unknown = (NOT_AUTHENTICATED, "old password not correct")
        self.table(
            (create, ("ann", "secret"), ANYTHING_ELSE, "user already exists: ann"),
            (create, ("", "secret"), INVALID_PARAMETER, "username must be not empty"),
            (create, ("  ", "secret"), INVALID_PARAMETER, "username must be not empty"),
            (create, ("1ann", "secret"), INVALID_PARAMETER, "must be a letter"),
            (create, ("_ann", "secret"), INVALID_PARAMETER, "must be a letter"),
            (create, ("a.b", "secret"), INVALID_PARAMETER, "only numbers, letters"),
            (create, ("a" * 33, "secret"), INVALID_PARAMETER, "the length of username"),
            (create, ("bob", ""), INVALID_PARAMETER, "0 out of range 6"),
            (create, ("bob", "short"), INVALID_PARAMETER, "5 out of range 6"),
            (create, ("bob", "x" * 73), INVALID_PARAMETER, "73 out of range 6"),
            (update, ("ann", "wrong1", "secret"), *unknown),
            (update, ("eve", "secret", "secret"), *unknown),
            (update, ("ann", "secret", "short"), INVALID_PARAMETER, "5 out of range 6"),
            (self.root.drop_user, ("root",), NOT_PERMITTED, "root user cannot be deleted"),
            (self.root.drop_user, (" ",), ANYTHING_ELSE, "fail to execute task when deleting"),
            (self.root.describe_user, ("1ann",), INVALID_PARAMETER, "must be a letter"),
        )
        # Neither is a mistake.
        self.root.drop_user("nobody")
        self.assertEqual(self.root.describe_user("nobody"), {})
        self.root.create_user("bob", "x" * 72)
        self.client("bob", "x" * 72).describe_user("bob")

    def test_the_older_forms_bad_calls(self):
        alias = self.orm("root", ROOT_PASSWORD)
        utility.create_user("ann", "secret", using=alias)
        for call, arguments, code, text in [
            (utility.create_user, ("ann", "secret"), ANYTHING_ELSE, "user already exists: ann"),
            (utility.create_user, ("1ann", "secret"), INVALID_PARAMETER, "must be a letter"),
            (utility.update_password, ("ann", "wrong1", "new secret"), NOT_AUTHENTICATED, "old password"),
            (utility.reset_password, ("ann", "wrong1", "new secret"), NOT_AUTHENTICATED, "old password"),
            (utility.delete_user, ("root",), NOT_PERMITTED, "root user cannot be deleted"),
            (utility.list_user, ("1ann", True), INVALID_PARAMETER, "must be a letter"),
        ]:
            with self.subTest(call=call.__name__, arguments=arguments):
                self.refused(code, text, call, *arguments, using=alias)
        self.refused(1, "is illegal", utility.create_user, 42, "secret", using=alias)

    def test_resetting_ones_own_password_keeps_the_connection(self):
        alias = self.orm("root", ROOT_PASSWORD)
        utility.create_user("ann", "secret", using=alias)
        own = self.orm("ann", "secret")
        utility.reset_password("ann", "secret", "new secret", using=own)
        described = utility.list_user("ann", True, using=own).groups
        self.assertEqual([user.username for user in described], ["ann"])

    def test_a_users_description(self):
        self.has("update_user")
        self.root.create_user("ann", "secret", description="of the shop")
        self.assertEqual(self.root.describe_user("ann")["description"], "of the shop")
        self.root.update_user("ann", description="of two shops")
        self.assertEqual(self.root.describe_user("ann")["description"], "of two shops")
        self.client("ann", "secret")

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

    def test_databases(self):
        self.has("use_database", "list_databases")
        self.assertEqual(self.root.list_databases(), ["default"])
        self.root.use_database("default")
        self.assertEqual(self.root.list_users(), ["root"])
        # Older versions connect anew for it, newer ones have it described.
        self.refused(NO_DATABASE, "database not found", self.root.use_database, "shop")

    def test_describing_a_database(self):
        self.has("describe_database")
        self.assertEqual(self.root.describe_database("default")["name"], "default")
        self.refused(NO_DATABASE, "database not found", self.root.describe_database, "shop")
        self.root.create_user("ann", "secret")
        ann = self.client("ann", "secret")
        self.refused("PERMISSION_DENIED", "DescribeDatabase", ann.describe_database, "default")

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

    def test_the_older_form_inside_tls(self):
        alias = self.orm("root", ROOT_PASSWORD)
        utility.create_user("ann", "secret", using=alias)
        own = self.orm("ann", "secret")
        described = utility.list_user("ann", True, using=own).groups
        self.assertEqual([user.username for user in described], ["ann"])


class SlowHashing(MilvusCase):
    # A second and more for each password.
    arguments = ("--setParameter=argon2Iterations=100",)

    def test_a_call_that_is_given_up_is_told_of_right_afterwards(self):
        self.assertEqual(self.root.list_users(), ["root"])
        create = self.root.create_user
        self.refused("DEADLINE_EXCEEDED", "", create, "ann", "secret", timeout=0.2)
        self.assertEqual(self.root.list_users(), ["root"])
        create("ann", "secret")
        self.assertEqual(self.root.list_users(), ["ann", "root"])


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
        create, bind, drop = self.root.create_role, self.root.grant_role, self.root.drop_role
        grant, revoke = self.root.grant_privilege, self.root.revoke_privilege
        no_role, no_user = "not found the role", "not found the user"
        no_privilege = "not found the privilege"
        self.table(
            (create, ("reader",), ANYTHING_ELSE, "already exists"),
            (create, ("admin",), ANYTHING_ELSE, "already exists"),
            (create, ("1",), INVALID_PARAMETER, "underscore or letter"),
            (create, ("a-b",), INVALID_PARAMETER, "found - at 1"),
            (create, ("a" * 256,), INVALID_PARAMETER, "256 out of range 0"),
            (drop, ("public",), NOT_PERMITTED, "is a default role"),
            (drop, ("none",), ANYTHING_ELSE, no_role),
            (bind, ("none", "reader"), ANYTHING_ELSE, no_user),
            (bind, ("root", "none"), ANYTHING_ELSE, no_role),
            (bind, ("1", "reader"), INVALID_PARAMETER, "must be a letter"),
            (self.root.revoke_role, ("root", "none"), ANYTHING_ELSE, no_role),
            (grant, ("reader", "Thing", "Load", "*"), ANYTHING_ELSE, "not found the object type"),
            (grant, ("reader", "Global", "Load", "*"), ANYTHING_ELSE, no_privilege),
            (grant, ("reader", "Global", "flushAll", "*"), ANYTHING_ELSE, no_privilege),
            (grant, ("none", "Global", "FlushAll", "*"), ANYTHING_ELSE, no_role),
            (grant, ("reader", "Collection", "Load", "a b"), INVALID_PARAMETER, "object name"),
            (revoke, ("none", "Global", "FlushAll", "*"), ANYTHING_ELSE, no_role),
            (self.root.describe_role, ("none",), ANYTHING_ELSE, no_role),
        )
        # Neither is a mistake.
        self.root.revoke_privilege("reader", "Global", "FlushAll", "*")
        self.root.revoke_role("nobody", "reader")

    def test_a_role_is_dropped_with_its_grants_only_by_force(self):
        if "force_drop" not in inspect.signature(self.root.drop_role).parameters:
            self.skipTest(f"pymilvus {pymilvus.__version__} cannot force it")
        self.root.create_role("reader")
        self.root.grant_privilege("reader", "Global", "FlushAll", "*")
        self.refused(ANYTHING_ELSE, "that it has privileges", self.root.drop_role, "reader")
        self.root.drop_role("reader", force_drop=True)
        self.root.create_role("reader")
        self.assertEqual(list(self.root.describe_role("reader")["privileges"]), [])

    def test_a_roles_description(self):
        self.has("alter_role")
        self.root.create_role("reader", description="reads")
        self.assertEqual(self.root.describe_role("reader")["description"], "reads")
        self.root.alter_role("reader", "reads and writes")
        self.assertEqual(self.root.describe_role("reader")["description"], "reads and writes")
        alter = self.root.alter_role
        self.table(
            (alter, ("admin", "x"), NOT_PERMITTED, "is a builtin role"),
            (alter, ("none", "x"), ANYTHING_ELSE, "not found the role"),
            (alter, ("reader", "x" * 1025), INVALID_PARAMETER, "1025 out of range 0"),
        )


class PrivilegeGroups(MilvusCase):
    def setUp(self):
        super().setUp()
        self.has("create_privilege_group", "grant_privilege_v2")

    def own(self):
        groups = {group["privilege_group"]: group["privileges"] for group in self.listed()}
        return {name: sorted(found) for name, found in groups.items() if name.islower()}

    def listed(self):
        return self.root.list_privilege_groups()

    def test_a_groups_life(self):
        self.root.create_privilege_group("lookers")
        self.root.add_privileges_to_group("lookers", ["SelectOwnership", "ListDatabases"])
        self.assertEqual(self.own(), {"lookers": ["ListDatabases", "SelectOwnership"]})
        self.assertEqual(len(self.listed()), 10)
        self.root.create_role("keeper")
        self.root.create_user("ann", "secret")
        self.root.grant_role("ann", "keeper")
        self.root.grant_privilege_v2("keeper", "lookers", "*", "*")
        ann = self.client("ann", "secret")
        self.assertEqual(ann.list_users(), ["ann", "root"])
        self.root.remove_privileges_from_group("lookers", ["SelectOwnership"])
        self.refused("PERMISSION_DENIED", "SelectOwnership", ann.list_users)
        drop = self.root.drop_privilege_group
        self.refused(ANYTHING_ELSE, "is used by role [keeper]", drop, "lookers")
        self.root.revoke_privilege_v2("keeper", "lookers", "*", "*")
        drop("lookers")
        self.assertEqual(self.own(), {})

    def test_bad_calls(self):
        self.root.create_privilege_group("lookers")
        self.root.add_privileges_to_group("lookers", ["SelectOwnership"])
        self.root.create_role("keeper")
        create, drop = self.root.create_privilege_group, self.root.drop_privilege_group
        add, remove = self.root.add_privileges_to_group, self.root.remove_privileges_from_group
        grant = self.root.grant_privilege_v2
        invalid = INVALID_PARAMETER
        self.table(
            (create, ("lookers",), invalid, "[lookers] is defined by users"),
            (create, ("Load",), invalid, "is defined by built in privileges"),
            (create, ("ClusterAdmin",), invalid, "is defined by built in privileges"),
            (create, ("1a",), INVALID_GROUP_NAME, "must be an underscore or letter"),
            (create, ("a$",), invalid, "can only contain numbers, letters and underscores"),
            (drop, ("1a",), INVALID_GROUP_NAME, "must be an underscore or letter"),
            (add, ("none", ["Load"]), invalid, "no privilege group name [none]"),
            (add, ("ClusterAdmin", ["FlushAll"]), invalid, "no privilege group name"),
            (add, ("lookers", ["load"]), invalid, "group name [load] defined in system"),
            (add, ("lookers", ["Load"]), invalid, "not the same privilege level"),
            (remove, ("none", ["Load"]), invalid, "no privilege group name [none]"),
            (grant, ("keeper", "lookers", "books", "default"), invalid, "should be * for the cluster"),
            (grant, ("keeper", "none", "*", "*"), ANYTHING_ELSE, "not found the privilege name"),
            (grant, ("none", "lookers", "*", "*"), ANYTHING_ELSE, "not found the role"),
        )
        drop("none")

    def test_who_may_not(self):
        self.root.create_user("ann", "secret")
        ann = self.client("ann", "secret")
        self.table(
            (ann.create_privilege_group, ("g",), "PERMISSION_DENIED", "CreatePrivilegeGroup"),
            (ann.drop_privilege_group, ("g",), "PERMISSION_DENIED", "DropPrivilegeGroup"),
            (ann.list_privilege_groups, (), "PERMISSION_DENIED", "ListPrivilegeGroups"),
            (ann.add_privileges_to_group, ("g", ["Load"]), "PERMISSION_DENIED", "OperatePrivilegeGroup"),
        )


if __name__ == "__main__":
    unittest.main()
