"""Users and roles read as the collections in which mongod keeps them."""

import unittest

import pymongo
from pymongo.errors import CursorNotFound, OperationFailure

from case import COMMAND_NOT_SUPPORTED, UNAUTHORIZED, AdminCase
from server import ADMIN

USERS = 1000


class ManyUsers(AdminCase):
    """External users cost no hashing, so there can be many."""

    def setUp(self):
        super().setUp()
        for number in range(USERS):
            self.admin["$external"].command(
                "createUser",
                f"CN={number:04}",
                roles=[{"role": "read", "db": f"db{number % 3}"}],
                customData={"number": number},
            )
        self.users = self.admin.admin["system.users"]

    def test_every_user_is_read_once_whatever_the_batches(self):
        expected = {f"$external.CN={number:04}" for number in range(USERS)} | {f"admin.{ADMIN}"}
        for size in (0, 7, 100, 1000, 5000):
            ids = [user["_id"] for user in self.users.find(batch_size=size)]
            self.assertEqual(len(ids), USERS + 1, size)
            self.assertEqual(set(ids), expected, size)

    def test_filters_projections_sorts_and_limits(self):
        numbers = [
            user["customData"]["number"]
            for user in self.users.find({"customData.number": {"$lt": 500}, "roles.db": "db1"})
        ]
        self.assertEqual(sorted(numbers), list(range(1, 500, 3)))
        found = list(
            self.users.find({"db": "$external"}, {"user": 1, "_id": 0})
            .sort([("customData.number", pymongo.DESCENDING)])
            .skip(10)
            .limit(3)
        )
        self.assertEqual(found, [{"user": "CN=0989"}, {"user": "CN=0988"}, {"user": "CN=0987"}])
        by_role = self.users.find({}, {"user": 1}).sort(
            [("roles.db", pymongo.ASCENDING), ("user", pymongo.DESCENDING)]
        )
        self.assertEqual(by_role[0]["user"], ADMIN)
        self.assertEqual(by_role[1]["user"], "CN=0999")
        self.assertIsNone(self.users.find_one({"user": "nobody"}))

    def test_counting(self):
        # PyMongo 3 asks by the stage $collStats, which is not served.
        if pymongo.version_tuple >= (4,):
            self.assertEqual(self.users.estimated_document_count(), USERS + 1)
        self.assertEqual(self.users.count_documents({"roles.db": "db0"}), 334)
        self.assertEqual(self.users.count_documents({}, skip=990), 11)
        self.assertEqual(sorted(self.users.distinct("roles.db")), ["admin", "db0", "db1", "db2"])
        groups = self.users.aggregate(
            [
                {"$match": {"db": "$external"}},
                {"$group": {"_id": "$roles.db", "n": {"$sum": 1}}},
                {"$sort": {"n": -1, "_id": 1}},
                {"$project": {"n": 1}},
            ]
        )
        expected = [{"_id": [f"db{n}"], "n": 334 if n == 0 else 333} for n in range(3)]
        self.assertEqual(list(groups), expected)


class Collections(AdminCase):
    def setUp(self):
        super().setUp()
        self.users = self.admin.admin["system.users"]

    def reader(self, user="ann", role="backup"):
        roles = [{"role": role, "db": "admin"}]
        self.admin.products.command("createUser", user, pwd="secret", roles=roles)
        return self.sign_in("products", user, "secret")

    def test_keys_are_those_of_users_info(self):
        stored = self.users.find_one({"user": ADMIN})
        command = {"usersInfo": ADMIN, "showCredentials": True}
        (shown,) = self.admin.admin.command(command)["users"]
        self.assertEqual(stored["credentials"], shown["credentials"])
        self.assertEqual(list(stored["credentials"]), ["SCRAM-SHA-1", "SCRAM-SHA-256"])

    def test_what_there_is(self):
        names = self.admin.admin.list_collection_names()
        self.assertEqual(sorted(names), ["system.users", "system.version"])
        indexes = self.users.index_information()
        self.assertEqual(indexes["user_1_db_1"]["key"], [("user", 1), ("db", 1)])
        self.assertTrue(indexes["user_1_db_1"]["unique"])
        self.assertEqual(self.admin.products.list_collection_names(), [])

    def test_a_cursor_is_closed_by_its_owner_and_by_nobody_else(self):
        ann, bob = self.reader("ann"), self.reader("bob")
        cursor = ann.admin["system.users"].find(batch_size=2)
        next(cursor)
        kill = {"killCursors": "system.users", "cursors": [cursor.cursor_id]}
        text = self.assert_fails(UNAUTHORIZED, bob.admin, kill)
        self.assertTrue(text.startswith("not authorized on admin to execute command"), text)
        killed = ann.admin.command(kill)
        self.assertEqual(killed["cursorsKilled"], [cursor.cursor_id])
        with self.assertRaises(CursorNotFound):
            list(cursor)
        cursor = ann.admin["system.users"].find(batch_size=2)
        next(cursor)
        self.assertEqual(self.open_cursors(), 1)
        cursor.close()
        self.assertEqual(self.open_cursors(), 0)

    def open_cursors(self):
        return self.admin.admin.command("serverStatus")["metrics"]["cursor"]["open"]["total"]

    def test_who_may_not_read_does_not(self):
        eve = self.reader("eve", "readWriteAnyDatabase")
        for read in (
            lambda: eve.admin["system.users"].find_one(),
            lambda: eve.admin["system.users"].count_documents({}),
            lambda: eve.admin["system.roles"].distinct("db"),
        ):
            with self.assertRaises(OperationFailure) as caught:
                read()
            self.assertEqual(caught.exception.code, UNAUTHORIZED)
        with self.assertRaises(OperationFailure) as caught:
            eve.products.c.find_one()
        self.assertEqual(caught.exception.code, COMMAND_NOT_SUPPORTED)


if __name__ == "__main__":
    unittest.main()
