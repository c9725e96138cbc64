"""The compiled machine against the specification: the same commands, the same reports, the same state."""

from typing import Any

import numpy as np
import pytest
from engine_scenario import tell
from engine_strategies import COMMANDS, plain_instrument
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from engine import machine, reference
from engine.records import COMMAND, INT64_MAX


def assert_same_reports(told: Any, expected: Any) -> None:
    if told.tobytes() != expected.tobytes():  # in words, which say more and take longer
        assert list(map(tell, told)) == list(map(tell, expected))
        assert told.tolist() == expected.tolist()
        raise AssertionError("reports that differ in their bytes only")


class BothMachines(RuleBasedStateMachine):
    """Two machines that hear the same; after every step they are compared in everything that can be seen."""

    @initialize(
        version=st.sampled_from([1, 2, 3, 3, 3, 3]),
        protection=st.sampled_from([-1, 0, 2]),
        algorithm=st.integers(0, 1),
        trigger=st.integers(0, 1),
    )
    def open(self, version: int, protection: int, algorithm: int, trigger: int) -> None:
        self.core: Any = machine.Machine(rules=version)
        self.rules: Any = reference.Machine(rules=version)
        later = {"algorithm": algorithm, "trigger": trigger} if version >= 3 else {}
        self.run(plain_instrument(0, protection_ticks=protection, **later))

    def run(self, commands: Any) -> None:
        assert_same_reports(self.core.apply(commands), self.rules.apply(commands))

    @rule(command=COMMANDS)
    def one(self, command: Any) -> None:
        self.run(command)

    @rule(commands=st.lists(COMMANDS, min_size=2, max_size=12), cut=st.integers(0, 12))
    def batch(self, commands: list[Any], cut: int) -> None:
        """Where a batch is cut does not matter, and each command's hash is compared on copies."""
        array = np.concatenate(commands)
        core, rules = self.core.copy(), self.rules.copy()
        for command in commands:
            assert_same_reports(core.apply(command), rules.apply(command))
            assert core.state_hash() == rules.state_hash()
        expected = self.rules.apply(array)
        assert_same_reports(
            np.concatenate([self.core.apply(array[:cut]), self.core.apply(array[cut:])]), expected
        )
        assert core.snapshot() == self.core.snapshot()

    @rule(step=st.integers(-1, 2**62))
    def advance(self, step: int) -> None:
        time_ns = self.rules.time_ns + step
        if step < 0 or time_ns > INT64_MAX:
            for one in (self.core, self.rules):
                with pytest.raises((ValueError, OverflowError)):
                    one.advance(time_ns)
        else:
            self.core.advance(time_ns)
            self.rules.advance(time_ns)

    @rule()
    def restore_from_the_other(self) -> None:
        core, rules = self.core.snapshot(), self.rules.snapshot()
        self.core = machine.Machine.restore(rules)
        self.rules = reference.Machine.restore(core)

    @rule(command=COMMANDS)
    def copy(self, command: Any) -> None:
        """What a copy does, the original does not notice."""
        before = self.core.snapshot()
        fork = self.core.copy()
        assert fork.snapshot() == before
        fork.apply(command)
        assert self.core.snapshot() == before
        self.core, fork = self.core.copy(), self.core
        fork.apply(command)

    @rule(at=st.integers(0, 2000), value=st.integers(0, 255))
    def damaged_snapshot(self, at: int, value: int) -> None:
        """A snapshot with one wrong byte is refused by both, or is a state to both."""
        data = bytearray(self.rules.snapshot())
        data[at % len(data)] = value
        results = []
        for kind in (machine, reference):
            try:
                results.append(kind.Machine.restore(bytes(data)).snapshot())
            except ValueError as error:
                results.append("offset" if "offset" in str(error) else str(error))
        assert results[0] == results[1]

    @invariant()
    def the_states_are_the_same(self) -> None:
        core, rules = self.core, self.rules
        assert core.snapshot() == rules.snapshot()
        assert core.state_hash() == rules.state_hash()
        assert (core.time_ns, core.commands, core.live_orders) == (
            rules.time_ns,
            rules.commands,
            rules.live_orders,
        )
        for instrument in range(3):
            try:
                expected = rules.best(instrument)
            except ValueError:
                with pytest.raises(ValueError, match="instrument"):
                    core.best(instrument)
                continue
            assert core.best(instrument) == expected
            for n in (0, 1, 50):
                told = core.depth(instrument, n)
                assert [side.tolist() for side in told] == [
                    side.tolist() for side in rules.depth(instrument, n)
                ]
        for owner in (0, 1):
            assert [fields(order) for order in core.orders(owner)] == [
                fields(order) for order in rules.orders(owner)
            ]
            for order in rules.orders(owner):
                assert ahead(core, order.order_id) == ahead(rules, order.order_id)
                assert fields(core.order(order.order_id)) == fields(order)


