"""Accepting TLS: handshakes, so many at a time and each for so long, before a client is a connection."""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable

from replication.listener import Listener

SHUTDOWN_SECONDS = 2.0  # for the other side to say that it has heard the end


class TlsListener:
    """session: makes the protocol of a client that came at a time. crowded: whether hardly a file descriptor is left.
    tell: for the trace."""

    def __init__(
        self,
        context: ssl.SSLContext,
        session: Callable[[int], asyncio.Protocol],
        seconds: float,
        most: int,
        crowded: Callable[[], bool],
        tell: Callable[[str, str], None],
    ) -> None:
        self._context = context
        self._session = session
        self._seconds = seconds
        self._most = most
        self._crowded = crowded
        self._tell = tell
        self._listener = Listener(self._shake, self._full, lambda why: tell("", why))

    def start(self, listener: socket.socket, backlog: int) -> None:
        """listener: bound."""
        self._listener.start(listener, backlog)

    def _full(self, shaking: int) -> str | None:
        if self._crowded():
            bound = "no file descriptor is left"
        elif shaking >= self._most:
            bound = f"{self._most} TLS handshakes are not finished"
        else:
            return None
        return f"{bound}, and another client came: the oldest handshake ends"

    async def _shake(self, made: socket.socket, address: str) -> None:
        since_ns = time.time_ns()
        try:
            async with asyncio.timeout(self._seconds):
                await asyncio.get_running_loop().connect_accepted_socket(
                    lambda: self._session(since_ns),
                    made,
                    ssl=self._context,
                    ssl_handshake_timeout=self._seconds,
                    ssl_shutdown_timeout=SHUTDOWN_SECONDS,
                )
        except TimeoutError:
            self._tell(address, f"no TLS handshake within {self._seconds:g} s")
        except OSError as error:
            self._tell(address, f"no TLS handshake: {str(error) or 'the connection ended'}")

    def close(self) -> None:
        """Accepts no more, and finishes nothing."""
        self._listener.close()
