"""What goes wrong in a simulated cluster, and how much of it may.

The budget: every committed entry keeps one intact copy in every majority that can form. So one machine at a time has
lost what was durable on its disk, until it has everything again; or two of three have lost an entry each, and know how
far their logs went, and the third has everything. Meanwhile no other loses power, because whoever finds a torn end of
its log cannot know that nobody was promised it. What leaves no trace is lost only where all others have everything. No
more than a minority of the voters is down or gone, by any membership that may yet be in force; or all lose power, which
takes only what no sync had completed, and when none is gone. Machines that never come back are a minority, and what
they had is elsewhere, too. Everything else has no limit: messages, links, clocks, machines that are slow or stand
still, disks without room.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from cluster_damage import (
    lose_a_file,
    lose_the_tail,
    turn_a_bit_over,
    turn_a_bit_over_in,
    turn_a_bit_over_in_state,
)
from cluster_fix import MS, SECOND
from cluster_host import Host
from cluster_plots import (
    ask_for_another_vote,
    bring_back_a_copy,
    count_an_old_term,
    lose_a_promise,
    lose_what_is_not_synced,
    rot_in_two,
)
from cluster_recovery import go_on_alone, recover_a_copy
from cluster_stop import stop
from cluster_versions import NEXT
from simulated_disk import UNLIMITED

from gateway.config import Cluster
from gateway.member_admin import MemberAdmin
from replication.membership import Refused
from replication.messages import Entry
from replication.node import Node

if TYPE_CHECKING:
    from cluster_world import World

MOST_MEMBERS = 5
OPERATED = Cluster(members=("1 127.0.0.1:1",))  # where one that is alone at first is found by others
EFFECTS = 100  # disk operations, messages and answers: some turns
SEEN_FROM_OUTSIDE = ("pwrite", "sync", "answer to a sync", "message", "answer to a client")


class Faults:
    def __init__(self, world: "World") -> None:
        self.world = world
        self.chance = world.chance
        self._rotten: list[Host] = []  # the last machines whose disks lost something
        self._last_id = max(world.hosts)
        self._kinds: tuple[Callable[[Host], None], ...] = (
            self._kill,
            self._stop,
            self._lose_power,
            self._crash,
            self._crash,
            self._rot,
            self._rot,
            self._freeze,
            self._slow_down,
            self._cut,
            self._cut,
            self._transfer,
            self._set_clock,
            self._all_lose_power,
            self._fill_disk,
            self._hang_disk,
            self._change_members,
            self._change_members,
            lambda host: count_an_old_term(world),
            lambda host: lose_a_promise(world),
            lambda host: rot_in_two(world),
            lambda host: lose_what_is_not_synced(world),
            lambda host: ask_for_another_vote(world),
            lambda host: bring_back_a_copy(world),
            lambda host: go_on_alone(world),
            lambda host: recover_a_copy(world),
            *(
                [self._upgrade] * 3 + [self._downgrade, self._run_an_old_program]
                if world.versions.mixed
                else []
            ),
        )

    def disturb(self) -> None:
        """One fault, or none where the budget does not allow it: half of them at the leader."""
        host = self.world.leader() if self.chance.random() < 0.5 else None
        self.chance.choice(self._kinds)(host or self.chance.choice(list(self.world.hosts.values())))

    def end(self) -> None:
        world = self.world
        world.faulty = False
        for link in world.links:
            link.heal()
        for host in world.hosts.values():
            host.disk.crash_at = -1
            host.disk.capacity = UNLIMITED
            host.slowness = 1
            host.hangs_until = 0
        if world.versions.begun or (world.versions.mixed and self.chance.random() < 0.8):
            self._upgrade_the_others()
        for host in world.hosts.values():
            host.restart()

    # ---------------------------------------------------------------- of a process or a machine

    def _may_fall(self, host: Host) -> bool:
        """Learners and machines that wait to be added count as voters here, and an end that is yet to come as come; a
        change of the members that is not committed as if it were, or were not, whatever allows less."""
        hosts = self.world.hosts
        down = sum(
            other.replica is None or other.disk.crash_at >= 0 or other.stopping for other in hosts.values()
        )
        leader = self._leader()
        known = [membership for _, membership in leader._running.memberships] if leader else []
        spare = min(((len(one.voters) - 1) // 2 - len(one.voters - hosts.keys()) for one in known), default=0)
        return host.replica is not None and not host.stopping and down < spare

    def _comes_back(self, host: Host) -> None:
        self.world.at(self.world.now + self.chance.randrange(4 * SECOND), host.restart)

    def _kill(self, host: Host) -> None:
        if self._may_fall(host):
            host.die(power=False)
            self._comes_back(host)

    def _stop(self, host: Host) -> None:
        if self._may_fall(host):
            host.run(host.life, lambda: stop(host))

    def _upgrade(self, host: Host) -> None:
        self._change_program(host, NEXT)

    def _downgrade(self, host: Host) -> None:
        """As long as newer rules cannot have begun."""
        if self.world.versions.may_go_back:
            self._change_program(host, self.world.versions.old)

    def _change_program(self, host: Host, newest: int) -> None:
        if host.newest != newest and self._may_fall(host):
            self.world.count("upgraded" if newest > host.newest else "downgraded", host.name)
            host.die(power=False)
            host.newest = newest
            self._comes_back(host)

    def _run_an_old_program(self, host: Host) -> None:
        """A mistake, when newer rules hold already: it stops, or nobody takes it, until that is put right."""
        if self.world.versions.begun and host.newest == NEXT and self._may_fall(host):
            self.world.count("old program started", host.name)
            host.die(power=False)
            host.newest = self.world.versions.old
            host.start()
            self.look_at_program(host)

    def look_at_program(self, host: Host) -> None:
        """A mistake is put right after a while."""
        if self.world.versions.begun and host.newest != NEXT:
            self.world.at(self.world.now + self.chance.randrange(4 * SECOND), lambda: self._put_right(host))

    def _put_right(self, host: Host) -> None:
        if host.newest != NEXT and host not in self.world.gone:
            if host.replica is not None:
                host.die(power=False)
            host.newest = NEXT
            host.restart()

    def _upgrade_the_others(self) -> None:
        """At once: in peace."""
        for host in self.world.hosts.values():
            if host.newest < NEXT:
                self.world.count("upgraded", host.name)
                if host.replica is not None:
                    host.die(power=False)
                host.newest = NEXT

    def repairs(self) -> bool:
        """Whether a machine whose disk lost something has not everything again. One that was removed is missed by
        nobody: who has the removal has everything before it."""
        return any(host not in self.world.gone and not host.is_whole() for host in self._rotten)

    def _lose_power(self, host: Host) -> None:
        if self._may_fall(host) and not self.repairs():
            host.die(power=True)
            self._comes_back(host)

    def _crash(self, host: Host) -> None:
        """Before an operation of its disk, or anything that it says to others."""
        if self._may_fall(host) and not self.repairs():
            host.disk.crash_at = host.disk.operations + self.chance.randrange(EFFECTS)
            host.disk.crash_before = self.chance.choice(("", "", *SEEN_FROM_OUTSIDE))

    def _rot(self, host: Host) -> None:
        """Something durable is another, or gone, when the machine comes back."""
        if not self._may_fall(host):
            return
        assert host.replica is not None
        last = host.replica.node.last_index
        host.die(power=False)

        def come_back() -> None:
            if host.replica is None and host not in self.world.gone:
                self._damage(host, last)
                host.restart()

        self.world.at(self.world.now + self.chance.randrange(4 * SECOND), come_back)

    def _damage(self, host: Host, last: int) -> None:
        """last: of its log."""
        others = [other for other in self.world.hosts.values() if other is not host]
        if not self.world.faulty or self.repairs() or any(other.may_be_torn() for other in others):
            return
        kinds = [
            ("rotten", turn_a_bit_over),
            ("file lost", lose_a_file),
            ("a copy of the vote rotten", turn_a_bit_over_in_state),
        ]
        if last <= len(self.world.log) and self._all_others_have_everything(host):
            kinds += 2 * [
                ("synced tail lost", lose_the_tail)
            ]  # nobody can tell that whole batches were there
        kind, damage = self.chance.choice(kinds)
        if damage(host.disk, self.chance):
            self._rotten = [host]
            self.world.count(kind, host.name)

    def _all_others_have_everything(self, host: Host) -> bool:
        leader = self._leader()
        others = leader.membership.voters - {host.id} if leader else set()
        hosts = self.world.hosts
        return bool(others) and all(id in hosts and hosts[id].is_whole() for id in others)

    def rot_in(self, host: Host, entry: Entry, beside: tuple[Host, ...] = ()) -> bool:
        """A bit of an entry turns over; whether it was found. beside: machines whose disks rot at the same time."""
        found = turn_a_bit_over_in(host.disk, entry, self.chance)
        if found:
            self._rotten = [*beside, host]
        return found

    def _all_lose_power(self, host: Host) -> None:
        """At once, or when their disks have been slow for a while, and much is on its way to them."""
        world, chance = self.world, self.chance
        if chance.random() < 0.5:
            self._fail_all()
            return
        for other in world.up():
            other.slow_down(chance.randrange(30, 300), 2 * SECOND)
        world.at(world.now + chance.randrange(100 * MS, SECOND), self._fail_all)

    def _fail_all(self) -> None:
        if self.world.faulty and not self.repairs() and not self._is_one_gone():
            self.world.count("all lost power")
            for other in self.world.up():
                other.die(power=True)
                self.world.at(self.world.now + self.chance.randrange(SECOND), other.restart)

    def _is_one_gone(self) -> bool:
        """Whether a member will never come back: if all others miss what they may have promised, only it could tell."""
        hosts = self.world.hosts
        return any(
            host.replica.node.possible_members.keys() - hosts for host in self.world.up() if host.replica
        )

    def _freeze(self, host: Host) -> None:
        host.freeze(self.chance.randrange(20 * MS, 3 * SECOND))

    def _slow_down(self, host: Host) -> None:
        """Its turns and its disk."""
        host.slow_down(self.chance.randrange(10, 300), self.chance.randrange(200 * MS, 4 * SECOND))

    def _set_clock(self, host: Host) -> None:
        self.world.count("clock set", host.name)
        host.clock.wall_offset_ns = self.chance.randrange(-3600 * SECOND, 3600 * SECOND)

    def _fill_disk(self, host: Host) -> None:
        host.fill_disk(self.chance.randrange(SECOND, 4 * SECOND))

    def _hang_disk(self, host: Host) -> None:
        host.hang_disk(self.chance.randrange(200 * MS, 4 * SECOND))

    # ---------------------------------------------------------------- between machines

    def _cut(self, host: Host) -> None:
        """Off from all others or from one, in one direction or both."""
        chance = self.chance
        links = self.world.links_of(host.id)
        if not links:
            return
        if chance.random() < 0.4:
            links = [chance.choice(links)]
        one_way = chance.random() < 0.3
        self.world.count("cut one way" if one_way else "cut off", host.name)
        for link in links:
            link.partition({host.id} if one_way else set(link.ends))
            self.world.at(self.world.now + chance.randrange(30 * MS, 4 * SECOND), link.heal)

    def _transfer(self, host: Host) -> None:
        if host.replica is not None:
            to = self.chance.choice(sorted(self.world.hosts))
            try:
                host.replica.node.transfer(to)
            except Refused:
                return
            self.world.count("transfer", f"{host.name} to {to}")

    # ---------------------------------------------------------------- members

    def _leader(self) -> Node | None:
        host = self.world.leader()
        return host.replica.node if host and host.replica else None

    def grow(self) -> None:
        """One step on the way to three members, if it is not too early."""
        leader = self._leader()
        if leader is not None and len(leader.membership.voters) < 3:
            self._change_members(None)

    def _change_members(self, host: Host | None) -> None:
        """A lost machine is removed, a learner promoted, a new one added, or a follower removed: which is due."""
        world, leader = self.world, self.world.leader()
        if leader is None or leader.replica is None or leader.frozen is not None:
            return
        admin = MemberAdmin(leader.replica, OPERATED, dict, lambda: False, leader.schedule)
        members = leader.replica.node.membership
        learners = sorted(members.ids - members.voters)
        lost = sorted(members.ids - world.hosts.keys())
        try:
            if lost:
                admin.remove(lost[0])
                world.count("member removed", str(lost[0]))
            elif learners:
                admin.promote(learners[0])
                world.count("member promoted", str(learners[0]))
                if world.alone and len(leader.replica.node.membership.voters) >= 3:
                    world.alone = False
                    world.count("grown from one")
            elif len(members.ids) < MOST_MEMBERS and self.chance.random() < 0.6:
                id = self._last_id + 1
                admin.add(id, f"127.0.0.1:{id}")
                world.count("member added", str(id))
                self._last_id = (
                    id  # its own for ever, also when the change that names it is lost with a leader
                )
                world.join(id)
            elif len(members.voters) > 3 and len(world.up()) == len(world.hosts):
                id = self.chance.choice(sorted(members.ids - {leader.id}))
                admin.remove(id)
                world.count("member removed", str(id))
        except Refused:
            pass

    def end_former_members(self) -> None:
        """Machines that were removed, or whose addition was lost with a leader. What a leader of an older term proposed
        is lost when a newer one has committed something of its own without it; not before."""
        world, host = self.world, self.world.leader()
        if host is None or host.replica is None:
            return
        node, exchange = host.replica.node, host.replica.exchange
        newest = max(world.leaders)  # the host may still take itself for the leader of an older term
        if exchange.applied_term == node.term == newest and node.membership_index <= exchange.applied_index:
            for id in sorted(world.hosts.keys() - node.membership.ids):
                world.end_for_good(world.hosts[id])

    def bury_a_minority(self) -> None:
        """Some machines never come back, if what they have is elsewhere, too."""
        world, leader = self.world, self._leader()
        if leader is None or leader.term < max(world.leaders) or self.repairs():
            return
        if leader.membership_index > leader.commit_index:
            return  # the voters may be fewer than they seem
        voters = leader.membership.voters
        dead = [id for id in voters if id not in world.hosts or world.hosts[id].replica is None]
        spare = (len(voters) - 1) // 2 - len(dead)
        if spare < 0:
            return  # some of them have to come back
        dead += sorted(voters - set(dead) - {leader.leader})[:spare]
        for id in sorted(world.hosts.keys() & dead):
            world.count("gone for good", str(id))
            world.end_for_good(world.hosts[id])
