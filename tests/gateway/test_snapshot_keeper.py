"""When a server has a snapshot made, and what it says of one that fails."""

from dataclasses import dataclass
from typing import Any, cast

from structlog.testing import CapturingLogger
from structlog.typing import FilteringBoundLogger

from gateway.snapshot_keeper import RETRY_SECONDS, SnapshotKeeper


@dataclass
class Node:
    written_bytes: int = 0
    covered_bytes: int = 0
    alone: bool = False
    leader: int = 2
    me: int = 1


class Process:
    def __init__(self) -> None:
        self.outcome: tuple[int, str] | None = None
        self.killed = False

    def ended(self) -> tuple[int, str] | None:
        return self.outcome

    def kill(self) -> None:
        self.killed = True


class Keeping:
    def __init__(self, every_bytes: int = 100) -> None:
        self.node = Node()
        self.now = 0.0
        self.started: list[Process] = []
        self.logger = CapturingLogger()
        self.refuse = False
        trace = cast(FilteringBoundLogger, self.logger)
        self.keeper = SnapshotKeeper(every_bytes, self.start, lambda: self.now, trace)

    def start(self) -> Process:
        if self.refuse:
            raise OSError("no more processes")
        self.started.append(Process())
        return self.started[-1]

    def at(self, written: int, **changed: Any) -> int:
        """How many were started by then."""
        for name, value in changed.items():
            setattr(self.node, name, value)
        self.node.written_bytes = written
        self.keeper.look(self.node)
        return len(self.started)

    def told(self) -> list[str]:
        return [call.method_name + ": " + str(call.args[0]) for call in self.logger.calls]


def test_one_is_made_after_so_much_log_and_the_next_after_as_much_again() -> None:
    keeping = Keeping()
    assert [keeping.at(written) for written in (99, 100, 300)] == [0, 1, 1], "one at a time"
    keeping.started[0].outcome = (0, "snapshot at entry 7")
    assert [keeping.at(written) for written in (350, 199, 200)] == [1, 1, 2]
    assert keeping.told() == ["info: snapshot made"]


def test_what_a_snapshot_holds_that_somebody_else_made_counts() -> None:
    keeping = Keeping()
    assert keeping.at(150, covered_bytes=60) == 0
    assert keeping.at(160) == 1


def test_a_log_that_begins_anew_is_measured_anew() -> None:
    keeping = Keeping()
    assert keeping.at(1_000) == 1
    keeping.started[0].outcome = (0, "snapshot at entry 7")
    assert [keeping.at(written) for written in (1_000, 90, 100)] == [1, 1, 2]


def test_a_leader_and_who_knows_none_leave_it_to_others() -> None:
    keeping = Keeping()
    assert keeping.at(1_000, leader=1) == 0
    assert keeping.at(1_000, leader=0) == 0
    assert keeping.at(1_000, leader=1, alone=True) == 1


def test_one_that_fails_or_is_killed_is_told_and_tried_again_later() -> None:
    keeping = Keeping()
    for count, outcome in enumerate(((1, "quorumbook: the disk is full"), (-9, "")), 1):
        assert keeping.at(100) == count
        keeping.started[-1].outcome = outcome
        assert keeping.at(100) == count
        assert keeping.at(100) == count
        keeping.now += RETRY_SECONDS
    assert keeping.told() == ["warning: snapshot failed"] * 2
    assert [call.kwargs["why"] for call in keeping.logger.calls] == [
        "quorumbook: the disk is full",
        "exit code -9",
    ]
    keeping.refuse = True
    assert keeping.at(100) == 2
    assert keeping.logger.calls[-1].kwargs["why"] == "no more processes"
    keeping.refuse = False
    assert keeping.at(100) == 2
    keeping.now += RETRY_SECONDS
    assert keeping.at(100) == 3


def test_none_is_made_when_none_is_wanted() -> None:
    assert Keeping(every_bytes=0).at(1 << 50, alone=True) == 0


def test_one_that_is_not_done_ends_with_the_server() -> None:
    keeping = Keeping()
    keeping.keeper.close()
    keeping.at(100)
    keeping.keeper.close()
    assert keeping.started[0].killed
