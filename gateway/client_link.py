"""The client's connections: FIX over ZeroMQ (DEALER) and over TCP, plain or within TLS, behind one small interface.

Endpoints: `fix+tcp://host:port` is plain FIX, `fix+tls://host:port` within TLS; `zmq+tcp://host:port` and
`ipc://path` are ZeroMQ; for `tcp://host:port` and `host:port` the client looks which of the two answers there: a
ZeroMQ port greets whoever connects, a FIX port waits for a Logon.
"""

import errno
import select
import socket
import ssl
import time
from collections import deque
from typing import Protocol
from urllib.parse import urlsplit

import zmq
from zmq.utils.monitor import recv_monitor_message

from gateway.protection import UNPROTECTED, Curve, Protection

GREETING_SECONDS = 1.0  # a busy machine greets late; who names the scheme does not wait
READ_BYTES = 262_144
FRAMES_PER_PUMP = 256
RECORDS_PER_READ = 16  # of TLS, each at most 16 KiB
NOT_NOW = (ssl.SSLWantReadError, ssl.SSLWantWriteError)


class ConnectError(ConnectionError):
    """Nothing that speaks FIX answers at the endpoint."""


class Link(Protocol):
    """One connection. Never blocks except in `pump`, and there at most `timeout` seconds."""

    closed: bool
    endpoint: str
    """Where it leads, with the scheme that says what is spoken there."""

    def write(self, frames: list[bytes]) -> None:
        """Send as soon as there is room; each frame holds whole messages."""

    def pump(self, timeout: float) -> list[bytes]:
        """Send what waits, then wait until something comes: what came. `closed`: the other side is gone."""

    def fileno(self) -> int:
        """What an event loop watches for reading."""

    @property
    def waiting(self) -> bool:
        """Whether something could not be sent yet."""

    def close(self) -> None:
        """Close at once."""


class TcpLink:
    """FIX messages end to end on one TCP connection."""

    def __init__(self, connection: socket.socket, endpoint: str) -> None:
        self.endpoint = endpoint
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.closed = False
        self._socket = connection
        self._pending = bytearray()
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)

    def write(self, frames: list[bytes]) -> None:
        if not self.closed and frames:
            data = frames[0] if len(frames) == 1 else b"".join(frames)
            if self._pending:
                self._pending += data
            else:
                sent = self._send(data)
                if sent < len(data):
                    self._pending += data[sent:]

    def _send(self, data: bytes | bytearray) -> int:
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            self.closed = True
            return len(data)

    def pump(self, timeout: float) -> list[bytes]:
        if self.closed:
            return []
        events = select.POLLIN | select.POLLOUT if self._pending else select.POLLIN
        self._poll.modify(self._socket, events)
        ready = self._poll.poll(max(timeout, 0) * 1000)
        if not ready:
            return []
        if self._pending and ready[0][1] & select.POLLOUT:
            del self._pending[: self._send(self._pending)]
        try:
            data = self._receive()
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        if not data:
            self.closed = True
            return []
        return [data]

    def _receive(self) -> bytes:
        """What is there; empty: the end. Raises OSError."""
        return self._socket.recv(READ_BYTES)

    def fileno(self) -> int:
        return self._socket.fileno()

    @property
    def waiting(self) -> bool:
        return bool(self._pending)

    def close(self) -> None:
        self.closed = True
        self._socket.close()


class TlsLink(TcpLink):
    """The same within TLS, whose handshake is done."""

    def _send(self, data: bytes | bytearray) -> int:
        try:
            return self._socket.send(data)
        except NOT_NOW:
            return 0
        except OSError:
            self.closed = True
            return len(data)

    def _receive(self) -> bytes:
        """Whole records: what was decrypted and left would be seen by no poll."""
        records: list[bytes] = []
        while len(records) < RECORDS_PER_READ:
            try:
                record = self._socket.recv(READ_BYTES)
            except NOT_NOW:
                if not records:
                    raise BlockingIOError from None
                break
            if not record:
                break
            records.append(record)
        return b"".join(records)


