"""Creating, showing, changing and dropping users."""

import unittest

import pymongo
from pymongo.errors import OperationFailure

from case import (
    BAD_VALUE,
    COMMAND_NOT_SUPPORTED,
    ROLE_NOT_FOUND,
    UNAUTHORIZED,
    USER_EXISTS,
    USER_NOT_FOUND,
    AdminCase,
    ServerCase,
    binary_uuid,
)
from server import ADMIN, ADMIN_PASSWORD


class TheFirstUser(ServerCase):
    """The localhost exception: on admin, for one user, and for nothing else."""

    def test_is_created_without_signing_in_and_is_the_only_one(self):
        client = self.client()
        text = self.assert_fails(
            UNAUTHORIZED, client.products, "createUser", "ann", pwd="secret", roles=["read"]
        )
        self.assertTrue(text.startswith("not authorized on products to execute command"), text)
        client.admin.command("createUser", ADMIN, pwd=ADMIN_PASSWORD, roles=["root"])
        text = self.assert_fails(
            UNAUTHORIZED, client.admin, "createUser", "eve", pwd="secret", roles=["root"]
        )
        self.assertEqual(text, "Command createUser requires authentication")
        self.sign_in("admin", ADMIN, ADMIN_PASSWORD)


class Users(AdminCase):
    def create(self, db, user, roles=(), **options):
        self.admin[db].command("createUser", user, pwd="secret", roles=list(roles), **options)

    def test_the_manuals_example(self):
        created = self.admin.products.command(
            "createUser",
            "accountAdmin01",
            pwd="secret",
            customData={"employeeId": 12345},
            roles=[
                {"role": "clusterAdmin", "db": "admin"},
                {"role": "readAnyDatabase", "db": "admin"},
                "readWrite",
            ],
            writeConcern={"w": "majority", "wtimeout": 5000},
        )
        self.assertEqual(created, {"ok": 1.0})
        (user,) = self.admin.products.command("usersInfo", "accountAdmin01")["users"]
        user_id = binary_uuid(user.pop("userId"))
        self.assertEqual((user_id.subtype, len(user_id)), (4, 16))
        self.assertCountEqual(
            user.pop("roles"),
            [
                {"role": "clusterAdmin", "db": "admin"},
                {"role": "readAnyDatabase", "db": "admin"},
                {"role": "readWrite", "db": "products"},
            ],
        )
        self.assertCountEqual(user.pop("mechanisms"), ["SCRAM-SHA-1", "SCRAM-SHA-256"])
        self.assertEqual(
            user,
            {
                "_id": "products.accountAdmin01",
                "user": "accountAdmin01",
                "db": "products",
                "customData": {"employeeId": 12345},
            },
        )
        client = self.sign_in("products", "accountAdmin01", "secret")
        status = client.products.command("connectionStatus")["authInfo"]
        who = {"user": "accountAdmin01", "db": "products"}
        self.assertEqual(status["authenticatedUsers"], [who])

    def test_a_name_is_taken_once_for_each_database(self):
        self.create("products", "ann")
        text = self.assert_fails(
            USER_EXISTS, self.admin.products, "createUser", "ann", pwd="other", roles=[]
        )
        self.assertEqual(text, 'User "ann@products" already exists')
        self.create("shop", "ann")

    def test_what_cannot_be_created(self):
        products = self.admin.products
        with self.subTest("an unknown role"):
            self.assert_fails(
                ROLE_NOT_FOUND, products, "createUser", "ann", pwd="secret", roles=["nope"]
            )
        with self.subTest("a digested password for SCRAM-SHA-256"):
            self.assert_fails(
                BAD_VALUE,
                products,
                "createUser",
                "ann",
                pwd="secret",
                roles=[],
                digestPassword=False,
            )
        with self.subTest("an unknown mechanism"):
            self.assert_fails(
                BAD_VALUE,
                products,
                "createUser",
                "ann",
                pwd="secret",
                roles=[],
                mechanisms=["SCRAM-SHA-512"],
            )
        self.assertEqual(products.command("usersInfo", 1)["users"], [])

    def test_how_users_are_shown(self):
        self.create("products", "ann", ["read"], mechanisms=["SCRAM-SHA-256"])
        self.create("shop", "bob", ["readWrite"], customData={"team": "blue"})
        restricted = [{"clientSource": ["127.0.0.1"], "serverAddress": ["127.0.0.0/8"]}]
        self.create("shop", "cid", authenticationRestrictions=restricted)

        def names(reply):
            return sorted(user["_id"] for user in reply["users"])

        shop, admin = self.admin.shop, self.admin.admin
        self.assertEqual(names(shop.command("usersInfo", 1)), ["shop.bob", "shop.cid"])
        self.assertEqual(
            names(admin.command("usersInfo", {"forAllDBs": True})),
            ["admin.admin", "products.ann", "shop.bob", "shop.cid"],
        )
        two = [{"user": "ann", "db": "products"}, {"user": "bob", "db": "shop"}]
        self.assertEqual(names(admin.command("usersInfo", two)), ["products.ann", "shop.bob"])
        self.assertEqual(names(shop.command("usersInfo", "nobody")), [])
        blue = shop.command("usersInfo", 1, filter={"customData.team": "blue"})
        self.assertEqual(names(blue), ["shop.bob"])
        (ann,) = admin.command("usersInfo", two[0], showCredentials=True)["users"]
        self.assertEqual(list(ann["credentials"]), ["SCRAM-SHA-256"])
        self.assertEqual(ann["credentials"]["SCRAM-SHA-256"]["iterationCount"], 15000)
        (ann,) = admin.command("usersInfo", two[0], showPrivileges=True)["users"]
        resources = [privilege["resource"] for privilege in ann["inheritedPrivileges"]]
        self.assertIn({"db": "products", "collection": ""}, resources)
        cid = {"user": "cid", "db": "shop"}
        (shown,) = admin.command("usersInfo", cid, showAuthenticationRestrictions=True)["users"]
        # From the cache as mongod shows it: one list of restrictions for the user.
        self.assertIn("127.0.0.0/8", str(shown["authenticationRestrictions"]))

    def test_roles_decide_what_a_user_may_do(self):
        self.create("products", "reader", ["read"])
        client = self.sign_in("products", "reader", "secret")
        self.assert_fails(
            UNAUTHORIZED, client.products, "createUser", "ann", pwd="secret", roles=[]
        )
        self.assert_fails(UNAUTHORIZED, client.products, "usersInfo", 1)
        self.assert_fails(UNAUTHORIZED, client.products, "insert", "c", documents=[{"a": 1}])
        self.assert_fails(UNAUTHORIZED, client.shop, "find", "c")
        # Allowed, and no engine behind it.
        self.assert_fails(COMMAND_NOT_SUPPORTED, client.products, "find", "c")
        own = client.products.command("usersInfo", "reader")["users"]
        self.assertEqual([user["_id"] for user in own], ["products.reader"])

    def test_changes_of_roles_take_effect_at_once(self):
        self.create("products", "ann", ["read"])
        client = self.sign_in("products", "ann", "secret")
        self.assert_fails(UNAUTHORIZED, client.products, "usersInfo", 1)
        products = self.admin.products
        products.command("grantRolesToUser", "ann", roles=["userAdmin"])
        client.products.command("usersInfo", 1)
        products.command("revokeRolesFromUser", "ann", roles=["userAdmin"])
        self.assert_fails(UNAUTHORIZED, client.products, "usersInfo", 1)
        products.command("updateUser", "ann", roles=["dbOwner"])
        client.products.command("usersInfo", 1)

    def test_a_changed_password(self):
        self.create("products", "ann", ["read"])
        client = self.sign_in("products", "ann", "secret")
        self.admin.products.command("updateUser", "ann", pwd="new secret")
        self.assert_refused("products", "ann", "secret")
        self.sign_in("products", "ann", "new secret")
        client.products.command("usersInfo", "ann")  # stays signed in

    def test_a_dropped_user_is_gone_at_the_next_command(self):
        self.create("products", "ann", ["dbOwner"])
        client = self.sign_in("products", "ann", "secret")
        client.products.command("usersInfo", 1)
        self.assertEqual(self.admin.products.command("dropUser", "ann"), {"ok": 1.0})
        text = self.assert_fails(UNAUTHORIZED, client.products, "usersInfo", 1)
        self.assertEqual(text, "Command usersInfo requires authentication")
        self.assert_refused("products", "ann", "secret")
        text = self.assert_fails(USER_NOT_FOUND, self.admin.products, "dropUser", "ann")
        self.assertEqual(text, "User 'ann@products' not found")

    def test_all_users_of_a_database_go_together(self):
        for user in ("ann", "bob"):
            self.create("products", user)
        self.create("shop", "ann")
        dropped = self.admin.products.command("dropAllUsersFromDatabase")
        self.assertEqual(dropped, {"n": 2, "ok": 1.0})
        self.assertEqual(len(self.admin.shop.command("usersInfo", 1)["users"]), 1)

    @unittest.skipIf(pymongo.version_tuple >= (4,), "the helpers went with PyMongo 4")
    def test_the_helpers_of_pymongo_3(self):
        client = self.client()
        self.create("products", "ann", ["read"])
        with self.assertWarns(DeprecationWarning):
            self.assertTrue(client.products.authenticate("ann", "secret"))
            self.assertRaises(
                OperationFailure, client.admin.authenticate, "ann", "secret", source="products2"
            )
            client.products.logout()
