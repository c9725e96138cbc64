"""A calendar's steps at absolute times; whoever leads, and however late, instruments are in the phase that holds."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_edge import MemoryEdge
from msgspec.structs import replace

from engine.records import Phase
from gateway import inputs
from gateway.config import Schedule
from gateway.exchange import Exchange
from gateway.operation_inputs import closed, followers
from gateway.schedules import DAY_NS, DAYS, LATE_AUCTION_NS, SECOND_NS, Calendar, Scheduling, Step, seconds_of
from replication.node import Node

DAY = Schedule(
    "DAY", pre_open="08:00", opening_auction="08:50", continuous="09:00", closing_auction="16:30", closed="16:35"
)  # fmt: skip
NIGHT = Schedule("NIGHT", days=("sun", "mon"), opening_auction="22:00", continuous="22:05", closed="21:00")


def at(text: str) -> int:
    """Nanoseconds of a time such as "2026-01-05 08:00"; that was a Monday."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND_NS


@pytest.mark.parametrize(("time", "seconds"), [("00:00", 0), ("08:30", 30_600), ("23:59:59", 86_399)])
def test_a_time_of_day(time: str, seconds: int) -> None:
    assert seconds_of(time) == seconds


@pytest.mark.parametrize(
    "time", ["", "8:30", "24:00", "08:60", "08:30:60", "08:30:15:00", "08-30", "٠٨:30", "08:3a"]
)
def test_what_is_none(time: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        seconds_of(time)


def test_a_day_is_its_steps_and_the_ends_of_auctions_are_the_engines() -> None:
    calendar = Calendar(DAY)
    now, steps = at("2026-01-05 00:00"), []
    while now < at("2026-01-06 00:00"):
        now = calendar.next_ns(now)
        steps += calendar.due(now, now - 1)
    assert steps[:4] == [
        Step(at("2026-01-05 08:00"), Phase.PRE_OPEN),
        Step(at("2026-01-05 08:50"), Phase.OPENING_AUCTION, at("2026-01-05 09:00"), Phase.CONTINUOUS),
        Step(at("2026-01-05 16:30"), Phase.CLOSING_AUCTION, at("2026-01-05 16:35"), Phase.CLOSED),
        Step(at("2026-01-06 08:00"), Phase.PRE_OPEN),
    ]


def test_days_that_are_not_its_own_have_no_steps() -> None:
    assert Calendar(DAY).next_ns(at("2026-01-09 16:30")) == at("2026-01-12 08:00")


def test_a_day_may_end_after_midnight() -> None:
    calendar = Calendar(NIGHT)
    sunday = at("2026-01-04 22:00")
    assert calendar.next_ns(at("2026-01-04 12:00")) == sunday
    assert calendar.due(sunday, None) == [
        Step(sunday, Phase.OPENING_AUCTION, at("2026-01-04 22:05"), Phase.CONTINUOUS)
    ]
    assert calendar.next_ns(sunday) == at("2026-01-05 21:00")
    assert calendar.due(at("2026-01-05 21:00"), sunday) == [Step(at("2026-01-05 21:00"), Phase.CLOSED)]
    assert calendar.next_ns(at("2026-01-06 21:00")) == at("2026-01-11 22:00")


def test_what_was_taken_is_not_due_again() -> None:
    calendar = Calendar(DAY)
    assert calendar.due(at("2026-01-05 12:00"), at("2026-01-05 08:50")) == []
    assert calendar.due(at("2026-01-05 12:00"), at("2026-01-05 16:30")) == []


def test_who_comes_late_opens_by_a_short_auction() -> None:
    """A halt and a close lead to trading by way of an auction only; and nobody could enter orders before."""
    now = at("2026-01-05 12:00")
    (step,) = Calendar(DAY).due(now, at("2026-01-02 16:30"))
    assert step == Step(
        at("2026-01-05 08:50"), Phase.OPENING_AUCTION, now + LATE_AUCTION_NS, Phase.CONTINUOUS
    )


def test_who_comes_within_an_auction_ends_it_when_it_should() -> None:
    (step,) = Calendar(DAY).due(at("2026-01-05 08:59"), at("2026-01-05 08:00"))
    assert (step.phase, step.until_ns) == (Phase.OPENING_AUCTION, at("2026-01-05 09:00"))


def test_who_joins_does_so_a_second_ahead() -> None:
    """What is entered now is applied later, when an end that was near could be past."""
    calendar = Calendar(DAY)
    now = at("2026-01-05 08:59:58")
    assert calendar.holds(now).until_ns == at("2026-01-05 09:00")
    assert calendar.holds(now + SECOND_NS).until_ns == at("2026-01-05 09:01")
    assert calendar.holds(at("2026-01-10 12:00")) == Step(at("2026-01-09 16:30"), Phase.CLOSED)


def test_a_close_that_was_missed_comes_first() -> None:
    steps = Calendar(DAY).due(at("2026-01-07 08:10"), at("2026-01-05 08:50"))
    assert steps == [
        Step(at("2026-01-06 16:30"), Phase.CLOSED),
        Step(at("2026-01-07 08:00"), Phase.PRE_OPEN),
    ]


def test_at_the_weekend_it_is_closed() -> None:
    assert Calendar(DAY).due(at("2026-01-10 12:00"), at("2026-01-09 08:50")) == [
        Step(at("2026-01-09 16:30"), Phase.CLOSED)
    ]


# ---------------------------------------------------------------- a model


class Instrument:
    """What the engine makes of steps: a phase ends by itself, and what was closed opens by an auction only."""

    def __init__(self, first_ns: int) -> None:
        self.phase, self.until_ns, self.following = Phase.CLOSED, 0, Phase.CLOSED
        self.done_ns: int | None = None
        self.first_ns = first_ns  # when a day begins, since midnight
        self.day = 0

    def enter(self, step: Step, now_ns: int) -> None:
        """Applied, if it was not before."""
        self.pass_time(now_ns)
        if self.done_ns is not None and step.due_ns <= self.done_ns:
            return
        assert step.until_ns == 0 or step.until_ns > now_ns, "the engine refuses an end that is past"
        self.done_ns = step.due_ns
        day, self.day = self.day, (step.due_ns - self.first_ns) // DAY_NS
        assert self.day == day or Phase.CLOSED in (self.phase, step.phase), (
            "a day has begun before another ended"
        )
        self.change(step.phase)
        self.until_ns, self.following = step.until_ns, step.following

    def change(self, phase: Phase) -> None:
        assert not (phase == Phase.CONTINUOUS and self.phase in (Phase.CLOSED, Phase.HALT))
        self.phase = phase

    def pass_time(self, now_ns: int) -> None:
        if self.until_ns and self.until_ns <= now_ns:
            self.until_ns = 0
            self.change(self.following)


def holds(schedule: Schedule, now_ns: int) -> Phase:
    """The phase that should hold, by going through the minutes before."""
    keys = ("pre_open", "opening_auction", "continuous", "closing_auction", "closed")
    times = [(key, seconds_of(getattr(schedule, key))) for key in keys if getattr(schedule, key)]
    for day in range(now_ns // DAY_NS, now_ns // DAY_NS - 9, -1):
        if DAYS[(day + 3) % 7] not in schedule.days:
            continue
        first = times[0][1]
        for key, second in reversed(times):
            begins = day * DAY_NS + (first + (second - first) % 86_400) * SECOND_NS
            if begins <= now_ns:
                return Phase[key.upper()]
    return Phase.CLOSED


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """Times in order, from any time of day on, within 24 hours."""
    first = draw(st.integers(0, 86_399))
    later = sorted(draw(st.sets(st.integers(1, 86_399), min_size=4, max_size=4)))
    keys = ["pre_open", "opening_auction", "continuous", "closing_auction", "closed"]
    times = dict(zip(keys, [first, *((first + one) % 86_400 for one in later)], strict=True))
    for key in draw(st.sampled_from([(), ("pre_open",), ("opening_auction",), ("closing_auction",)])):
        del times[key]
    days = draw(st.sets(st.sampled_from(DAYS), min_size=1))
    texts = {key: f"{at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}" for key, at in times.items()}
    return replace(Schedule("S", days=tuple(days)), **texts)


def looks(schedule: Schedule, spans: list[tuple[bool, int]]) -> Iterator[int]:
    """When leaders look: at each step while one leads, and after a time without."""
    now, calendar = at("2026-01-05 00:00"), Calendar(schedule)
    for leads, seconds in spans:
        end = now + seconds * SECOND_NS
        while leads and (due := calendar.next_ns(now)) <= end:
            yield due
            now = due
        now = end
        yield now


@settings(max_examples=300)
@given(schedules(), st.lists(st.tuples(st.booleans(), st.integers(1, 400_000)), min_size=1, max_size=12))
def test_whenever_somebody_leads_the_phase_is_the_one_that_holds(
    schedule: Schedule, spans: list[tuple[bool, int]]
) -> None:
    """But for an opening auction that comes late, which is over a minute later; and each step is entered by two."""
    first = next(text for text in (schedule.pre_open, schedule.opening_auction) if text)
    calendar, instrument = Calendar(schedule), Instrument(seconds_of(first) * SECOND_NS)
    for now in looks(schedule, spans):
        instrument.pass_time(now)
        taken = instrument.done_ns
        for leader in range(2):  # the second has not seen what the first entered
            for step in calendar.due(now, taken):
                instrument.enter(step, now + leader)
        wanted = holds(schedule, now)
        if instrument.phase != wanted:
            assert (instrument.phase, instrument.following) == (Phase.OPENING_AUCTION, Phase.CONTINUOUS)
            assert wanted == Phase.CONTINUOUS
            assert now < instrument.until_ns <= now + LATE_AUCTION_NS
        assert calendar.next_ns(now) > now


# ---------------------------------------------------------------- an exchange, and leaders that die


@dataclass
class Leader:
    """A member that leads: what it proposes, until it is applied or lost."""

    term: int
    proposed: list[bytes] = field(default_factory=list)

    def propose(self, payload: bytes) -> None:
        self.proposed.append(payload)


class Led:
    """An exchange with one instrument that follows DAY, led by one member after the other."""

    def __init__(self, random: int) -> None:
        self.edge = MemoryEdge()
        self.edge.start(
            inputs.instrument("AAPL"), *followers([DAY]), *closed([DAY]), inputs.operation([(20021, "PHASE")])
        )
        self.random = random
        self.elect()

    def elect(self) -> None:
        """Another one, that has applied all there is."""
        self.leader = Leader(self.edge.term)
        entered: list[Step] = []
        self.scheduling = Scheduling(
            cast(Node, self.leader), [DAY], lambda: self.random, lambda _, step: entered.append(step)
        )
        self.entered = entered

    def look(self) -> list[bytes]:
        """What is due is proposed."""
        due_ns = self.scheduling.next_ns()
        assert due_ns is not None
        if due_ns <= self.edge.now_ns:
            self.scheduling.look(self.edge.exchange.schedules(), self.edge.now_ns)
        proposed, self.leader.proposed = self.leader.proposed, []
        return proposed

    @property
    def phase(self) -> Phase:
        one = self.edge.exchange.instrument("AAPL")
        assert one is not None
        return Phase[one["phase"]]


fates = st.sampled_from(["applied", "lost", "applied twice", "applied and dead", "dead"])


@settings(max_examples=60)
@given(
    st.lists(st.tuples(fates, st.integers(60, 100_000)), min_size=1, max_size=25), st.integers(0, 2**63 - 1)
)
def test_what_leaders_propose_takes_effect_once_however_they_die(
    spans: list[tuple[str, int]], random: int
) -> None:
    """Lost with its leader, or in the log twice: the phase is the one that holds, and what the log leads to is the
    same for who applies it again."""
    world = Led(random)
    edge = world.edge
    for fate, seconds in spans:
        steps = world.look()
        if fate != "lost" and steps:
            edge.entry(*steps)
        if fate == "applied twice":
            before = world.phase, edge.exchange.schedules()
            if steps:
                edge.entry(*steps)
            assert (world.phase, edge.exchange.schedules()) == before
        if fate in ("lost", "dead", "applied and dead"):
            edge.term += 1
            world.elect()
            if again := world.look():
                edge.entry(*again)
        wanted = holds(DAY, edge.now_ns)
        assert world.phase == wanted or (world.phase, wanted) == (Phase.OPENING_AUCTION, Phase.CONTINUOUS)
        edge.wait(LATE_AUCTION_NS)
        if steps := world.look():
            edge.entry(*steps)
        assert world.phase == holds(DAY, edge.now_ns)
        edge.wait(seconds * SECOND_NS)
    other = Exchange()
    for entry in edge.log:
        other.apply(entry.payload, entry.index, entry.term, entry.timestamp_ns)
    assert other.state_hash() == edge.exchange.state_hash()
