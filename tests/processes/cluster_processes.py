"""Replicas in processes of their own on loopback, and the operator's commands on them."""

import json
import random
import socket
import subprocess
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from exchange_process import CONFIG, ExchangeProcess, wait_until

BELOW_EPHEMERAL = range(20_000, 32_000)
"""Linux gives nobody a port of these unasked: what is free here stays free until it is used."""


def free_addresses(count: int) -> list[str]:
    found: list[str] = []
    for port in random.sample(BELOW_EPHEMERAL, len(BELOW_EPHEMERAL)):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.append(f"127.0.0.1:{port}")
        if len(found) == count:
            break
    return found


def free_members(count: int) -> dict[int, str]:
    """Addresses of members 1, 2, 3, ..."""
    return dict(enumerate(free_addresses(count), 1))


def at_tcp_port(config: str) -> str:
    """FIX over TCP at a port that it has again after a restart."""
    (address,) = free_addresses(1)
    return config.replace("fix_tcp = 0", f"fix_tcp = {address.rpartition(':')[2]}")


def config_of(cluster: str, member: int, addresses: dict[int, str]) -> str:
    members = ", ".join(f'"{id} {address}"' for id, address in addresses.items())
    return f'{CONFIG}\n[cluster]\nid = "{cluster}"\nmember = {member}\nmembers = [{members}]\n'


class ClusterProcesses:
    """`members` by id. Ends with the `with` block, however that ends. wrapper: what a member is started by."""

    def __init__(
        self,
        directory: Path,
        namespaces: Mapping[int, str] | None = None,
        wrapper: Callable[[int], tuple[str, ...]] = lambda id: (),
    ) -> None:
        self._directory = directory
        self._namespaces = namespaces or {}
        self._wrapper = wrapper
        self.members: dict[int, ExchangeProcess] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for member in self.members.values():
            member.kill()
        for member in self.members.values():
            member.check_output()

    def start(self, id: int, config: str, *arguments: str) -> ExchangeProcess:
        """A replica on an empty directory; returns when it is ready."""
        made = self.members[id] = ExchangeProcess(
            self._directory / f"member{id}",
            config=config,
            namespace=self._namespaces.get(id, ""),
            wrapper=self._wrapper(id),
        )
        made.command += arguments
        return made.start()

    def begin(
        self, addresses: dict[int, str], changed: Callable[[int, str], str] = lambda id, config: config
    ) -> None:
        """A new cluster; returns when one leads it and all take input. changed: what a member's configuration is made
        of the usual one."""

        def start(id: int) -> None:
            self.start(id, changed(id, config_of("ab" * 16, id, addresses)), "--first-start")

        with ThreadPoolExecutor(len(addresses)) as pool:
            list(pool.map(start, addresses))
        self.members = dict(sorted(self.members.items()))
        wait_until(lambda: all(one.ask(command="status")["accepting"] for one in self.members.values()))

    def run(self, *arguments: str, ids: Iterable[int] = ()) -> "subprocess.CompletedProcess[str]":
        """A command that is told of these members; of all of them when none is named."""
        told = [self.members[id] for id in ids] or list(self.members.values())
        data = [text for one in told for text in ("--data", str(one.data))]
        return told[0].run(*arguments, *data)

    def succeed(self, *arguments: str, ids: Iterable[int] = ()) -> str:
        done = self.run(*arguments, ids=ids)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def fail(self, *arguments: str, ids: Iterable[int] = ()) -> str:
        """The one line that says why."""
        done = self.run(*arguments, ids=ids)
        assert done.returncode == 1, done.stdout + done.stderr
        (line,) = done.stderr.splitlines()
        return line

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.succeed("status", "--json"))
        return found

    def running(self) -> dict[int, ExchangeProcess]:
        return {id: one for id, one in self.members.items() if not one.has_ended()}

    def wait_for_one_state(self) -> dict[str, Any]:
        """Until all that run have applied the same entries: the state, which must be one. Nobody may trade."""
        found: list[dict[str, Any]] = []

        def at_one_entry() -> bool:
            status = [(one, one.ask(command="status")) for one in self.running().values()]
            if len({told["applied_index"] for _, told in status}) > 1:
                return False
            # The leader last: it stands still meanwhile, and an election makes another entry.
            status.sort(key=lambda told: told[1]["role"] == "leader")
            found[:] = [one.ask(command="state_hash") for one, _ in status]
            indices = {state.get("applied_index") for state in found}  # None: an entry is half applied
            return len(indices) == 1 and None not in indices

        wait_until(at_one_entry)
        assert len({state["state_hash"] for state in found}) == 1, found
        return found[0]

    def leader(self) -> int:
        """Waits until there is one that leads."""
        leading: list[int] = []

        def led() -> bool:
            for id, one in self.members.items():
                if not one.has_ended() and one.ask(command="status")["role"] == "leader":
                    leading.append(id)
            return bool(leading)

        wait_until(led)
        return leading[-1]
