"""Links over real sockets: dialling a process that is dying or beginning, a second link, neighbouring versions."""

import asyncio
import socket
import struct
from pathlib import Path

import pytest

from replication import peers
from replication.acquaintances import Acquaintances
from replication.disk import RealDisk
from replication.messages import Kind, Message
from replication.peers import Peers
from replication.wire import OLDEST, VERSION, Hello, encode_hello, encode_message

CLUSTER = bytes(16)
ABORTS = struct.pack("ii", 1, 0)  # SO_LINGER: a close is a reset


class Seen:
    """What the links of a member say."""

    def __init__(self) -> None:
        self.linked = asyncio.Event()
        self.troubles: list[str] = []
        self.troubled = asyncio.Event()
        self.heard: list[str] = []

    def opened(self, peer: int) -> None:
        self.heard.append(f"{peer} opened")
        self.linked.set()

    def closed(self, peer: int) -> None:
        self.heard.append(f"{peer} closed")
        self.linked.clear()

    def message(self, message: Message) -> None:
        self.heard.append(f"{message.kind.name} {message.index}")

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


def hello_of(id: int, **more: int) -> bytes:
    """To member 1, of a directory and a run that are as old as it."""
    run = bytes([id]) * 16
    return encode_hello(Hello(CLUSTER, id, 1, run, 1, run, (run,), **more))


async def dialled(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host, int(port))


def listening() -> tuple[socket.socket, str]:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    return listener, f"127.0.0.1:{listener.getsockname()[1]}"


def awaiting_two(path: Path) -> tuple[Peers, Seen, str]:
    """Member 1, which listens at an address that member 2 may dial."""
    listener, address = listening()
    listens, seen = member(path, 1)
    listens.update({2: ""}, 2, newer=False, admits=False)
    listens.listen(listener)
    return listens, seen, address


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
        dialler.update({1: address}, 2, newer=False, admits=False)
        await take_and_reset(listener, 3)
        listens, there = member(tmp_path / "1", 1)
        listens.update({2: ""}, 2, newer=False, admits=False)
        listens.listen(listener)
        await seen.linked.wait()
        await there.linked.wait()
        assert seen.troubles == []
        dialler.close()
        listens.close()

    asyncio.run(asyncio.wait_for(live(), 60))


def test_who_never_says_hello_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "REFUSED_SECONDS", 0.2)

    async def live() -> None:
        listener, address = listening()
        dialler, seen = member(tmp_path / "2", 2)
        dialler.update({1: address}, 2, newer=False, admits=False)
        resetting = asyncio.create_task(take_and_reset(listener, 1_000))
        await seen.troubled.wait()
        resetting.cancel()
        dialler.close()
        listener.close()
        (said,) = seen.troubles
        assert said.startswith(f"member 1 at {address} says no hello (")

    asyncio.run(asyncio.wait_for(live(), 60))


def test_a_new_link_ends_the_old_one_before_it_begins(tmp_path: Path) -> None:
    """What a member said over the old link counts no more: a leader has let go of it (repair.py)."""

    async def live() -> None:
        listens, seen, address = awaiting_two(tmp_path / "1")
        _, old = await dialled(address)
        old.write(hello_of(2))
        await seen.linked.wait()
        answer = Message(Kind.APPEND_ANSWER, 2, 1, 1, index=7)
        old.write(encode_message(answer._replace(index=6)))
        new_reader, new = await dialled(address)
        new.write(hello_of(2))
        await new_reader.readexactly(1)  # the answer to its hello: it is ready there
        old.write(encode_message(answer))
        new.write(encode_message(answer._replace(index=8)))
        while "APPEND_ANSWER 8" not in seen.heard:
            await asyncio.sleep(0.01)
        heard = [what for what in seen.heard if what != "APPEND_ANSWER 6"]
        assert heard == ["2 opened", "2 closed", "2 opened", "APPEND_ANSWER 8"]
        old.close()
        new.close()
        listens.close()

    asyncio.run(asyncio.wait_for(live(), 60))


@pytest.mark.parametrize(
    ("version", "oldest", "taken"),
    [
        (VERSION, OLDEST, True),
        (VERSION - 1, OLDEST, True),
        (VERSION + 1, VERSION, True),
        (VERSION + 2, VERSION + 1, False),
    ],
)
def test_neighbouring_versions_of_the_link_form_a_cluster(
    tmp_path: Path, version: int, oldest: int, taken: bool
) -> None:
    async def live() -> None:
        listens, seen, address = awaiting_two(tmp_path / "1")
        _, writer = await dialled(address)
        writer.write(hello_of(2, version=version, oldest=oldest))
        await (seen.linked if taken else seen.troubled).wait()
        assert seen.linked.is_set() == taken
        if not taken:
            assert f"it speaks versions {oldest} to {version} of the link protocol" in seen.troubles[0]
        writer.close()
        listens.close()

    asyncio.run(asyncio.wait_for(live(), 60))


