"""FIX by TCP, plain or within TLS: the acceptor, and each accepted socket's bytes and end."""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from typing import cast

from structlog.typing import FilteringBoundLogger

from gateway import descriptors
from gateway.config import Limits
from gateway.connections import Connections
from gateway.sockets import KEEPALIVE
from gateway.tls_listener import TlsListener

WRITE_BUFFER = 65_536
BACKLOG = 1_024


class TcpSession(asyncio.Protocol):
    """One accepted socket: bytes to the connections, and its end. since_ns: when it came, if that was earlier."""

    __slots__ = ("_number", "_sessions", "_since_ns")

    def __init__(self, sessions: "TcpSessions", since_ns: int = 0) -> None:
        self._sessions = sessions
        self._since_ns = since_ns
        self._number = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        tcp = cast(asyncio.Transport, transport)
        tcp.set_write_buffer_limits(high=WRITE_BUFFER)
        self._number = self._sessions.opened(tcp, self._since_ns)

    def data_received(self, data: bytes) -> None:
        self._sessions.received(self._number, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._sessions.closed(self._number)

    def resume_writing(self) -> None:
        self._sessions.schedule()


class TcpSessions:
    """schedule: a turn is due. kept: file descriptors that no client gets. New connections are refused while hardly
    another one is left; ZeroMQ lets its own wait when none is. tls: None: plain."""

    def __init__(
        self,
        connections: Connections,
        schedule: Callable[[], None],
        trace: FilteringBoundLogger,
        kept: int,
        tls: ssl.SSLContext | None,
        limits: Limits,
    ) -> None:
        self.schedule = schedule
        self._tls = tls
        self._limits = limits
        self._connections = connections
        self._trace = trace
        self._descriptors = descriptors.raise_limit()
        self._kept = kept
        self._crowded = False
        self._acceptor: asyncio.Server | TlsListener | None = None

    async def listen(self, host: str, bind: Callable[[str, Callable[[str], str]], str]) -> str:
        """The endpoint, with the scheme that tells a client what is spoken there. bind: as Sockets.bind has it."""
        listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # what it accepts inherits that
        for name, value in KEEPALIVE.items():
            listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, f"TCP_KEEP{name}"), value)
        endpoint = bind("fix_tcp", lambda address: bound(listener, address))
        if self._tls is None:
            self._acceptor = await asyncio.get_running_loop().create_server(
                lambda: TcpSession(self), sock=listener, backlog=BACKLOG
            )
            return endpoint
        limits = self._limits
        self._acceptor = TlsListener(
            self._tls,
            lambda since_ns: TcpSession(self, since_ns),
            limits.unauthenticated_seconds,
            limits.unauthenticated_connections,
            self.look_at_descriptors,
            self._no_handshake,
        )
        self._acceptor.start(listener, BACKLOG)
        return endpoint.replace("fix+tcp:", "fix+tls:")

    def _no_handshake(self, address: str, why: str) -> None:
        self._connections.tell("closed", {"transport": "tls", "address": address, "why": why})
        self.schedule()

    def opened(self, transport: asyncio.Transport, since_ns: int = 0) -> int:
        """The number of the connection; 0: it was refused."""
        self._connections.now_ns = time.time_ns()
        if self.look_at_descriptors():
            transport.abort()
            return 0
        number = self._connections.open(transport, transport.get_extra_info("socket").fileno(), since_ns)
        if not number:
            transport.abort()
        return number

    def received(self, number: int, data: bytes) -> None:
        self._connections.now_ns = time.time_ns()
        self._connections.received(number, data)
        self.schedule()

    def closed(self, number: int) -> None:
        self._connections.closed(number)
        self.schedule()

    def look_at_descriptors(self) -> bool:
        """Whether hardly one is left."""
        crowded = descriptors.crowded(self._descriptors, self._kept)
        if crowded == self._crowded:
            return crowded
        self._crowded = crowded
        if crowded:
            self._trace.warning(
                "hardly a file descriptor is left: new connections wait or are refused; raise ulimit -n",
                limit=self._descriptors,
            )
        else:
            self._trace.info("file descriptors are free again: taking new connections")
        return crowded

    def close(self) -> None:
        """Accepts no more."""
        if self._acceptor is not None:
            self._acceptor.close()


def bound(listener: socket.socket, address: str) -> str:
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    listener.bind((host.strip("[]"), int(port)))
    return f"fix+tcp://{host}:{listener.getsockname()[1]}"
