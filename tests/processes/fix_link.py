"""One connection to an exchange, over TCP or ZeroMQ: bytes out, whole FIX messages in."""

import re
import socket
import time

import zmq

PATIENCE_SECONDS = 200
"""For what comes for certain. It ends what hangs; it is no measure of speed, and the machine may be busy."""
MESSAGE = re.compile(rb"8=FIX\.4\.4\x019=(\d+)\x01")


class Closed(Exception):
    """The exchange closed the connection."""


class FixLink:
    """May be connected again and again. transport: "tcp" or "zmq".

    notices_end: of ZeroMQ, too, the end of the connection underneath is a Closed; otherwise it is silence.
    """

    def __init__(self, transport: str, port: int, *, notices_end: bool = False) -> None:
        self.transport = transport
        self._notices_end = notices_end
        self._monitor: zmq.Socket[bytes] | None = None
        self.port = port
        self._waiting = b""
        self._tcp: socket.socket | None = None
        self._zmq: zmq.Socket[bytes] | None = None

    def connect(self) -> None:
        """Ends the connection that there is, if any."""
        self.close()
        if self.transport == "tcp":
            self._tcp = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS)
        else:
            self._zmq = zmq.Context.instance().socket(zmq.DEALER)
            self._zmq.linger = 0
            if self._notices_end:
                self._monitor = self._zmq.get_monitor_socket(zmq.EVENT_DISCONNECTED)
            self._zmq.connect(f"tcp://127.0.0.1:{self.port}")

    def close(self) -> None:
        """Without a Logout; a ZeroMQ client is merely silent from now on."""
        if self._tcp:
            self._tcp.close()
        if self._zmq:
            if self._monitor:
                self._zmq.disable_monitor()
            self._zmq.close()
        self._tcp = self._zmq = self._monitor = None
        self._waiting = b""

    def send_bytes(self, data: bytes) -> None:
        if self._tcp:
            self._tcp.sendall(data)
        else:
            assert self._zmq
            self._zmq.send(data)

    def bye(self) -> None:
        """ZeroMQ's way to say that a connection ends."""
        self.send_bytes(b"")

    def receive_message(self, seconds: float = PATIENCE_SECONDS) -> bytes:
        """The next whole message. Raises TimeoutError, and Closed when the other side ended the connection."""
        until = time.monotonic() + seconds
        while True:
            match = MESSAGE.match(self._waiting)
            if match:
                end = match.end() + int(match[1]) + 7
                if len(self._waiting) >= end:
                    message, self._waiting = self._waiting[:end], self._waiting[end:]
                    return message
            else:
                assert len(self._waiting) < 30, self._waiting[:200]
            self._receive_bytes(until - time.monotonic())

    def _receive_bytes(self, seconds: float) -> None:
        if self._tcp:
            self._tcp.settimeout(max(seconds, 0.001))
            try:
                data = self._tcp.recv(1 << 16)
            except ConnectionError as error:
                raise Closed(str(error)) from None
        else:
            assert self._zmq
            until = time.monotonic() + seconds
            while not self._zmq.poll(min(max(int(seconds * 1000), 1), 50 if self._monitor else 1 << 30)):
                if self._monitor and self._monitor.poll(0):
                    raise Closed
                seconds = until - time.monotonic()
                if seconds <= 0:
                    raise TimeoutError
            data = self._zmq.recv()
        if not data:
            raise Closed
        self._waiting += data