ORDER_FIELDS = [
    "order_id",
    "client_ref",
    "owner",
    "account",
    "instrument",
    "side",
    "order_type",
    "time_in_force",
    "flags",
    "capacity",
    "price_ticks",
    "quantity_lots",
    "leaves_lots",
    "cumulative_lots",
]


def fields(order: Any) -> list[int]:
    return [getattr(order, name) for name in ORDER_FIELDS]


def ahead(one: Any, order_id: int) -> int | str:
    """The lots before an order, or that it has no place."""
    try:
        return int(one.queue_ahead(order_id))
    except ValueError:
        return "nowhere"


CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def test_both_machines_do_the_same() -> None:
    profile = settings(max_examples=150, stateful_step_count=30, suppress_health_check=CHECKS)
    run_state_machine_as_test(BothMachines, settings=profile)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_both_machines_do_the_same_for_long() -> None:
    profile = settings(max_examples=5000, stateful_step_count=60, suppress_health_check=CHECKS)
    run_state_machine_as_test(BothMachines, settings=profile)


def traffic(random: np.random.Generator, count: int, ids: int, books: int = 3) -> Any:
    """Commands of a busy market: prices that wander, cancels and replaces of orders that mostly live."""
    commands = np.zeros(count, COMMAND)
    commands["kind"] = random.choice([2, 3, 4, 5, 6, 9], count, p=[0.55, 0.25, 0.06, 0.08, 0.05, 0.01])
    commands["side"] = random.integers(0, 2, count)
    commands["order_type"] = random.choice([1, 2], count, p=[0.95, 0.05])
    commands["time_in_force"] = random.choice([0, 1, 2, 3, 4], count, p=[0.1, 0.75, 0.08, 0.06, 0.01])
    commands["flags"] = random.choice([0, 1], count, p=[0.9, 0.1])
    commands["instrument"] = random.integers(0, books, count)
    commands["owner"] = random.integers(0, 3, count)
    commands["client_ref"] = random.integers(0, ids, count)
    commands["order_id"] = np.where(random.random(count) < 0.5, 0, random.integers(0, 4 * ids, count))
    centre = int(random.choice([0, -1000, 58_000, 2**40, INT64_MAX - 10**7, 10**7 - INT64_MAX]))
    width = int(random.choice([3, 60, 5000, 10**6]))
    prices = np.rint(random.standard_t(2, count) * width).clip(-(10**6), 10**6).astype(np.int64) + centre
    keeps = (commands["kind"] > 2) & (random.random(count) < 0.3)
    commands["price_ticks"] = np.where((commands["order_type"] == 2) | keeps, -(2**63), prices)
    quantities = random.geometric(0.05, count).astype(np.int64)
    commands["quantity_lots"] = np.where(random.random(count) < 0.002, INT64_MAX - quantities, quantities)
    return commands


