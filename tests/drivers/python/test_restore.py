"""Users and roles from one server into another, as mongodump and mongorestore carry them."""

import unittest

from pymongo.errors import BulkWriteError, OperationFailure

from case import BAD_VALUE, AdminCase


class Restoring(AdminCase):
    def setUp(self):
        super().setUp()
        # PyMongo 3 would write a UUID it has read as of an older kind.
        self.admin = self.client(self.server.admin_uri(), uuidRepresentation="standard")
        shop = self.admin.shop
        privilege = {"resource": {"db": "shop", "collection": "c"}, "actions": ["find"]}
        shop.command("createRole", "clerk", privileges=[privilege], roles=[])
        shop.command("createUser", "ann", pwd="ann's password", roles=["clerk"])
        self.users = list(self.admin.admin["system.users"].find())
        self.roles = list(self.admin.admin["system.roles"].find())
        shop.command("dropUser", "ann")
        shop.command("dropRole", "clerk")

    def merge(self, **options):
        self.admin.admin.command(
            "_mergeAuthzCollections",
            1,
            tempUsersCollection="admin.tempusers",
            tempRolesCollection="admin.temproles",
            **options,
        )

    def test_users_come_back_with_their_passwords(self):
        self.assert_refused("shop", "ann", "ann's password")
        admin = self.admin.admin
        admin["tempusers"].insert_many(self.users)
        admin["temproles"].insert_many(self.roles)
        self.assertLessEqual({"tempusers", "temproles"}, set(admin.list_collection_names()))
        self.merge(db="", drop=True)
        admin["tempusers"].drop()
        admin["temproles"].drop()
        for mechanism in ("SCRAM-SHA-1", "SCRAM-SHA-256"):
            self.sign_in("shop", "ann", "ann's password", authMechanism=mechanism)
        self.assertEqual(list(admin["system.users"].find()), self.users)
        self.assertEqual(list(admin["system.roles"].find()), self.roles)
        self.assertNotIn("tempusers", admin.list_collection_names())

    def test_a_document_comes_once(self):
        temporary = self.admin.admin["tempusers"]
        temporary.insert_many(self.users)
        with self.assertRaises(BulkWriteError) as caught:
            temporary.insert_many(self.users, ordered=False)
        errors = caught.exception.details["writeErrors"]
        self.assertEqual([error["code"] for error in errors], [11000] * len(self.users))

    def test_a_collection_that_is_forgotten_removes_nobody(self):
        with self.assertRaises(OperationFailure) as caught:
            self.merge(db="", drop=True)
        self.assertEqual(caught.exception.code, BAD_VALUE)


if __name__ == "__main__":
    unittest.main()
