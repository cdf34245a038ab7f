"""A relay between a client and the server that notes the operation of each message it passes on."""

import socket
import struct
import threading

OP_REPLY = 1
OP_QUERY = 2004
OP_COMPRESSED = 2012
OP_MSG = 2013
COMPRESSORS = {0: "noop", 1: "snappy", 2: "zlib", 3: "zstd"}
HEADER_BYTES = 16


class Tap:
    """A context manager; connect to `port` instead of the server's."""

    def __init__(self, server_port):
        self._server_port = server_port
        self._lock = threading.Lock()
        self._seen = {"to server": [], "to client": []}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._listener.close()

    def operations(self, direction):
        """The operations seen so far: numbers, or the compressor's name for compressed ones."""
        with self._lock:
            return list(self._seen[direction])

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            server = socket.create_connection(("127.0.0.1", self._server_port))
            for source, sink, direction in (
                (client, server, "to server"),
                (server, client, "to client"),
            ):
                relay = (source, sink, direction)
                threading.Thread(target=self._relay, args=relay, daemon=True).start()

    def _relay(self, source, sink, direction):
        with source, sink:
            try:
                with source.makefile("rb") as stream:
                    while header := stream.read(HEADER_BYTES):
                        length, _, _, operation = struct.unpack("<iiii", header)
                        body = stream.read(length - HEADER_BYTES)
                        if operation == OP_COMPRESSED:
                            operation = COMPRESSORS[body[8]]
                        with self._lock:
                            self._seen[direction].append(operation)
                        sink.sendall(header + body)
                sink.shutdown(socket.SHUT_RDWR)
            except (OSError, struct.error):  # either side is gone
                pass
