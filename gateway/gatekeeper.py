"""The gate of a server: who may come in by its configuration, and threads that compare passwords.

A hash is slow on purpose; the loop does not wait for it, and no other session either.
"""

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from gateway.admission import AT_ONCE, Admission
from gateway.attempts import Attempts
from gateway.clients import Clients
from gateway.config import Config, ConfigError
from gateway.connections import Connections
from gateway.passwords import NotInstalled, check_installed, matches

LATER = 10  # steps of priority: a hash takes the time that orders leave
LAST = 19
SECOND_NS = 1_000_000_000


def check_library(config: Config) -> None:
    """Raises ConfigError when there are passwords and nothing to compare them with."""
    if Clients(config.clients).stand_in:
        try:
            check_installed()
        except NotInstalled as error:
            raise ConfigError(f"clients: password_hash: {error}") from None


class Gatekeeper:
    """told: called on the loop after each verdict."""

    def __init__(self, config: Config, connections: Connections, told: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._told = told
        self._pool = ThreadPoolExecutor(AT_ONCE, "password", initializer=be_patient)
        clients, limits = Clients(config.clients), config.limits
        attempts = Attempts(
            limits.connections_per_address, limits.connections_on_loopback, limits.logon_failures_per_minute
        )
        connections.gate = Admission(clients, attempts, self._compare, time.monotonic, connections)
        connections.own_tags = config.fix.own_tags
        connections.own_tags_of = clients.own_tags
        connections.guarded = clients.stand_in != ""
        connections.logon_ns = limits.unauthenticated_seconds * SECOND_NS
        connections.most_strangers = limits.unauthenticated_connections

    def _compare(self, password_hash: str, password: bytes, tell: Callable[[bool], None]) -> None:
        def compared(done: "Future[bool]") -> None:
            if not done.cancelled():
                self._loop.call_soon_threadsafe(heard, done)

        def heard(done: "Future[bool]") -> None:
            tell(done.result())
            self._told()

        self._pool.submit(matches, password_hash, password).add_done_callback(compared)

    def close(self) -> None:
        """What is being compared is compared to its end; nobody hears of it."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def be_patient() -> None:
    """This thread comes after the loop's, also where that runs at real-time or at a low priority."""
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    os.setpriority(os.PRIO_PROCESS, 0, min(os.getpriority(os.PRIO_PROCESS, 0) + LATER, LAST))
