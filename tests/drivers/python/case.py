"""What the tests share: a server with an administrator, clients that are closed, errors by code."""

import sys
import unittest
import uuid

from bson.binary import UUID_SUBTYPE, Binary
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from server import ADMIN, ADMIN_PASSWORD, PATIENCE_S, Server

# Codes that a client sees, by MongoDB's names.
BAD_VALUE = 2
FAILED_TO_PARSE = 9
USER_NOT_FOUND = 11
UNAUTHORIZED = 13
AUTHENTICATION_FAILED = 18
ROLE_NOT_FOUND = 31
COMMAND_NOT_FOUND = 59
INVALID_OPTIONS = 72
COMMAND_NOT_SUPPORTED = 115
UNKNOWN_FIELD = 40415
USER_EXISTS = 51003


def binary_uuid(value):
    """The UUID in a reply as it came: PyMongo 3 makes a `uuid.UUID` of it, PyMongo 4 does not."""
    return Binary(value.bytes, UUID_SUBTYPE) if isinstance(value, uuid.UUID) else value


class ServerCase(unittest.TestCase):
    """A test with a server of its own, without anybody in it."""

    arguments = ()

    def setUp(self):
        self.server = Server(*self.arguments)
        self.addCleanup(self.server.close)
        self.addCleanup(self._show_log)

    def _show_log(self):
        if not self._outcome.success:
            print(f"the server's log:\n{self.server.log()}", file=sys.stderr)

    def client(self, uri=None, **options):
        """A client that is closed at the end, not signed in if `uri` has no user."""
        options = {"serverSelectionTimeoutMS": PATIENCE_S * 1000, **options}
        client = MongoClient(uri or self.server.uri(), **options)
        self.addCleanup(client.close)
        return client

    def sign_in(self, db, user, password, **options):
        """A client whose sign-in has succeeded."""
        client = self.client(self.server.uri(user, password, db), **options)
        client.admin.command("ping")
        return client

    def assert_refused(self, db, user, password, **options):
        """The sign-in fails, with the one text for all reasons."""
        with self.assertRaises(OperationFailure) as caught:
            self.sign_in(db, user, password, **options)
        self.assertEqual(caught.exception.code, AUTHENTICATION_FAILED)
        self.assertEqual(caught.exception.details["errmsg"], "Authentication failed.")

    def assert_fails(self, code, db, *command, **arguments):
        """The command fails with the code; returns the server's text."""
        with self.assertRaises(OperationFailure) as caught:
            db.command(*command, **arguments)
        self.assertEqual(caught.exception.code, code, caught.exception.details)
        return caught.exception.details["errmsg"]


class AdminCase(ServerCase):
    """A test with a server of its own and an administrator who may do everything."""

    def setUp(self):
        super().setUp()
        self.client().admin.command("createUser", ADMIN, pwd=ADMIN_PASSWORD, roles=["root"])
        self.admin = self.client(self.server.admin_uri())
