"""How a member dials another whose process is dying, beginning, or not of its cluster."""

import asyncio
import socket
import struct
from pathlib import Path

import pytest

from replication import peers
from replication.acquaintances import Acquaintances
from replication.disk import RealDisk
from replication.messages import Message
from replication.peers import Peers
from replication.wire import Hello

CLUSTER = bytes(16)
ABORTS = struct.pack("ii", 1, 0)  # SO_LINGER: a close is a reset


class Seen:
    """What the links of a member say."""

    def __init__(self) -> None:
        self.linked = asyncio.Event()
        self.troubles: list[str] = []
        self.troubled = asyncio.Event()

    def opened(self, peer: int) -> None:
        self.linked.set()

    def closed(self, peer: int) -> None:
        self.linked.clear()

    def message(self, message: Message) -> None: ...

    def inputs(self, peer: int, payload: bytes) -> None: ...

    def received(self) -> None: ...

    def refusal(self, peer: int, program: int) -> str | None:
        return None

    def trouble(self, peer: int, what: str) -> None:
        self.troubles.append(what)
        self.troubled.set()


def member(path: Path, id: int) -> tuple[Peers, Seen]:
    path.mkdir()
    disk = RealDisk(str(path))
    met, run = Acquaintances(disk), disk.unique()
    met.begin(run)

    def hello(to: int) -> Hello:
        return Hello(CLUSTER, id, to, bytes([id]) * 16, 1, run, met.runs)

    seen = Seen()
    return Peers(id, seen, hello, met, None), seen


def listening() -> tuple[socket.socket, str]:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    return listener, f"127.0.0.1:{listener.getsockname()[1]}"


async def take_and_reset(listener: socket.socket, times: int) -> None:
    """As the kernel does with what a killed process has not accepted."""
    for _ in range(times):
        taken, _ = await asyncio.get_running_loop().sock_accept(listener)
        await asyncio.sleep(0.1)  # longer than the first look at a link
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORTS)
        taken.close()


def test_a_dying_process_that_takes_a_connection_delays_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next attempt does not wait for a hello that cannot come any more, and nobody is told of a passing thing."""
    monkeypatch.setattr(peers, "HELLO_SECONDS", 3600)
    monkeypatch.setattr(peers, "REFUSED_SECONDS", 3600)

    async def live() -> None:
        listener, address = listening()
        dialler, seen = member(tmp_path / "2", 2)
        dialler.update({1: address}, None, admits=False)
        await take_and_reset(listener, 3)
        dialled, there = member(tmp_path / "1", 1)
        dialled.update({2: ""}, None, admits=False)
        dialled.listen(listener)
        await seen.linked.wait()
        await there.linked.wait()
        assert seen.troubles == []
        dialler.close()
        dialled.close()

    asyncio.run(asyncio.wait_for(live(), 60))


def test_who_never_says_hello_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "REFUSED_SECONDS", 0.2)

    async def live() -> None:
        listener, address = listening()
        dialler, seen = member(tmp_path / "2", 2)
        dialler.update({1: address}, None, admits=False)
        resetting = asyncio.create_task(take_and_reset(listener, 1_000))
        await seen.troubled.wait()
        resetting.cancel()
        dialler.close()
        listener.close()
        (said,) = seen.troubles
        assert said.startswith(f"member 1 at {address} says no hello (")

    asyncio.run(asyncio.wait_for(live(), 60))
