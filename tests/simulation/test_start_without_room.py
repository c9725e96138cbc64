"""A start whose first entries find no room in the log: nothing is taken until they are applied, then everything is."""

from itertools import product

import msgspec
import pytest
from exchange import ManualClock
from replica_life import SEGMENT_BYTES, Life
from simulated_disk import SimulatedDisk

from gateway.admin import Admin
from gateway.config import Cluster
from gateway.exchange import Exchange
from gateway.member_admin import MemberAdmin
from gateway.read_index import ReadIndex
from replication.files import LogUnavailable


def waits(life: Life) -> None:
    """No input is taken, and it says why; who only reads is served."""
    replica = life.replica
    members = MemberAdmin(replica, Cluster(), dict, lambda: False, lambda: None)
    reads = ReadIndex(replica, lambda: 1, lambda: None)
    admin = Admin(replica, lambda: replica.why_not, members, reads, lambda: None, dict)
    status = msgspec.json.decode(admin.answer(b'{"command": "status"}'))
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
    assert replica.exchange.instruments()[0]["symbol"] == "AAPL"


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
    """Situation: the first segment holds the beginning of the term and the rules, and not the genesis behind them."""
    life = Life(SimulatedDisk(2), ManualClock(), segments=1)
    life.run()
    assert life.node.last_index == 2
    assert life.replica.exchange.instruments() == []
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
        assert life.node.last_index == 2
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
