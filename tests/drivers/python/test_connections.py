"""What drivers do beside commands: compression, sessions, monitoring, reconnecting."""

import threading
import time

from case import (
    BAD_VALUE,
    FAILED_TO_PARSE,
    INVALID_OPTIONS,
    UNKNOWN_FIELD,
    USER_EXISTS,
    AdminCase,
    binary_uuid,
)
from pymongo import monitoring
from pymongo.errors import AutoReconnect, OperationFailure
from server import ADMIN, ADMIN_PASSWORD, PATIENCE_S
from tap import OP_MSG, Tap


class Compression(AdminCase):
    def test_each_compressor_is_used_both_ways(self):
        for compressor in ("snappy", "zstd", "zlib"):
            with self.subTest(compressor), Tap(self.server.port) as tap:
                uri = self.server.uri(ADMIN, ADMIN_PASSWORD, "admin", f"127.0.0.1:{tap.port}")
                client = self.client(uri, compressors=compressor)
                roles = client.admin.command("rolesInfo", 1, showBuiltinRoles=True)["roles"]
                self.assertGreater(len(roles), 10)
                self.assertIn(compressor, tap.operations("to server"))
                self.assertIn(compressor, tap.operations("to client"))

    def test_without_a_compressor_nothing_is_compressed(self):
        with Tap(self.server.port) as tap:
            uri = self.server.uri(ADMIN, ADMIN_PASSWORD, "admin", f"127.0.0.1:{tap.port}")
            self.client(uri).admin.command("rolesInfo", 1, showBuiltinRoles=True)
            self.assertIn(OP_MSG, tap.operations("to server"))
            operations = tap.operations("to server") + tap.operations("to client")
            self.assertTrue(all(isinstance(operation, int) for operation in operations))


class WriteConcern(AdminCase):
    def create(self, user, **options):
        return self.admin.products.command("createUser", user, pwd="s", roles=[], **options)

    def test_what_a_standalone_server_accepts(self):
        for number, accepted in enumerate(
            ({"w": 1}, {"w": 0}, {"w": "majority"}, {"j": True}, {"w": 1, "wtimeout": 1}, {})
        ):
            with self.subTest(accepted):
                created = self.create(f"user{number}", writeConcern=accepted)
                self.assertEqual(created, {"ok": 1.0})

    def test_what_it_refuses_before_anything_is_written(self):
        for code, refused in (
            (BAD_VALUE, {"w": 2}),
            (BAD_VALUE, {"w": "elsewhere"}),
            (FAILED_TO_PARSE, {"w": 51}),
            (FAILED_TO_PARSE, {"w": True}),
            (FAILED_TO_PARSE, {"wtimeout": 2**31}),
            (UNKNOWN_FIELD, {"w": 1, "wtimeoutMS": 5}),
        ):
            with self.subTest(refused), self.assertRaises(OperationFailure) as caught:
                self.create("ann", writeConcern=refused)
            self.assertEqual(caught.exception.code, code, caught.exception.details)
        self.assertEqual(self.admin.products.command("usersInfo", 1)["users"], [])

    def test_commands_that_do_not_write_refuse_it(self):
        text = self.assert_fails(
            INVALID_OPTIONS, self.admin.products, "usersInfo", 1, writeConcern={"w": 1}
        )
        self.assertEqual(text, "Command does not support writeConcern")


class WriteConcernInMemory(AdminCase):
    arguments = ("--storageEngine=ephemeralForTest",)

    def test_there_is_no_journal(self):
        self.assert_fails(
            BAD_VALUE,
            self.admin.products,
            "createUser",
            "ann",
            pwd="secret",
            roles=[],
            writeConcern={"j": True},
        )


