"""Three servers as a replica set over an etcd of their own, killed at the end."""

import os
import random
import signal
import socket
import subprocess
import tempfile
import urllib.request
from pathlib import Path
from urllib.parse import quote

from pymongo import MongoClient
from pymongo.errors import AutoReconnect, OperationFailure

from server import ADMIN, ADMIN_PASSWORD, PATIENCE_S, Server, wait_until

SET_NAME = "rs0"
# Longer than a machine with much to do stalls a server: a primary keeps its office.
LEASE_S = 15
# Where a primary is killed and the next one is waited for.
SHORT_LEASE_S = 3
# A server answers so that is not primary, not any more or not yet, or does not know what became of it.
NOT_NOW = {6, 91, 189, 10107, 11602}
# There is an administrator: it exists, and a stranger may not create another one.
IS_THERE = {13, 51003}
# Below what Linux gives to outgoing connections; a port is claimed at a loopback address that nothing
# else listens on (as tests/support/ports.rs does).
PORTS = (12_000, 32_000)
CLAIMS = "127.255.255.254"


class ClaimedPort:
    """A port of 127.0.0.1 that no other test is given meanwhile."""

    def __init__(self):
        while True:
            self.number = random.SystemRandom().randrange(*PORTS)
            self._claim = socket.socket()
            try:
                self._claim.bind((CLAIMS, self.number))
                self._claim.listen()
                with socket.socket() as free:
                    free.bind(("127.0.0.1", self.number))
                return
            except OSError:
                self._claim.close()

    def close(self):
        self._claim.close()


class Etcd:
    """One member of etcd."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="etcd-")
        self._ports = [ClaimedPort(), ClaimedPort()]
        client, peer = (f"http://127.0.0.1:{port.number}" for port in self._ports)
        self.endpoints = client
        machine = os.uname().machine.replace("aarch64", "arm64").replace("x86_64", "amd64")
        with (Path(self._folder.name) / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    "etcd",
                    "--name=only",
                    f"--data-dir={self._folder.name}/data",
                    f"--listen-client-urls={client}",
                    f"--advertise-client-urls={client}",
                    f"--listen-peer-urls={peer}",
                    f"--initial-advertise-peer-urls={peer}",
                    f"--initial-cluster=only={peer}",
                    "--logger=zap",
                    "--log-outputs=stderr",
                ],
                env={
                    **os.environ,
                    "ETCD_UNSUPPORTED_ARCH": machine,
                    # Tests kill processes and never the machine, which keeps what was written.
                    "ETCD_UNSAFE_NO_FSYNC": "true",
                },
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        wait_until(self._is_healthy, "etcd does not answer")

    def _is_healthy(self):
        try:
            with urllib.request.urlopen(f"{self.endpoints}/health", timeout=PATIENCE_S) as answer:
                return b'"true"' in answer.read()
        except OSError:
            return False

    def close(self):
        self._process.kill()
        self._process.wait(PATIENCE_S)
        for port in self._ports:
            port.close()
        self._folder.cleanup()


class Node(Server):
    """A server on a port that it keeps."""

    def __init__(self, port, *arguments):
        self._claimed = port
        super().__init__(*arguments, port=port.number)

    def pause(self):
        self._process.send_signal(signal.SIGSTOP)

    def resume(self):
        self._process.send_signal(signal.SIGCONT)

    def kill(self):
        """kill -9; `start` brings it back with its data."""
        self._kill()

    def start(self):
        self._start()

    @property
    def address(self):
        return ("127.0.0.1", self.port)

    def close(self):
        super().close()
        self._claimed.close()


class ReplicaSet:
    """Three nodes with an administrator; close it."""

    def __init__(self, tags=("", "", ""), lease_s=LEASE_S):
        self._etcd = Etcd()
        self.nodes = []
        # Whether a try to create the administrator may have done it.
        self._is_admin_open = False
        try:
            for of_node in tags:
                tag = [f"--replication.tags={of_node}"] if of_node else []
                self.nodes.append(
                    Node(
                        ClaimedPort(),
                        "--storageEngine=etcd",
                        f"--replSet={SET_NAME}",
                        f"--etcd.endpoints={self._etcd.endpoints}",
                        f"--etcd.leaseTtlSecs={lease_s}",
                        *tag,
                    )
                )
            self._create_admin()
        except BaseException:
            self.close()
            raise

    def _create_admin(self):
        with self._client(with_user=False) as any:
            wait_until(lambda: self._is_admin_created(any), "no administrator")
            wait_until(lambda: len(any.secondaries) == 2, "nodes are missing")

    def _client(self, with_user):
        return MongoClient(self.uri(with_user=with_user), serverSelectionTimeoutMS=PATIENCE_S * 1000)

    def _is_admin_created(self, any):
        """Tries it; false if the outcome is open, as while another one becomes primary."""
        try:
            reply = self._create_or_change_admin(any)
        except AutoReconnect:
            self._is_admin_open = True
        except OperationFailure as error:
            if error.code not in NOT_NOW:
                raise
            self._is_admin_open = True
        else:
            self._is_admin_open = "writeConcernError" in reply
        return not self._is_admin_open

    def _create_or_change_admin(self, any):
        roles = {"roles": ["root"], "writeConcern": {"w": len(self.nodes)}}
        try:
            return any.admin.command("createUser", ADMIN, pwd=ADMIN_PASSWORD, **roles)
        except OperationFailure as error:
            if error.code not in IS_THERE or not self._is_admin_open:
                raise
        # An earlier try did it; what the administrator changes now is everywhere after it.
        with self._client(with_user=True) as admin:
            return admin.admin.command("updateUser", ADMIN, **roles)

    def uri(self, options="", with_user=True):
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        login = f"{ADMIN}:{quote(ADMIN_PASSWORD)}@" if with_user else ""
        return f"mongodb://{login}{hosts}/?authSource=admin&replicaSet={SET_NAME}{options}"

    def node_at(self, address):
        """The node of `(host, port)`."""
        return next(node for node in self.nodes if node.address == address)

    def log(self):
        return "\n\n".join(node.log() for node in self.nodes)

    def close(self):
        for node in self.nodes:
            node.close()
        self._etcd.close()