def drive(seed: int, rounds: int, size: int, books: int = 3, version: int = 3) -> None:
    random = np.random.default_rng(seed)
    core: Any = machine.Machine(rules=version)
    rules: Any = reference.Machine(rules=version)
    terms: list[dict[str, int]] = [
        {},
        {"protection_ticks": 10, "lot_lots": 2},
        {"min_lots": 3, "max_lots": 50},
    ]
    ids = int(random.choice([10, 300, 3000]))
    batches = [plain_instrument(number, **terms[number % len(terms)]) for number in range(books)]
    batches += [traffic(random, size, ids, books) for _ in range(rounds)]
    for batch in batches:
        assert_same_reports(core.apply(batch), rules.apply(batch))
        assert core.snapshot() == rules.snapshot()


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("seed", range(6))
def test_busy_markets_come_out_the_same(seed: int, version: int) -> None:
    drive(seed, rounds=10, size=300, version=version)


@pytest.mark.parametrize("seed", range(2))
def test_more_books_than_the_cache_holds_come_out_the_same(seed: int) -> None:
    drive(seed, rounds=3, size=2000, books=300)


def few_levels(random: np.random.Generator, count: int, growing: bool, most: int) -> Any:
    """Orders and cancels at a dozen prices of each side, up to the last there are; mostly entries when `growing`."""
    commands = np.zeros(count, COMMAND)
    commands["kind"] = np.where(random.random(count) < (0.8 if growing else 0.2), 2, 3)
    commands["side"] = random.integers(0, 2, count)
    commands["order_type"] = 1
    commands["client_ref"] = random.integers(0, 40, count)
    far = random.choice([0, 1, 2, 3, 64, 65, 4096, 4097, 4098, 2**40, 2**41, 2**62], count)
    commands["price_ticks"] = np.where(commands["side"] == 1, INT64_MAX - far, far - INT64_MAX)
    commands["quantity_lots"] = random.integers(1, most + 1, count)
    return commands


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_sides_that_swing_between_one_level_and_a_dozen_come_out_the_same(seed: int, version: int) -> None:
    """The core holds a lone level, a few and many in three ways; depth walks each of them."""
    random = np.random.default_rng(seed)
    core: Any = machine.Machine(rules=version)
    rules: Any = reference.Machine(rules=version)
    most = []
    most_lots = 8 if version < 3 else 1  # of which price times quantity fits int64
    batches = [few_levels(random, 60, n % 2 == 0, most_lots) for n in range(40)]
    batches.insert(0, plain_instrument(0))
    for batch in batches:
        for command in np.split(batch, len(batch)):
            assert_same_reports(core.apply(command), rules.apply(command))
            for told, expected in zip(core.depth(0, 20), rules.depth(0, 20), strict=True):
                assert told.tolist() == expected.tolist()
        most.append(max(map(len, core.depth(0, 20))))
        assert core.snapshot() == rules.snapshot() == core.copy().snapshot()
    assert min(most[1:]) < 6
    assert max(most) > 10


def test_many_dates_that_change_come_out_the_same() -> None:
    """Dates that are no longer meant are more than the others, again and again; none is forgotten."""
    random = np.random.default_rng(5)
    entries = np.zeros(3000, COMMAND)
    entries["kind"], entries["order_type"], entries["time_in_force"] = 2, 1, 4
    entries["flags"], entries["quantity_lots"], entries["client_ref"] = 128, 5, np.arange(3000)
    amends = entries[random.integers(0, 3000, 9000)]
    amends["kind"], amends["price_ticks"] = 5, -(2**63)
    amends["stop_price_ticks"] = amends["peg_limit_ticks"] = -(2**63)
    cancels = entries[:1000].copy()
    cancels["kind"], cancels["flags"] = 3, 0
    for commands in (entries, amends):
        commands["expire_ns"] = random.integers(1, 400, len(commands))
    steps = np.zeros(40, COMMAND)
    steps["kind"], steps["expire_ns"] = 8, np.arange(10, 410, 10)
    log = np.concatenate([plain_instrument(0), entries, amends, cancels])
    core, rules = machine.Machine(), reference.Machine()
    assert_same_reports(core.apply(log), rules.apply(log))
    assert core.live_orders == 2000
    assert_same_reports(core.apply(steps), rules.apply(steps))
    assert core.live_orders == rules.live_orders == 0


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(100, 160))
def test_many_busy_markets_come_out_the_same(seed: int) -> None:
    drive(seed, rounds=60, size=1000)
