"""What a member says of itself to the others."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.config import Cluster, ConfigError
from gateway.exchange import Exchange
from gateway.member_links import MemberLinks, tls_contexts
from replication.acquaintances import Acquaintances
from replication.disk import RealDisk
from replication.impossible import Impossible
from replication.membership import Member, Membership
from replication.peers import Peers
from replication.wire import Garbled


def test_the_run_is_in_the_directory_before_anybody_is_greeted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[tuple[bytes, ...]] = []
    disk = RealDisk(str(tmp_path))

    def listen(peers: Peers, listener: Any) -> None:
        with listener:
            hello = peers.hello(2)
        kept.append(Acquaintances(disk).runs)
        assert hello.runs == kept[-1]
        assert hello.runs[-1] == hello.run
        assert hello.program == 7  # how far its rules go

    monkeypatch.setattr(Peers, "listen", listen)
    node: Any = SimpleNamespace(
        cluster=bytes(16),
        directory=bytes(16),
        starts=1,
        membership=Membership(()),
        possible_members={},
        leader=0,
    )
    cluster = Cluster(id="ab" * 16, members=("1 127.0.0.1:0",))

    async def start() -> None:
        unused: Any = None
        replica: Any = SimpleNamespace(exchange=Exchange(7))
        MemberLinks(cluster, disk, node, unused, unused, unused).listen(replica)

    for _ in range(2):
        asyncio.run(start())
    first, second = kept
    assert second[:-1] == first
    assert len(set(second)) == 2


def test_a_member_that_was_added_at_another_address_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(Peers, "listen", lambda peers, listener: listener.close())
    node: Any = SimpleNamespace(
        cluster=bytes(16),
        directory=bytes(16),
        starts=1,
        membership=Membership(()),
        possible_members={},
        leader=0,
    )
    cluster = Cluster(id="ab" * 16, member=4, members=("4 127.0.0.1:0",))

    async def start() -> None:
        telling: Any = SimpleNamespace(trouble=lambda peer, what: said.append(what))
        replica: Any = SimpleNamespace(exchange=Exchange(7))
        unused: Any = None
        links = MemberLinks(cluster, RealDisk(str(tmp_path)), node, telling, unused, unused)
        links.listen(replica)
        assert said == []
        node.membership = Membership((Member(4, "127.0.0.1:7645", voter=False),))
        node.possible_members = {4: "127.0.0.1:7645"}
        for node.leader in (0, 4):
            links.update()

    asyncio.run(start())
    (what,) = said
    assert what.startswith(
        "member 4 was added at 127.0.0.1:7645, where the others look for it, and listens at "
    )


def test_what_the_replica_raises_is_not_the_fault_of_a_link(tmp_path: Path) -> None:
    """A link ends for what came by it, the server for what is wrong here."""

    class Failing:
        raised: Exception = ValueError()

        def _fail(self, *_: object) -> None:
            raise self.raised

        opened = closed = message = forwarded = relay = _fail

    failed: list[Exception] = []
    cluster = Cluster(id="ab" * 16, members=("1 127.0.0.1:0",))
    telling: Any = SimpleNamespace(linked=lambda peer: None, link_closed=lambda peer: None)
    node: Any = SimpleNamespace()

    async def start() -> None:
        links = MemberLinks(cluster, RealDisk(str(tmp_path)), node, telling, lambda: None, failed.append)
        replica: Any = Failing()
        links._replica = replica
        message: Any = None
        replica.raised = RuntimeError("broken")
        links.opened(2)
        links.closed(2)
        links.message(message)
        links.inputs(2, b"")
        links.received()
        assert failed == [replica.raised] * 5
        replica.raised = Impossible("what no member says")
        with pytest.raises(Impossible):
            links.message(message)
        replica.raised = ValueError("no input")
        with pytest.raises(Garbled, match="no input"):
            links.inputs(2, b"")
        assert len(failed) == 5

    asyncio.run(start())


@pytest.mark.parametrize("missing", ["certificate", "key", "authority"])
def test_a_file_for_tls_that_is_missing_is_named(tmp_path: Path, missing: str) -> None:
    files = {name: str(tmp_path / name) for name in ("certificate", "key", "authority")}
    for name in files.keys() - {missing}:
        Path(files[name]).touch()
    with pytest.raises(ConfigError, match=rf"cluster\.{missing}: {files[missing]}: No such file"):
        tls_contexts(Cluster(**files))
