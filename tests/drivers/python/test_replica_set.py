"""What PyMongo sees of three servers over etcd: discovery, failover, write concern, read preference."""

import itertools
import sys
import threading
import time
import unittest

import pymongo
from pymongo import MongoClient, monitoring
from pymongo.read_preferences import Nearest, Secondary, SecondaryPreferred

from replica_set import LEASE_S, NOT_NOW, SET_NAME, SHORT_LEASE_S, ReplicaSet
from server import ADMIN, ADMIN_PASSWORD, PATIENCE_S, wait_until

OPERATION_FAILED = 96
# What the application may have to wait for writes after the primary was killed.
FAILOVER_S_MAX = 15


class ReplicaSetCase(unittest.TestCase):
    tags = ("", "", "")
    lease_s = LEASE_S

    def setUp(self):
        self.set = ReplicaSet(self.tags, self.lease_s)
        self.addCleanup(self.set.close)
        self.addCleanup(self._show_log)
        self.admin = self.client()

    def _show_log(self):
        if not self._outcome.success:
            print(f"the servers' logs:\n{self.set.log()}", file=sys.stderr)

    def client(self, uri=None, **options):
        options = {"serverSelectionTimeoutMS": PATIENCE_S * 1000, **options}
        client = MongoClient(uri or self.set.uri(), **options)
        self.addCleanup(client.close)
        return client

    def primary(self):
        """The node that is primary to the driver."""
        wait_until(lambda: self.admin.primary, "no primary")
        return self.set.node_at(self.admin.primary)

    def a_secondary(self):
        wait_until(lambda: self.admin.secondaries, "no secondary")
        return self.set.node_at(next(iter(self.admin.secondaries)))

    def create(self, user, client=None, **fields):
        command = {"pwd": "secret", "roles": ["read"], "writeConcern": {"w": 1}, **fields}
        return (client or self.admin).products.command("createUser", user, **command)

    def users(self, read_preference=None):
        reply = self.admin.products.command("usersInfo", 1, read_preference=read_preference)
        return [user["user"] for user in reply["users"]]

    def direct(self, node, user=ADMIN, password=ADMIN_PASSWORD, db="admin"):
        uri = node.uri(user, password, db)
        return self.client(uri, **DIRECT)


# PyMongo 4 looks for the others by itself otherwise.
DIRECT = {"directConnection": True}


class Discovery(ReplicaSetCase):
    def test_one_seed_is_enough(self):
        addresses = {node.address for node in self.set.nodes}
        for seed in self.set.nodes:
            uri = seed.uri(ADMIN, ADMIN_PASSWORD, "admin")
            client = self.client(uri, replicaSet=SET_NAME)
            self.create(f"by-{seed.port}", client)
            wait_until(lambda: set(client.nodes) == addresses, "not everybody is found")
            self.assertEqual(client.primary, self.primary().address)
            wait_until(lambda: len(client.secondaries) == 2, "not two secondaries")
        self.assertEqual(len(self.users()), 3)

    def test_another_name_finds_nothing(self):
        client = self.client(
            self.set.nodes[0].uri(), replicaSet="other", serverSelectionTimeoutMS=500
        )
        with self.assertRaises(pymongo.errors.ServerSelectionTimeoutError):
            client.admin.command("ping")


class ReadPreference(ReplicaSetCase):
    tags = ("dc:east,rack:1", "dc:east,rack:2", "dc:west,rack:3")

    def test_secondaries_are_read(self):
        self.create("ann", writeConcern={"w": 3})
        for mode in (Secondary(), SecondaryPreferred(), Nearest()):
            self.assertEqual(self.users(mode), ["ann"])
        answers = self.admin.admin.command("hello", read_preference=Secondary())
        self.assertIs(answers["secondary"], True)

    def test_tags_choose_the_node(self):
        for number, node in enumerate(self.set.nodes, 1):
            nearest = Nearest(tag_sets=[{"rack": str(number)}])
            wait_until(
                lambda: self.admin.admin.command("hello", read_preference=nearest)["me"]
                == f"127.0.0.1:{node.port}",
                f"not rack {number}",
            )
        west = Nearest(tag_sets=[{"dc": "west"}])
        hello = self.admin.admin.command("hello", read_preference=west)
        self.assertEqual(hello["tags"], {"dc": "west", "rack": "3"})


