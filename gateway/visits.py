"""Sockets that are served some at a time: as long as more may wait, one visit an iteration of the loop."""

import asyncio
from collections.abc import Callable


class Visits:
    """until: nobody is visited when it is done."""

    def __init__(self, loop: asyncio.AbstractEventLoop, until: asyncio.Future[None]) -> None:
        self._loop = loop
        self._until = until
        self._coming: set[Callable[[], bool]] = set()

    def visit(self, take: Callable[[], bool]) -> None:
        """take: serves some of what came; True: more may wait."""
        if take not in self._coming:
            self._now(take)

    def _now(self, take: Callable[[], bool]) -> None:
        self._coming.discard(take)
        if not self._until.done() and take():
            self._coming.add(take)
            self._loop.call_soon(self._now, take)