class ZmqLink:
    """FIX messages in ZeroMQ frames; an empty frame is goodbye, both ways."""

    def __init__(self, endpoint: str, curve: Curve | None = None) -> None:
        self.closed = False
        self.endpoint = endpoint if endpoint.startswith("ipc:") else f"zmq+{endpoint}"
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 200)
        self._socket.setsockopt(zmq.SNDHWM, 10_000)
        self._socket.setsockopt(zmq.RCVHWM, 100_000)
        self._monitor: zmq.Socket[bytes] | None = self._socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        if curve is not None:
            curve.protect(self._socket)
        self._socket.connect(endpoint)
        self._pending: deque[bytes] = deque()

    def write(self, frames: list[bytes]) -> None:
        self._pending.extend(frames)
        self._flush()

    def _flush(self) -> None:
        while self._pending and not self.closed:
            try:
                self._socket.send(self._pending[0], zmq.NOBLOCK)
            except zmq.Again:
                return
            self._pending.popleft()

    def pump(self, timeout: float) -> list[bytes]:
        frames: list[bytes] = []
        if self.closed:
            return frames
        self._flush()
        if timeout > 0 and not self._wait(timeout):
            return frames
        for _ in range(FRAMES_PER_PUMP):
            try:
                frame = self._socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                break
            if not frame:
                self.closed = True
                break
            frames.append(frame)
        if self._pending:
            self._flush()
        if not frames:
            self._look()
        return frames

    def _wait(self, timeout: float) -> bool:
        """Wait for something to read; now and then see whether the other side is gone."""
        end = time.monotonic() + timeout
        events = zmq.POLLIN | zmq.POLLOUT if self._pending else zmq.POLLIN
        while True:
            left = end - time.monotonic()
            if self._socket.poll(int(min(max(left, 0.001) * 1000, 50)), events):
                return True
            self._look()
            if self.closed or left <= 0:
                return False

    def _look(self) -> None:
        if self._monitor is not None and self._monitor.poll(0):
            recv_monitor_message(self._monitor)
            self.closed = True

    def fileno(self) -> int:
        return int(self._socket.getsockopt(zmq.FD))

    @property
    def waiting(self) -> bool:
        return bool(self._pending)

    def close(self) -> None:
        if not self._socket.closed:
            if not self.closed:
                self._pending.append(b"")
                self._flush()
            self.closed = True
            if self._monitor is not None:
                self._socket.disable_monitor()
                self._monitor = None
            self._socket.close()


def address(endpoint: str) -> tuple[str, str, int]:
    """(scheme, host, port) of an endpoint; TypeError and ValueError say what is allowed."""
    if not isinstance(endpoint, str):
        raise TypeError(f"endpoint is {endpoint!r}; it is text such as tcp://127.0.0.1:7610")
    parts = urlsplit(endpoint if "://" in endpoint else f"tcp://{endpoint}")
    allowed = "fix+tcp://host:port, fix+tls://host:port, zmq+tcp://host:port, tcp://host:port, host:port or ipc://path"
    try:
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"endpoint {endpoint!r}: {error}; allowed: {allowed}") from None
    if parts.scheme == "ipc":
        return "ipc", parts.netloc + parts.path, 0
    if parts.scheme not in ("tcp", "fix+tcp", "fix+tls", "zmq+tcp") or not host or not port:
        raise ValueError(f"endpoint {endpoint!r} is not one of {allowed}")
    return parts.scheme, host, port


def open_link(endpoint: str, timeout: float = 5.0, protection: Protection = UNPROTECTED) -> Link:
    """Connect. ConnectError when nothing listens there, or it is not who it should be; ValueError when the endpoint is
    malformed."""
    scheme, host, port = address(endpoint)
    if scheme == "ipc":
        try:
            return ZmqLink(endpoint, protection.curve)
        except zmq.ZMQError as error:
            raise ConnectError(f"no exchange answers at {endpoint} ({error})") from None
    try:
        connection = socket.create_connection((host, port), timeout)
    except OSError as error:
        why = (errno.errorcode.get(error.errno or 0, "") and error.strerror) or str(error)
        raise ConnectError(f"no exchange answers at {endpoint} ({why})") from None
    if scheme == "zmq+tcp" or (scheme == "tcp" and _greets(connection)):
        connection.close()
        return ZmqLink(f"tcp://{host}:{port}", protection.curve)
    if scheme == "fix+tls" or protection.tls is not None:
        return shake_hands(connection, host, port, protection.context())
    return TcpLink(connection, f"fix+tcp://{host}:{port}")


def shake_hands(connection: socket.socket, host: str, port: int, context: ssl.SSLContext) -> TlsLink:
    """A link within TLS over a connection, which has a time-out. ConnectError says what is wrong there."""
    endpoint = f"fix+tls://{host}:{port}"
    try:
        return TlsLink(context.wrap_socket(connection, server_hostname=host), endpoint)
    except ssl.SSLCertVerificationError as error:
        why = f"its certificate is not trusted: {error.verify_message}"
    except TimeoutError:
        why = "no TLS handshake came: does it speak TLS?"
    except OSError as error:
        why = f"no TLS handshake: {error.strerror or error}"
    connection.close()
    raise ConnectError(f"{endpoint}: {why}")


def _greets(connection: socket.socket) -> bool:
    """Whether the other side speaks first, as ZeroMQ does (its greeting begins with FF)."""
    readable, _, _ = select.select([connection], [], [], GREETING_SECONDS)
    return bool(readable) and connection.recv(1, socket.MSG_PEEK) == b"\xff"
