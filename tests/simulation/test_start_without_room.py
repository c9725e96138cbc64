"""A start whose first entries find no room in the log: nothing is taken until they are applied, then everything is."""

import errno
import os
from itertools import product
from typing import cast

import msgspec
import pytest
from exchange import ManualClock
from simulated_disk import SimulatedDisk

from gateway import inputs
from gateway.admin import Admin
from gateway.config import load, parse
from gateway.connections import Connections
from gateway.egress_file import EgressFile
from gateway.exchange import Exchange
from gateway.replica import Replica
from replication.files import File, LogUnavailable
from replication.node import Node
from replication.wal import DATA, batch_end

ENTRY_BYTES = len(b"".join(load(None).genesis))  # the largest entry here
SEGMENT_BYTES = batch_end(DATA, [ENTRY_BYTES])  # which leaves no room before it
ANY = 1 << 30


def fix(msg_type: str, number: int, *fields: str) -> bytes:
    body = "|".join(
        (
            f"35={msg_type}",
            "49=ALICE",
            "56=QUORUMBOOK",
            f"34={number}",
            "52=20260101-00:00:00.000",
            *fields,
            "",
        )
    )
    whole = f"8=FIX.4.4|9={len(body)}|{body}".replace("|", "\x01").encode()
    return whole + f"10={sum(whole) % 256:03}\x01".encode()


class Transport:
    """A TCP transport that remembers."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        raise AssertionError("cut off")


class Scratch:
    """The egress store's file; it has all the room it wants."""

    path = "egress"

    def truncate(self, size: int) -> None: ...
    def reserve(self, size: int) -> None: ...


class Life:
    """One life of an exchange on a disk that has room for `segments` segments."""

    def __init__(
        self,
        disk: SimulatedDisk,
        clock: ManualClock,
        *,
        segments: int = ANY,
        segment_bytes: int = SEGMENT_BYTES,
        config: str = "",
    ) -> None:
        self.disk = disk
        self.clock = clock
        self.segments = segments
        disk.fail = self.fail
        self.node = Node.open(disk, clock=clock, segment_bytes=segment_bytes, max_entry_bytes=ENTRY_BYTES)
        egress = EgressFile(cast(File, Scratch()))
        self.replica = Replica(
            self.node, egress, Connections, lambda messages: None, lambda: None, clock.monotonic_ns
        )
        self.replica.recover(lambda index, last: None)
        self.replica.start(parse(config, "my.toml"))

    def fail(self, operation: str, name: str) -> None:
        if operation == "reserve" and "segment" in name and int(name.partition(".")[0]) > self.segments:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)

    def run(self) -> None:
        """As the server: turns while there is more to do, and now and then a rest."""
        for _ in range(20):
            self.replica.rest()
            while self.replica.turn():
                pass

    def fill(self, timers: int) -> None:
        """Entries of some timers until the last segment has no room for another; what is left over is forgotten."""
        self.segments = 0
        before = 0
        while self.node.last_index > before:
            before = self.node.last_index
            self.node.propose(inputs.timer() * timers)
            self.run()

    def room(self) -> None:
        self.segments = ANY
        self.clock.now_ns += 1_000_000_000
        self.run()

    def client(self) -> Transport:
        """Connects, asks for its session and enters an order behind the Logon."""
        transport = Transport()
        self.replica.connections.now_ns = self.clock.wall_ns()
        number = self.replica.connections.open(transport)
        self.replica.connections.received(number, fix("A", 1, "98=0", "108=0"))
        order = fix("D", 2, "11=x", "55=AAPL", "54=1", "60=20260101-00:00:00", "38=1", "40=2", "44=1.00")
        self.replica.connections.received(number, order)
        return transport


def waits(life: Life) -> None:
    """No input is taken, and it says why; who only reads is served."""
    replica = life.replica
    status = msgspec.json.decode(Admin(replica, lambda: None, dict).answer(b'{"command": "status"}'))
    assert status["accepting"] is False
    assert "cannot be reserved: No space left" in status["why_not"]
    assert status["incarnation"] == 0
    assert replica.timer_ns is None, "a deadline that nothing can be entered for would keep the loop busy"
    before = life.node.last_index
    client = life.client()
    life.run()
    assert client.written == b""
    assert life.node.last_index == before


def serves(life: Life, incarnation: int) -> None:
    """The client of waits() is heard."""
    replica = life.replica
    assert replica.why_not is None
    assert replica.connections.incarnation == replica.exchange.last_incarnation == incarnation
    assert replica.exchange.skipped_inputs == 0
    (session,) = replica.exchange.sessions()
    assert session["comp_id"] == "ALICE"
    assert session["connected"]
    assert replica.exchange.machine.live_orders == 1
    assert replica.instruments[0]["symbol"] == "AAPL"


def test_a_start_in_a_full_segment_takes_input_when_there_is_room() -> None:
    """Whatever fits into what is left of the segment: nothing, the new term, or all that a start enters."""
    entered = set()
    for more, timers in product(range(0, 1024, 128), (1, 20)):
        clock = ManualClock()
        first = Life(SimulatedDisk(1), clock, segment_bytes=SEGMENT_BYTES + more)
        first.run()
        first.fill(timers)
        before = first.node.last_index
        life = Life(first.disk.kill(), clock, segments=0, segment_bytes=SEGMENT_BYTES + more)
        life.run()
        entered.add(life.node.last_index - before)
        if life.node.last_index - before < 2:
            waits(life)
            life.room()
            serves(life, 2)
    assert entered >= {0, 1}


def test_a_first_start_waits_for_the_room_that_its_genesis_needs() -> None:
    """Situation: the first segment holds the beginning of the term, and not the genesis behind it."""
    life = Life(SimulatedDisk(2), ManualClock(), segments=1)
    life.run()
    assert life.node.last_index == 1
    assert life.replica.instruments == []
    waits(life)
    life.room()
    serves(life, 1)
    again = Life(life.disk.kill(), life.clock)
    again.run()
    assert again.replica.connections.incarnation == 2
    assert again.replica.exchange.comp_id == b"QUORUMBOOK"


def test_what_is_applied_is_the_log_alone() -> None:
    """Situation: two configurations, and logs that hold nothing of either yet."""
    hashes = set()
    for name in ("QUORUMBOOK", "OTHER"):
        life = Life(SimulatedDisk(4), ManualClock(), segments=1, config=f'[exchange]\ncomp_id = "{name}"\n')
        life.run()
        assert life.node.last_index == 1
        again = Exchange()
        for entry in life.node.committed():
            again.apply(entry.payload, entry.index, entry.term, entry.timestamp_ns)
        assert life.replica.exchange.state_hash() == again.state_hash()
        hashes.add(again.state_hash())
        life.room()
        assert life.replica.exchange.comp_id == life.replica.connections.comp_id == name.encode()
    assert len(hashes) == 1, "the same entries, the same state"


def test_an_empty_directory_without_room_for_a_segment_ends_the_start() -> None:
    disk = SimulatedDisk(3)
    with pytest.raises(LogUnavailable, match=r"00000001.segment.*No space left.*the space on its disk"):
        Life(disk, ManualClock(), segments=0)
    Life(disk.kill(), ManualClock())
