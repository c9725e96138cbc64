"""When instruments enter which phase: a calendar turned into steps at absolute times, and who enters them. Pure.

A step is a phase, and when a phase that collects orders leads to trading or to the close, its end: the engine performs
that by itself, some random time later. A leader enters each step as an operation that names the schedule and when it
was due; `apply` takes a step only if it is due after the last one that it took, so what lies in the log twice, by two
leaders, takes effect once. Who comes late, because nobody led or the machine was off, enters the step of the phase
that holds now, and before it a close that was missed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine.records import Phase
from gateway import inputs
from gateway.operation_fields import OperationTag as Tag
from gateway.operation_fields import timestamp

if TYPE_CHECKING:
    from gateway.config import Schedule
    from replication.node import Node

MILLISECOND_NS = 1_000_000
SECOND_NS = 1_000_000_000
DAY_NS = 86_400 * SECOND_NS
EPOCH_WEEKDAY = 3  # 1 January 1970 was a Thursday
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LATE_AUCTION_NS = 60 * SECOND_NS  # at most so long collects an opening auction that comes late
MAX_RANDOM = 2**63 - 1

PHASES = {
    "pre_open": Phase.PRE_OPEN,
    "opening_auction": Phase.OPENING_AUCTION,
    "continuous": Phase.CONTINUOUS,
    "closing_auction": Phase.CLOSING_AUCTION,
    "closed": Phase.CLOSED,
}
"""The keys of a schedule that are times of day, in their order."""


@dataclass(frozen=True)
class Step:
    """due_ns: when. until_ns: when the engine goes on to `following` by itself; 0 = not before the next step."""

    due_ns: int
    phase: Phase
    until_ns: int = 0
    following: Phase = Phase.CONTINUOUS


def seconds_of(time: str) -> int:
    """Of a time of day, "08:30" or "08:30:15". ValueError when it is none."""
    parts = [int(part) for part in time.split(":") if len(part) == 2 and part.isascii() and part.isdigit()]
    if len(parts) != time.count(":") + 1 or len(parts) not in (2, 3):
        raise ValueError(time)
    hours, minutes, seconds = (*parts, 0)[:3]
    if hours > 23 or minutes > 59 or seconds > 59:
        raise ValueError(time)
    return (hours * 60 + minutes) * 60 + seconds


class Calendar:
    """The steps of one schedule, in nanoseconds since 1970 UTC."""

    def __init__(self, schedule: "Schedule") -> None:
        self.window_ns = schedule.random_end_seconds * SECOND_NS
        self._days = frozenset(map(DAYS.index, schedule.days))
        given = [
            (seconds_of(getattr(schedule, key)), phase)
            for key, phase in PHASES.items()
            if getattr(schedule, key)
        ]
        first = given[0][0]
        # What comes after midnight belongs to the day that it began on.
        self._times = [((first + (at - first) % 86_400) * SECOND_NS, phase) for at, phase in given]

    def _from(self, now_ns: int) -> Iterator[Step]:
        """The steps of the days around a time, rising: from the last one before it that there is, on."""
        today = now_ns // DAY_NS
        for day in range(today - 8, today + 9):
            if (day + EPOCH_WEEKDAY) % 7 in self._days:
                yield from self._steps(day * DAY_NS)

    def _steps(self, midnight_ns: int) -> Iterator[Step]:
        """Of one day. The end of a phase that collects is no step of its own."""
        ended_ns = 0
        for number, (offset_ns, phase) in enumerate(self._times):
            due_ns = midnight_ns + offset_ns
            if due_ns == ended_ns:
                continue
            step = Step(due_ns, phase)
            if number + 1 < len(self._times):
                next_ns, following = self._times[number + 1]
                if phase not in (Phase.CONTINUOUS, Phase.CLOSED) and following in (
                    Phase.CONTINUOUS,
                    Phase.CLOSED,
                ):
                    ended_ns = midnight_ns + next_ns
                    step = Step(due_ns, phase, ended_ns, following)
            yield step

    def next_ns(self, now_ns: int) -> int:
        """When the next step is due."""
        return next(step.due_ns for step in self._from(now_ns) if step.due_ns > now_ns)

    def due(self, now_ns: int, done_ns: int | None) -> list[Step]:
        """What is to be entered now. done_ns: when the last step that was taken was due; None: none was."""
        past = [step for step in self._from(now_ns) if step.due_ns <= now_ns]
        if not past or (done_ns is not None and past[-1].due_ns <= done_ns):
            return []
        missed = [step for step in past[:-1] if done_ns is not None and step.due_ns > done_ns]
        closes = [step for step in missed if Phase.CLOSED in (step.phase, step.following)]
        now = past[-1]
        if now.until_ns and now.until_ns <= now_ns:
            now = late(now, now_ns)
        return [*(Step(step.due_ns, Phase.CLOSED) for step in closes[-1:]), now]

    def holds(self, now_ns: int) -> Step:
        """The step that holds, as who joins enters it: a second ahead, for its end must not be past by then."""
        return self.due(now_ns + SECOND_NS, None)[-1]


def late(step: Step, now_ns: int) -> Step:
    """A step whose end is past: the day is over, or trading begins by a short auction, as it must."""
    if step.following == Phase.CLOSED:
        return Step(step.due_ns, Phase.CLOSED)
    lasts_ns = min(step.until_ns - step.due_ns, LATE_AUCTION_NS)
    until_ns = (now_ns + lasts_ns) // MILLISECOND_NS * MILLISECOND_NS  # what a field can say
    return replace(step, phase=Phase.OPENING_AUCTION, until_ns=until_ns)


def operation(about: list[tuple[int, str]], step: Step, window_ns: int, random: int) -> bytes:
    """A step as an input. about: the fields that say whose. random: 0 to MAX_RANDOM."""
    fields = [(Tag.OPERATION, "PHASE"), *about, (Tag.PHASE_TAG, step.phase.name)]
    if step.until_ns:
        fields += [
            (Tag.PHASE_END, timestamp(step.until_ns)), (Tag.NEXT_PHASE, step.following.name),
            (Tag.RANDOM_END, str(window_ns // 1_000_000)), (Tag.RANDOM_NUMBER, str(random)),
        ]  # fmt: skip
    return inputs.operation(fields)


class Scheduling:
    """Enters steps, for a leader. nonce: a random number, 1 to 2**64 - 1. entered: told of each."""

    def __init__(
        self,
        node: "Node",
        schedules: Sequence["Schedule"],
        nonce: Callable[[], int],
        entered: Callable[[str, Step], None],
    ) -> None:
        self._node = node
        self._calendars = {schedule.name: Calendar(schedule) for schedule in schedules}
        self._nonce = nonce
        self._entered = entered
        self._term = 0  # in which it was looked last
        self._next_ns = 0  # and when there is something to look at, in log time

    def next_ns(self) -> int | None:
        """When `look` has something to do, in log time; None: never."""
        if not self._calendars:
            return None
        return self._next_ns if self._term == self._node.term else 0

    def look(self, taken: Mapping[str, int | None], now_ns: int) -> None:
        """When everything of the terms before the leader's own is applied. taken: of each schedule that the state has,
        when the last step that was taken was due. What this leader has entered it does not enter again."""
        self._term = self._node.term
        self._next_ns = min(calendar.next_ns(now_ns) for calendar in self._calendars.values())
        for name, calendar in self._calendars.items():
            for step in calendar.due(now_ns, taken.get(name)):
                due = timestamp(step.due_ns)
                about: list[tuple[int, str]] = [(Tag.SCHEDULE_NAME, name), (Tag.SCHEDULE_STEP, due)]
                self._node.propose(operation(about, step, calendar.window_ns, self._random()))
                self._entered(name, step)

    def joining(self, name: str, symbol: str, now_ns: int) -> bytes:
        """What takes an instrument that is added, and begins closed, to where those that follow the schedule are."""
        calendar = self._calendars[name]
        step = calendar.holds(now_ns)
        if step.phase == Phase.CLOSED:
            return b""
        return operation([(Tag.SYMBOL, symbol)], step, calendar.window_ns, self._random())

    def _random(self) -> int:
        return self._nonce() & MAX_RANDOM
