"""What the admin socket lets an operator do to the membership, and what it refuses."""

from types import SimpleNamespace
from typing import cast

import pytest

from gateway.config import Cluster
from gateway.member_admin import CAUGHT_UP_ENTRIES, MemberAdmin, NotLeading, caught_up
from gateway.replica import Replica
from replication.membership import Member, Membership, Refused, of_one
from replication.progress import Flow, Progress

THREE = Membership(tuple(Member(id, f"127.0.0.1:{id}", voter=id < 4) for id in (1, 2, 3, 4)))


def follower(match: int, flow: Flow = Flow.REPLICATE) -> Progress:
    made = Progress(match + 1, 0)
    made.match, made.flow = match, flow
    return made


class World:
    """Member 1 of `membership`, which it leads unless somebody else does."""

    def __init__(
        self,
        membership: Membership,
        cluster: Cluster,
        *,
        leader: int = 1,
        linked: tuple[int, ...] = (),
        match: int = 9_000,
        refused: bool = False,
    ) -> None:
        self.proposed: list[Membership] = []
        self.turns = 0
        node = SimpleNamespace(
            me=1, leader=leader, role="learner", membership=membership, commit_index=9_000, last_index=10_000,
            cluster=bytes(16),
            progress={id: follower(match) for id in membership.ids - {1}},
            change=self._change, transfer=lambda to: to or 2,
        )  # fmt: skip
        replica = SimpleNamespace(node=node, linked=set(linked))
        self.admin = MemberAdmin(cast(Replica, replica), cluster, dict, lambda: refused, self._turn)

    def _change(self, changed: Membership) -> int:
        self.proposed.append(changed)
        return 77

    def _turn(self) -> None:
        self.turns += 1


def test_only_the_leader_changes_anything_and_says_who_that_is() -> None:
    world = World(THREE, Cluster(), leader=3)
    for command in (
        lambda: world.admin.transfer(2),
        lambda: world.admin.add(5, "127.0.0.1:5"),
        lambda: world.admin.promote(4),
        lambda: world.admin.may_remove(2),
        lambda: world.admin.remove(2),
    ):
        with pytest.raises(NotLeading, match="member 3 leads") as refused:
            command()
        assert refused.value.leader == 3
    with pytest.raises(NotLeading, match="no leader is known"):
        World(THREE, Cluster(), leader=0).admin.transfer(0)
    assert (world.proposed, world.turns) == ([], 0)


def test_nothing_is_handed_to_a_voter_without_a_link() -> None:
    world = World(THREE, Cluster(), linked=(3,))
    with pytest.raises(Refused, match="member 2 is not linked to member 1, which leads"):
        world.admin.transfer(2)
    assert world.turns == 0
    assert world.admin.transfer(3) == {"to": 3}


def test_a_member_is_added_as_a_learner_and_the_loop_is_told() -> None:
    world = World(THREE, Cluster())
    assert world.admin.add(5, "127.0.0.1:5") == {"index": 77}
    assert world.proposed == [THREE.add(5, "127.0.0.1:5")]
    assert not world.proposed[0].member(5).voter
    assert world.turns == 1


def test_a_single_replica_gets_its_own_address_with_the_first_that_is_added() -> None:
    with pytest.raises(Refused, match=rf'id = "{"00" * 16}", member = 1, members = \["1 HOST:PORT"\]'):
        World(of_one(), Cluster()).admin.add(2, "127.0.0.1:2")
    world = World(of_one(), Cluster(id="ab" * 16, members=("1 127.0.0.1:1",)))
    world.admin.add(2, "127.0.0.1:2")
    assert world.proposed[0].members == (Member(1, "127.0.0.1:1", True), Member(2, "127.0.0.1:2", False))


@pytest.mark.parametrize(
    "address",
    ["", "here", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "a b:1", ":1", "a..b:1", f"{'x' * 64}.org:1"],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    world = World(THREE, Cluster())
    with pytest.raises(Refused, match="HOST:PORT"):
        world.admin.add(5, address)
    assert world.proposed == []


def test_an_address_of_a_network_needs_tls() -> None:
    with pytest.raises(Refused, match="need TLS"):
        World(THREE, Cluster()).admin.add(5, "10.0.0.5:7620")
    secured = World(THREE, Cluster(certificate="c.pem", key="k.pem", authority="a.pem"))
    assert secured.admin.add(5, "10.0.0.5:7620") == {"index": 77}


def test_a_learner_is_promoted_when_it_has_caught_up() -> None:
    behind = World(THREE, Cluster(), match=10_000 - CAUGHT_UP_ENTRIES - 1)
    with pytest.raises(Refused, match="has 8,999 of 10,000 entries"):
        behind.admin.promote(4)
    with pytest.raises(Refused, match="voter already"):
        behind.admin.promote(2)
    world = World(THREE, Cluster(), match=10_000 - CAUGHT_UP_ENTRIES)
    world.admin.promote(4)
    assert world.proposed == [THREE.promote(4)]


def test_where_a_log_ends_is_not_known_while_it_is_probed() -> None:
    assert caught_up(follower(100), 100)
    assert not caught_up(follower(100, Flow.PROBE), 100)


def test_a_removal_that_leaves_too_few_who_answer_is_refused() -> None:
    world = World(THREE, Cluster(), linked=(2, 4))
    for command in (world.admin.may_remove, world.admin.remove):
        with pytest.raises(Refused, match="without member 2 the voters are 1, 3, and of these only 1"):
            command(2)
    assert world.admin.may_remove(3) == {}
    assert world.proposed == []
    world.admin.remove(3)
    world.admin.remove(4)
    assert world.proposed == [THREE.remove(3), THREE.remove(4)]


@pytest.mark.parametrize(
    ("refused", "leader", "role"),
    [(True, 0, "refused"), (False, 0, "learner"), (True, 2, "learner")],  # the last: by a member that lags
)
def test_who_is_refused_and_hears_no_leader_is_not_called_a_learner(
    refused: bool, leader: int, role: str
) -> None:
    assert World(THREE, Cluster(), leader=leader, refused=refused).admin.status()["role"] == role