def test_a_member_that_does_not_read_loses_its_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "WAITING_BYTES", 1 << 20)

    async def live() -> None:
        listens, seen, address = awaiting_two(tmp_path / "1")
        _, writer = await dialled(address)
        writer.write(hello_of(2))
        await seen.linked.wait()
        while not seen.troubles:
            listens.forward(2, bytes(1 << 20))
            await asyncio.sleep(0)
        assert "member 2 does not read what it is sent" in seen.troubles[0]
        while seen.linked.is_set():
            await asyncio.sleep(0.01)
        writer.close()
        listens.close()

    asyncio.run(asyncio.wait_for(live(), 60))


@pytest.mark.parametrize(
    ("stranger", "why"),
    [
        (3, "member 3 was removed from this cluster: stop it for good"),
        (4, "member 4 is not of this cluster; it has to be added first: quorumbook add 4 "),
    ],
)
def test_who_was_removed_is_told_another_thing_than_who_was_never_added(
    tmp_path: Path, stranger: int, why: str
) -> None:
    async def live() -> None:
        listens, seen, address = awaiting_two(tmp_path / "1")
        listens.update({2: ""}, 3, newer=False, admits=False)
        reader, writer = await dialled(address)
        writer.write(hello_of(stranger))
        assert why.encode() in await reader.read()
        assert why in seen.troubles[0]
        writer.close()
        listens.close()

    asyncio.run(asyncio.wait_for(live(), 60))


def test_what_is_not_met_again_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "REFUSED_SECONDS", 0.1)
    monkeypatch.setattr(peers, "TOLD_SECONDS", 1)

    async def live() -> None:
        listens, _, address = awaiting_two(tmp_path / "1")
        listens.update({}, 2, newer=False, admits=False)
        dialler, seen = member(tmp_path / "2", 2)
        dialler.update({1: address}, 2, newer=False, admits=False)
        await seen.troubled.wait()
        assert listens.troubles.keys() == {2}
        now = asyncio.get_running_loop().time
        until = now() + 1.5
        while now() < until:  # tried again, it goes on
            assert (dialler.refusing, listens.troubles.keys()) == ({1}, {2})
            await asyncio.sleep(0.05)
        listens.close()
        dialler.close()
        await asyncio.sleep(1.1)
        assert (dialler.refusing, dialler.troubles, listens.troubles) == (set(), {}, {})

    asyncio.run(asyncio.wait_for(live(), 60))


def test_who_was_hung_up_on_and_dials_nobody_does_not_forget_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Member 2 does not dial the one that it removed, and would never say it again."""
    monkeypatch.setattr(peers, "TOLD_SECONDS", 0)

    async def live() -> None:
        listens, seen, address = awaiting_two(tmp_path / "1")
        dialler, _ = member(tmp_path / "2", 2)
        dialler.update({1: address}, 2, newer=False, admits=False)
        await seen.linked.wait()
        dialler.update({}, 2, newer=False, admits=False)
        await seen.troubled.wait()
        while seen.linked.is_set():
            await asyncio.sleep(0.01)
        assert listens.refusing == {2}
        assert "member 1 was removed from this cluster" in listens.troubles[2]
        listens.close()
        dialler.close()

    asyncio.run(asyncio.wait_for(live(), 60))


def test_who_is_refused_knows_by_whom_until_it_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "REFUSED_SECONDS", 0.1)

    async def live() -> None:
        listens, _, address = awaiting_two(tmp_path / "1")
        listens.update({}, 0, newer=False, admits=False)
        dialler, seen = member(tmp_path / "2", 2)
        dialler.update({1: address}, 2, newer=False, admits=False)
        await seen.troubled.wait()
        assert dialler.refusing == {1}
        listens.update({2: ""}, 2, newer=False, admits=False)
        await seen.linked.wait()
        assert dialler.refusing == set()
        listens.close()
        while seen.linked.is_set():
            await asyncio.sleep(0.01)
        assert dialler.refusing == set()
        dialler.close()

    asyncio.run(asyncio.wait_for(live(), 60))


def test_what_the_other_machine_does_not_acknowledge_ends_a_link(tmp_path: Path) -> None:
    """At both ends: TCP by itself would send again for a quarter of an hour."""

    async def live() -> None:
        listens, seen, address = awaiting_two(tmp_path / "1")
        dialler, there = member(tmp_path / "2", 2)
        dialler.update({1: address}, 2, newer=False, admits=False)
        await seen.linked.wait()
        await there.linked.wait()
        for links in (listens, dialler):
            (link,) = links._links.values()
            made = link.transport.get_extra_info("socket")
            assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == peers.DEAD_MS == 2_000
            assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 1
        dialler.close()
        listens.close()

    asyncio.run(asyncio.wait_for(live(), 60))