class WriteConcerns(ReplicaSetCase):
    tags = ("dc:east", "dc:west", "dc:north")

    def test_w_3_is_felt_everywhere(self):
        self.assertNotIn("writeConcernError", self.create("ann", writeConcern={"w": 3}))
        for node in self.set.nodes:
            self.direct(node, "ann", "secret", "products").admin.command("ping")

    def test_one_node_is_paused(self):
        paused = self.a_secondary()
        self.admin.admin.command("ping")
        paused.pause()
        self.addCleanup(paused.resume)
        majority = {"w": "majority", "wtimeout": PATIENCE_S * 1000}
        self.assertNotIn("writeConcernError", self.create("ann", writeConcern=majority))
        everywhere = self.create("bob", writeConcern={"w": 3, "wtimeout": 200})
        error = everywhere["writeConcernError"]
        self.assertEqual((error["code"], error["errInfo"]["wtimeout"]), (64, True))
        by_tag = self.create("cid", writeConcern={"w": {"dc": 2}, "wtimeout": PATIENCE_S * 1000})
        self.assertNotIn("writeConcernError", by_tag)
        by_tag = self.create("dan", writeConcern={"w": {"dc": 3}, "wtimeout": 200})
        self.assertEqual(by_tag["writeConcernError"]["code"], 64)
        # What was not acknowledged in time is there all the same.
        self.assertEqual(self.users(), ["ann", "bob", "cid", "dan"])


class Failover(ReplicaSetCase):
    lease_s = SHORT_LEASE_S

    def test_the_primary_is_killed(self):
        killed = self.primary()
        self.create("before", writeConcern={"w": "majority"})
        killed.kill()
        started = time.monotonic()
        names = self.create_until_done("after", started)
        took = time.monotonic() - started
        self.assertLess(took, FAILOVER_S_MAX)
        print(f"failover took {took:.1f} s", file=sys.stderr)
        self.assertNotEqual(self.admin.primary, killed.address)
        self.assertEqual(self.users(), sorted(["before", *names]))
        killed.start()
        wait_until(lambda: killed.address in self.admin.secondaries, "it does not come back")

    def create_until_done(self, name, started):
        """Tries new names until one is created; those that exist then."""
        for attempt in range(1000):
            try:
                self.create(f"{name}-{attempt:03}", writeConcern={"w": "majority"})
            except (pymongo.errors.AutoReconnect, pymongo.errors.OperationFailure) as error:
                if isinstance(error, pymongo.errors.OperationFailure) and error.code not in NOT_NOW:
                    raise
                self.assertLess(time.monotonic() - started, FAILOVER_S_MAX)
                continue
            return [user for user in self.users() if user.startswith(name)]
        raise AssertionError("too many tries")

    def test_retryable_writes_reach_the_next_primary(self):
        temporary = self.client(retryWrites=True).admin["tempusers"]
        temporary.insert_one({"_id": "warm"})
        killed = self.primary()
        failures = []
        inserted = threading.Event()

        def insert():
            try:
                for number in itertools.count():
                    temporary.insert_one({"_id": number})
                    if number == 5:
                        inserted.set()
            except pymongo.errors.PyMongoError as error:
                failures.append(error)
            finally:
                inserted.set()

        inserting = threading.Thread(target=insert)
        inserting.start()
        inserted.wait(PATIENCE_S)
        killed.kill()
        inserting.join(PATIENCE_S)
        # The driver went to the next primary by itself, which does not have what was inserted before.
        self.assertEqual([failure.code for failure in failures], [OPERATION_FAILED])
        temporary.drop()
        temporary.insert_many([{"_id": number} for number in range(10)])


class StepDown(ReplicaSetCase):
    def test_it_closes_no_connection(self):
        cleared = []

        class Pools(monitoring.ConnectionPoolListener):
            def pool_created(self, event): ...
            def pool_ready(self, event): ...
            def pool_cleared(self, event):
                cleared.append(event.address)
            def pool_closed(self, event): ...
            def connection_created(self, event): ...
            def connection_ready(self, event): ...
            def connection_closed(self, event): ...
            def connection_check_out_started(self, event): ...
            def connection_check_out_failed(self, event): ...
            def connection_checked_out(self, event): ...
            def connection_checked_in(self, event): ...

        client = self.client(event_listeners=[Pools()])
        self.create("before", client)
        old = client.primary
        client.admin.command("replSetStepDown", 60)
        wait_until(lambda: client.primary not in (None, old), "nobody takes over")
        self.create("after", client)
        # The other client hears of it by itself.
        wait_until(lambda: self.admin.primary not in (None, old), "it goes on with the old one")
        self.assertEqual(self.users(), ["after", "before"])
        self.assertEqual(cleared, [])


if __name__ == "__main__":
    unittest.main()
