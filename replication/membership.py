"""Who belongs to a cluster, and how that changes: one member at a time (Ongaro's thesis, 4.1; with the correction of
2015 that a leader first commits an entry of its own term: leading.py).

A membership is an entry of the log like any other; a member goes by the newest one in its log, committed or not. Its
payload begins with PREFIX, which no payload from outside may.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from replication.messages import Buffer

PREFIX = b"\0\0\0\0members\0"
HEAD = struct.Struct("<IIQ")  # format, members, highest id ever given
MEMBER = struct.Struct("<QII")  # id, voter, bytes of address
FORMAT = 1


class Refused(Exception):
    """A change that cannot be made; the text is for people."""


class NotNow(Refused):
    """The same change may be taken in a moment."""


class Member(NamedTuple):
    id: int  # 1, 2, 3, ...; never used again after a removal
    address: str  # host:port of its peer listener; empty: it has none yet
    voter: bool  # False: a learner, which gets the log and is not asked


@dataclass(frozen=True)
class Membership:
    """Raises Refused, and changes nothing: every change gives a new one."""

    members: tuple[Member, ...]  # in order of id
    last_id: int = 0  # the highest id ever given
    ids: frozenset[int] = field(init=False)
    voters: frozenset[int] = field(init=False)
    quorum: int = field(init=False)  # how many voters decide

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", frozenset(member.id for member in self.members))
        object.__setattr__(self, "voters", frozenset(member.id for member in self.members if member.voter))
        object.__setattr__(self, "quorum", len(self.voters) // 2 + 1)
        object.__setattr__(self, "last_id", max(self.last_id, *self.ids, 0))

    def member(self, id: int) -> Member:
        for member in self.members:
            if member.id == id:
                return member
        raise Refused(f"member {id} is not of this cluster; its members are {listed(self.ids)}")

    def add(self, id: int, address: str) -> "Membership":
        """A learner, which `promote` makes a voter."""
        if id in self.ids:
            raise Refused(f"member {id} is there already")
        if id <= self.last_id:
            raise Refused(
                f"member id {id} was used before, and a member that was removed may still hold its promises: take "
                f"{self.last_id + 1} or a higher one"
            )
        taken = next((member for member in self.members if member.address == address), None)
        if taken is not None:
            raise Refused(f"the address {address} is that of member {taken.id}")
        return self._with(*self.members, Member(id, address, voter=False))

    def promote(self, id: int) -> "Membership":
        if self.member(id).voter:
            raise Refused(f"member {id} is a voter already")
        return self._with(*(m._replace(voter=True) if m.id == id else m for m in self.members))

    def remove(self, id: int) -> "Membership":
        if self.member(id).voter and len(self.voters) == 1:
            raise Refused(f"member {id} is the only voter: a cluster without voters could never decide again")
        return self._with(*(member for member in self.members if member.id != id))

    def move(self, id: int, address: str) -> "Membership":
        """The same member at another address."""
        self.member(id)
        return self._with(*(m._replace(address=address) if m.id == id else m for m in self.members))

    def check_next(self, changed: "Membership") -> None:
        """Raises Refused unless `changed` may follow: one voter more or less, ids never used again."""
        if len(self.voters ^ changed.voters) > 1:
            raise Refused(
                f"voters {listed(self.voters)} would become {listed(changed.voters)}: one comes or goes at a time"
            )
        if not changed.voters:
            raise Refused("a cluster without voters could never decide again")
        again = {id for id in changed.ids - self.ids if id <= self.last_id}
        if again or changed.last_id < self.last_id:
            raise Refused(
                f"member ids up to {self.last_id} were used before: {listed(again)} would be used again"
            )

    def _with(self, *members: Member) -> "Membership":
        return replace(self, members=tuple(sorted(members)))


def listed(ids: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(ids))) or "none"


def of_one(address: str = "") -> Membership:
    """What a log without a membership entry belongs to."""
    return Membership((Member(1, address, voter=True),))


def encode(membership: Membership) -> bytes:
    parts = [PREFIX, HEAD.pack(FORMAT, len(membership.members), membership.last_id)]
    for id, address, voter in membership.members:
        text = address.encode()
        parts += [MEMBER.pack(id, voter, len(text)), text]
    return b"".join(parts)


def is_membership(payload: Buffer) -> bool:
    """Whether a payload is replication's own, and none of the application's business."""
    return payload[: len(PREFIX)] == PREFIX


def decode(payload: Buffer) -> Membership | None:
    """The membership that an entry's payload holds; None when it is another entry. ValueError: a newer format, or not a
    whole one."""
    if not is_membership(payload):
        return None
    data = bytes(payload)
    at = len(PREFIX) + HEAD.size
    try:
        version, count, last_id = HEAD.unpack_from(data, len(PREFIX))
        if version != FORMAT:
            raise ValueError(f"a membership of format {version}; this program knows {FORMAT}")
        members = []
        for _ in range(count):
            id, voter, length = MEMBER.unpack_from(data, at)
            at += MEMBER.size
            members.append(Member(id, data[at : at + length].decode(), bool(voter)))
            at += length
    except struct.error:
        raise ValueError("a membership that is cut short") from None
    if at != len(data):
        raise ValueError("a membership that is cut short, or followed by other bytes")
    return Membership(tuple(members), last_id)
