"""Accepting connections: so many at a time are made something of, and for one more the oldest of them goes."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

RETRY_SECONDS = 0.05


class Listener:
    """welcome: from accepting a connection, of an address, until it is somebody's, or ends. full: why there is no room
    for one more while so many are welcomed, for people; None: there is. tell: is told that, when one went for another.
    """

    def __init__(
        self,
        welcome: Callable[[socket.socket, str], Coroutine[Any, Any, None]],
        full: Callable[[int], str | None],
        tell: Callable[[str], None],
    ) -> None:
        self._welcome = welcome
        self._full = full
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._accepting: asyncio.Task[None] | None = None
        self._welcoming: dict[asyncio.Task[None], None] = {}  # the oldest first

    def start(self, listener: socket.socket, backlog: int) -> None:
        """listener: bound. Accepts from now on."""
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
                task = self._loop.create_task(self._welcome(made, address[0]))
                self._welcoming[task] = None
                task.add_done_callback(self._let_go)
                await asyncio.sleep(0)  # many that come at once do not hold up the loop

    def _has_room(self) -> bool:
        """The oldest goes, not the newest: who means it is welcomed within moments, and strangers who hold all places
        would keep it out."""
        why = self._full(len(self._welcoming))
        if why is None:
            return True
        oldest = next(iter(self._welcoming), None)
        if oldest is None:
            return False
        self._let_go(oldest)
        oldest.cancel()
        self._tell(why)
        return True

    def _let_go(self, task: asyncio.Task[None]) -> None:
        self._welcoming.pop(task, None)

    def close(self) -> None:
        """Accepts no more, and welcomes nobody to the end."""
        for task in [self._accepting, *self._welcoming]:
            if task is not None:
                with suppress(RuntimeError):  # the loop has ended
                    task.cancel()