class Sessions(AdminCase):
    def test_explicit_sessions(self):
        with self.admin.start_session() as session:
            self.admin.products.command(
                "createUser", "ann", pwd="secret", roles=[], session=session
            )
            users = self.admin.products.command("usersInfo", 1, session=session)["users"]
            self.assertEqual([user["user"] for user in users], ["ann"])

    def test_their_commands(self):
        started = self.admin.admin.command("startSession")
        self.assertEqual(started["timeoutMinutes"], 30)
        session = {"id": binary_uuid(started["id"]["id"])}
        for command in ("refreshSessions", "endSessions"):
            self.assertEqual(self.admin.admin.command(command, [session]), {"ok": 1.0})


class Heartbeats(monitoring.ServerHeartbeatListener):
    """Counts the heartbeats of a client's monitor."""

    def __init__(self):
        self._changed = threading.Condition()
        self.streamed = 0
        self.failures = []

    def started(self, event):
        pass

    def succeeded(self, event):
        with self._changed:
            self.streamed += event.awaited
            self._changed.notify_all()

    def failed(self, event):
        with self._changed:
            self.failures.append(event.reply)
            self._changed.notify_all()

    def wait_for_streamed(self, count):
        with self._changed:
            return self._changed.wait_for(lambda: self.streamed >= count, PATIENCE_S)

    def wait_for_failure(self):
        with self._changed:
            return self._changed.wait_for(lambda: self.failures, PATIENCE_S)


class Monitoring(AdminCase):
    def test_the_stream_of_hellos_goes_on(self):
        heartbeats = Heartbeats()
        uri = self.server.admin_uri()
        client = self.client(uri, event_listeners=[heartbeats], heartbeatFrequencyMS=500)
        client.admin.command("ping")
        self.assertTrue(heartbeats.wait_for_streamed(4))
        self.assertEqual(heartbeats.failures, [])
        (server,) = client.topology_description.server_descriptions().values()
        self.assertEqual(server.server_type_name, "Standalone")

    def test_a_restarted_server_is_found_again_with_its_users(self):
        heartbeats = Heartbeats()
        uri = self.server.admin_uri()
        client = self.client(uri, event_listeners=[heartbeats], heartbeatFrequencyMS=500)
        client.products.command("createUser", "ann", pwd="secret", roles=["read"])
        shown = client.products.command("usersInfo", "ann", showCredentials=True)["users"]
        self.assertTrue(heartbeats.wait_for_streamed(1))
        self.server.restart()
        self.assertTrue(heartbeats.wait_for_failure())
        again = self._until_reconnected(
            lambda: client.products.command("usersInfo", "ann", showCredentials=True)["users"]
        )
        self.assertEqual(again, shown)
        self.sign_in("products", "ann", "secret")
        self.assertTrue(heartbeats.wait_for_streamed(heartbeats.streamed + 1))

    def _until_reconnected(self, run):
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return run()
            except AutoReconnect:  # each try waits for the monitor to find the server
                if time.monotonic() > deadline:
                    raise


class ManyAtOnce(AdminCase):
    def test_users_created_from_many_connections(self):
        threads, each = 8, 5
        outcomes = []

        def create(thread):
            for number in range(each):
                user = f"user-{thread}-{number}"
                self.admin.products.command("createUser", user, pwd="secret", roles=["read"])
            try:
                self.admin.products.command("createUser", "only", pwd=str(thread), roles=[])
                outcomes.append(("created", thread))
            except OperationFailure as error:
                outcomes.append((error.code, thread))

        workers = [threading.Thread(target=create, args=(number,)) for number in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        users = self.admin.products.command("usersInfo", 1)["users"]
        self.assertEqual(len(users), threads * each + 1)
        winners = [thread for outcome, thread in outcomes if outcome == "created"]
        self.assertEqual(len(winners), 1)
        codes = [outcome for outcome, _ in outcomes if outcome != "created"]
        self.assertEqual(codes, [USER_EXISTS] * (threads - 1))
        self.sign_in("products", "only", str(winners[0]))
        self.sign_in("products", "user-7-4", "secret")
