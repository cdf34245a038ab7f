"""A server of one's own for each test: a free port, a folder of its own, killed at the end."""

import os
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

ADMIN = "admin"
ADMIN_PASSWORD = "admin's secret"
PATIENCE_S = 60
# Between two looks at something that cannot be waited for.
LOOK_AGAIN_S = 0.02


def wait_until(is_so, text):
    """Looks again until it is so."""
    started = time.monotonic()
    while not is_so():
        if time.monotonic() - started > PATIENCE_S:
            raise AssertionError(text)
        time.sleep(LOOK_AGAIN_S)


class Server:
    """A running server; a context manager that kills it and removes its folder."""

    def __init__(self, *arguments, port=0):
        self._folder = tempfile.TemporaryDirectory(prefix="portcullis-")
        self._path = Path(self._folder.name)
        self._arguments = arguments
        self.port = port
        self._start()

    def _start(self):
        port_file = self._path / "port"
        port_file.unlink(missing_ok=True)
        with (self._path / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    os.environ["PORTCULLIS"],
                    f"--port={self.port}",
                    f"--portFile={port_file}",
                    f"--dbpath={self._path / 'data'}",
                    f"--unixSocketPrefix={self._path}",
                    *self._arguments,
                ],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        # The greeting is printed once the sockets are open; a server that fails closes its pipe.
        if not any("Ctrl-C" in line for line in self._process.stdout):
            log = self.log()
            self.close()
            raise AssertionError(f"the server did not start: {log}")
        self.port = int(port_file.read_text())

    def restart(self, *arguments):
        """Kills the server as kill -9 does and starts it again, on the same port.

        `arguments` come after those it had before.
        """
        self._arguments += arguments
        self._kill()
        self._start()

    def log(self):
        return (self._path / "log").read_text()

    def path(self, name):
        """Where a test may keep something of its own until the end."""
        return str(self._path / name)

    def uri(self, user=None, password=None, db="", host=None):
        """A connection string, with or without a user of the database `db`."""
        login = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user else ""
        return f"mongodb://{login}{host or f'127.0.0.1:{self.port}'}/{db}"

    def unix_uri(self, *login):
        return self.uri(*login, host=quote(f"{self._path}/mongodb-{self.port}.sock", safe=""))

    def admin_uri(self):
        return self.uri(ADMIN, ADMIN_PASSWORD, "admin")

    def _kill(self):
        self._process.kill()
        self._process.wait(PATIENCE_S)
        self._process.stdout.close()

    def close(self):
        self._kill()
        self._folder.cleanup()
