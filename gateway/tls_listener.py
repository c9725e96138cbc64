"""Accepting TLS: handshakes, so many at a time and each for so long, before a client is a connection."""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress

RETRY_SECONDS = 0.05
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
        self._loop = asyncio.get_running_loop()
        self._accepting: asyncio.Task[None] | None = None
        self._shaking: dict[asyncio.Task[None], None] = {}  # the oldest first

    def start(self, listener: socket.socket, backlog: int) -> None:
        """listener: bound."""
        listener.listen(backlog)
        listener.setblocking(False)
        self._accepting = self._loop.create_task(self._accept(listener))

    async def _accept(self, listener: socket.socket) -> None:
        with listener:
            while True:
                try:
                    made, address = await self._loop.sock_accept(listener)
                except OSError:  # no descriptor is left
                    await asyncio.sleep(RETRY_SECONDS)
                    continue
                if not self._has_room():
                    made.close()
                    continue
                task = self._loop.create_task(self._shake(made, address[0]))
                self._shaking[task] = None
                task.add_done_callback(self._let_go)
                await asyncio.sleep(0)  # many that come at once do not hold up the loop

    def _has_room(self) -> bool:
        """For one more. The oldest goes for it: who means it has finished in moments."""
        crowded = self._crowded()
        if len(self._shaking) < self._most and not crowded:
            return True
        oldest = next(iter(self._shaking), None)
        if oldest is None:
            return False
        self._let_go(oldest)
        oldest.cancel()
        bound = "no file descriptor is left" if crowded else f"{self._most} TLS handshakes are not finished"
        self._tell("", f"{bound}, and another client came: the oldest handshake ends")
        return True

    def _let_go(self, task: asyncio.Task[None]) -> None:
        self._shaking.pop(task, None)

    async def _shake(self, made: socket.socket, address: str) -> None:
        since_ns = time.time_ns()
        try:
            async with asyncio.timeout(self._seconds):
                await self._loop.connect_accepted_socket(
                    lambda: self._session(since_ns),
                    made,
                    ssl=self._context,
                    ssl_handshake_timeout=self._seconds,
                    ssl_shutdown_timeout=SHUTDOWN_SECONDS,
                )
        except TimeoutError:
            self._tell(address, f"no TLS handshake within {self._seconds:g} s")
        except OSError as error:
            self._tell(address, f"no TLS handshake: {error or 'the connection ended'}")

    def close(self) -> None:
        """Accepts no more, and finishes nothing."""
        for task in [self._accepting, *self._shaking]:
            if task is not None:
                with suppress(RuntimeError):  # the loop has ended
                    task.cancel()
