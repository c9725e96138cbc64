"""Whoever connects to a member's port and whatever is said there: it costs that connection, and members are still
taken."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop
from test_dialling import ABORTS, awaiting_two, dialled, hello_of, listening, member

from replication import peers, wire
from replication.acquaintances import Acquaintances
from replication.files import LogError
from replication.wire import REFUSED_FRAME, frame

RED = "\x1b[31m"


def live(what: Callable[[], Awaitable[None]]) -> list[Any]:
    """On the loop that servers run on. What reached its exception handler, which ends a server."""
    broken: list[Any] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: broken.append(context.get("exception") or context))
        await asyncio.wait_for(what(), 60)

    uvloop.run(run())
    return broken


async def until(true: Callable[[], bool]) -> None:
    while not true():
        await asyncio.sleep(0.01)


async def take(address: str, linked: asyncio.Event) -> None:
    """As member 2, which is taken."""
    _, writer = await dialled(address)
    writer.write(hello_of(2))
    await linked.wait()
    writer.close()


@pytest.mark.parametrize("data", [b"\xff" * 64, b"GET / HTTP/1.0\r\n\r\n", b""])
def test_who_resets_the_connection_ends_nothing_else(tmp_path: Path, data: bytes) -> None:
    async def strangers() -> None:
        listens, seen, address = awaiting_two(tmp_path / "1")
        host, _, port = address.rpartition(":")
        for _ in range(20):
            with socket.create_connection((host, int(port))) as one:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORTS)
                one.sendall(data)
            await asyncio.sleep(0.005)
        await take(address, seen.linked)
        assert all(what.startswith("somebody at 127.0.0.1 speaks nonsense") for what in seen.troubles)
        assert bool(seen.troubles) == bool(data)
        listens.close()

    assert live(strangers) == []


def test_what_was_not_thought_of_ends_the_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(body: bytes) -> None:
        raise RuntimeError("not thought of")

    async def strangers() -> None:
        listens, seen, address = awaiting_two(tmp_path / "1")
        with monkeypatch.context() as failing:
            failing.setattr(peers, "decode_hello", fail)
            reader, writer = await dialled(address)
            writer.write(hello_of(2))
            assert await reader.read() == b""
        assert seen.troubles == ["somebody at 127.0.0.1 speaks nonsense: RuntimeError('not thought of')"]
        await take(address, seen.linked)
        listens.close()

    assert live(strangers) == []


def test_what_is_wrong_with_its_own_directory_is_not_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failure = LogError("the disk is gone")

    def fail(*_: object) -> None:
        raise failure

    async def members() -> None:
        listens, _, address = awaiting_two(tmp_path / "1")
        monkeypatch.setattr(Acquaintances, "judge", fail)
        _, writer = await dialled(address)
        writer.write(hello_of(2))
        await asyncio.sleep(0.1)
        writer.close()
        listens.close()

    assert failure in live(members)


def test_a_stranger_cannot_refuse(tmp_path: Path) -> None:
    async def strangers() -> None:
        listens, seen, address = awaiting_two(tmp_path / "1")
        _, writer = await dialled(address)
        writer.write(frame(REFUSED_FRAME, f"{RED}go away".encode()))
        await seen.troubled.wait()
        assert listens.refusing == set()
        assert seen.troubles == ["somebody at 127.0.0.1 speaks nonsense: a frame out of turn"]
        writer.close()
        listens.close()

    assert live(strangers) == []


def test_what_the_other_side_says_is_shown_on_one_line_and_not_all_of_it(tmp_path: Path) -> None:
    async def refused() -> None:
        listener, address = listening()
        dialler, seen = member(tmp_path / "2", 2)
        dialler.update({1: address}, 2, newer=False, admits=False)
        taken, _ = await asyncio.get_running_loop().sock_accept(listener)
        with taken, listener:
            await asyncio.get_running_loop().sock_sendall(
                taken, frame(REFUSED_FRAME, f"{RED}no\nwhy: ö\u202e{'x' * 10_000}".encode() + b"\xff")
            )
            await seen.troubled.wait()
        assert dialler.refusing == {1}
        dialler.close()
        beginning = f"member 1 at {address} refuses this replica: \\x1b[31mno\\nwhy: ö\\u202exxx"
        assert seen.troubles[0].startswith(beginning)
        assert seen.troubles[0].endswith("xxx...")
        assert len(seen.troubles[0]) < len(beginning) + peers.SHOWN

    assert live(refused) == []


def test_who_stays_silent_is_hung_up_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "HELLO_SECONDS", 0.2)

    async def strangers() -> None:
        listens, seen, address = awaiting_two(tmp_path / "1")
        host, _, port = address.rpartition(":")
        with socket.create_connection((host, int(port))) as one:
            one.setblocking(False)
            assert await asyncio.get_running_loop().sock_recv(one, 1) == b""
        assert seen.troubles == ["somebody at 127.0.0.1 has said no hello for 0.2 s"]
        _, writer = await dialled(address)
        writer.write(hello_of(2))
        await seen.linked.wait()
        await asyncio.sleep(0.4)
        assert seen.linked.is_set()  # nobody asks it for another hello
        writer.close()
        listens.close()

    assert live(strangers) == []


def test_silent_ones_do_not_keep_a_member_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "HELLO_SECONDS", 3600)

    async def strangers() -> None:
        listens, seen, address = awaiting_two(tmp_path / "1")
        silent = [await dialled(address) for _ in range(3 * peers.UNSETTLED)]
        await until(lambda: len(ended(silent)) >= 2 * peers.UNSETTLED)
        await take(address, seen.linked)
        await until(lambda: len(ended(silent)) == 2 * peers.UNSETTLED + 1)
        assert ended(silent) == silent[: 2 * peers.UNSETTLED + 1]
        assert seen.troubles == [
            "64 accepted connections have said no hello: for each new one the oldest is closed"
        ]
        listens.close()
        await until(lambda: len(ended(silent)) == len(silent))

    def ended(silent: list[Any]) -> list[Any]:
        return [one for one in silent if one[0].at_eof()]

    assert live(strangers) == []


def test_a_long_frame_is_not_kept_for_a_stranger(tmp_path: Path) -> None:
    async def strangers() -> None:
        listens, seen, address = awaiting_two(tmp_path / "1")
        _, writer = await dialled(address)
        writer.write(frame(wire.HELLO_FRAME, bytes(1 << 20))[: 2 * peers.HELLO_BYTES])
        await seen.troubled.wait()
        assert seen.troubles[0].endswith(" bytes, and no hello")
        writer.close()
        listens.close()

    assert live(strangers) == []


def test_who_says_to_be_many_is_remembered_as_some(tmp_path: Path) -> None:
    async def strangers() -> None:
        listens, seen, address = awaiting_two(tmp_path / "1")
        for id in range(10, 10 + 2 * peers.TOLD):
            reader, writer = await dialled(address)
            writer.write(hello_of(id))
            assert b"is not of this cluster" in await reader.read()
            writer.close()
        assert len(seen.troubles) == 2 * peers.TOLD
        assert len(listens.troubles) == peers.TOLD
        listens.close()

    assert live(strangers) == []


def test_an_address_that_dns_cannot_hold_is_told_of(tmp_path: Path) -> None:
    """The log of an older program may have one."""

    async def dialling() -> None:
        listens, _, address = awaiting_two(tmp_path / "1")
        listens.update({3: ""}, 3, newer=False, admits=False)
        dialler, seen = member(tmp_path / "3", 3)
        dialler.update({1: address, 2: "a..b:7001"}, 3, newer=False, admits=False)
        await seen.linked.wait()
        await seen.troubled.wait()
        assert seen.troubles[0].startswith("member 2 at a..b:7001: that is no address (")
        dialler.close()
        listens.close()

    assert live(dialling) == []
