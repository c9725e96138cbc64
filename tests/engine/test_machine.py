"""What is the compiled machine's own: memory, ownership, growth, copies, bad snapshots and bad arrays.

That it follows the rules is for the tests that drive it beside engine.reference.
"""

import pickle
import struct
import threading

import numpy as np
import numpy.typing as npt
import pytest

from engine.machine import Machine
from engine.records import (
    COMMAND,
    EMPTY_PRICE,
    INT64_MAX,
    REPORT,
    CommandKind,
    OrderType,
    ReportKind,
    TimeInForce,
)

BUY, SELL = 0, 1


def new_orders(count: int, *, first_ref: int = 1, levels: int = 500) -> npt.NDArray[np.void]:
    """Resting orders that do not cross, on both sides."""
    commands = np.zeros(count, COMMAND)
    number = np.arange(count)
    distance = number * 7919 % levels + 1
    commands["kind"] = CommandKind.NEW
    commands["order_type"] = OrderType.LIMIT
    commands["time_in_force"] = TimeInForce.GTC
    commands["side"] = number % 2
    commands["client_ref"] = number + first_ref
    commands["quantity_lots"] = number % 90 + 1
    commands["price_ticks"] = np.where(number % 2 == BUY, -distance, distance)
    return commands


def cancels(refs: npt.NDArray[np.int64]) -> npt.NDArray[np.void]:
    commands = np.zeros(len(refs), COMMAND)
    commands["kind"] = CommandKind.CANCEL
    commands["client_ref"] = refs
    return commands


@pytest.fixture
def machine() -> Machine:
    machine = Machine()
    machine.define()
    return machine


@pytest.fixture
def unbounded() -> Machine:
    """Under rules that do not bound what an order is worth."""
    machine = Machine(rules=2)
    machine.define()
    return machine


def test_reports_belong_to_the_caller_and_outlive_the_machine(machine: Machine) -> None:
    first = machine.apply(new_orders(300))
    kept = first.copy()
    second = machine.apply(new_orders(300, first_ref=1000))
    assert first.flags.writeable
    second["leaves_lots"] = 0
    machine.apply(new_orders(5000, first_ref=5000))
    del machine
    assert np.array_equal(first, kept)


def test_no_commands_make_no_reports(machine: Machine) -> None:
    reports = machine.apply(np.empty(0, COMMAND))
    assert reports.dtype == REPORT
    assert len(reports) == 0


def test_commands_are_read_wherever_they_lie(machine: Machine) -> None:
    commands = new_orders(64)
    expected = machine.copy().apply(commands).tobytes()
    shifted = np.frombuffer(b"\0" * 3 + commands.tobytes(), COMMAND, offset=3)
    strided = np.repeat(commands, 2)[::2]
    assert not strided.flags.c_contiguous
    for other in (shifted, strided):
        assert machine.copy().apply(other).tobytes() == expected


def test_a_wrong_array_is_refused_before_anything_runs(machine: Machine) -> None:
    for wrong in (np.zeros(3), np.zeros(3, REPORT), [1, 2]):
        with pytest.raises(TypeError, match="COMMAND"):
            machine.apply(wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="dimension"):
        machine.apply(np.zeros((2, 2), COMMAND))
    assert machine.commands == 1


def test_values_that_fit_no_field_are_refused_before_anything_runs(machine: Machine) -> None:
    for field in ({"quantity": 2**63}, {"owner": -1}, {"client_ref": 2**64}, {"price": -(2**63) - 1}):
        with pytest.raises(OverflowError):
            machine.submit(0, BUY, **({"quantity": 1, "price": 1} | field))  # type: ignore[arg-type]
    assert machine.commands == 1


def test_a_copy_goes_its_own_way(machine: Machine) -> None:
    machine.apply(new_orders(2000))
    before = machine.state_hash()
    other = machine.copy()
    other.apply(cancels(np.arange(1, 1500)))
    other.define()
    assert machine.state_hash() == before
    again = machine.copy()
    again.apply(cancels(np.arange(1, 1500)))
    again.define()
    assert again.state_hash() == other.state_hash() != before


def test_a_pickled_machine_is_the_same_machine(machine: Machine) -> None:
    machine.apply(new_orders(200))
    other = pickle.loads(pickle.dumps(machine))
    assert other.snapshot() == machine.snapshot()
    assert other.submit(0, BUY, 5, 3)[0].order_id == 201


def test_the_state_does_not_remember_how_it_came_about(machine: Machine) -> None:
    """Slots, chains and branches are left in disorder by 20,000 cancels; the snapshot shows none of it."""
    rng = np.random.default_rng(7)
    machine.apply(new_orders(30_000, levels=3000))
    machine.apply(cancels(rng.permutation(np.arange(1, 30_001))[:20_000]))
    restored = Machine.restore(machine.snapshot())
    assert restored.snapshot() == machine.snapshot()
    more = new_orders(10_000, first_ref=100_000, levels=3000)
    assert restored.apply(more).tobytes() == machine.apply(more).tobytes()
    everything = cancels(np.arange(1, 110_001))
    assert restored.apply(everything).tobytes() == machine.apply(everything).tobytes()
    assert machine.live_orders == 0
    assert machine.depth(0, 10)[0].size == 0


def test_prices_anywhere_in_int64_are_levels_in_order(unbounded: Machine) -> None:
    rng = np.random.default_rng(11)
    prices = np.unique(
        np.concatenate([
            rng.integers(-(2**63) + 1, 2**63 - 1, 3000),
            rng.integers(-4000, 4000, 1500),
            [EMPTY_PRICE + 1, INT64_MAX, -1, 0, 1],
        ])
    )  # fmt: skip
    commands = new_orders(len(prices))
    commands["side"] = SELL
    commands["price_ticks"] = rng.permutation(prices)
    unbounded.apply(commands)
    assert np.array_equal(unbounded.depth(0, len(prices) + 1)[1]["price_ticks"], prices)
    for price in rng.permutation(prices)[: len(prices) // 2].tolist():
        ref = int(commands["client_ref"][commands["price_ticks"] == price][0])
        assert unbounded.cancel(client_ref=ref)[0].kind == ReportKind.CANCELLED
        prices = prices[prices != price]
    assert np.array_equal(unbounded.depth(0, 10_000)[1]["price_ticks"], prices)
    assert unbounded.best(0) == (None, int(prices[0]))


def test_a_level_holds_more_than_64_bits_of_lots(unbounded: Machine) -> None:
    for _ in range(5):
        unbounded.submit(0, SELL, INT64_MAX, 10)
    assert unbounded.depth(0, 1)[1]["quantity_lots"].tolist() == [INT64_MAX]
    assert unbounded.queue_ahead(5) == 4 * INT64_MAX
    assert [
        report.kind for report in unbounded.submit(0, BUY, INT64_MAX, 10, time_in_force=TimeInForce.FOK)
    ] == [
        ReportKind.ACCEPTED,
        ReportKind.TRADE,
    ]
    assert unbounded.queue_ahead(5) == 3 * INT64_MAX


def test_refs_that_differ_in_few_bits_are_found(machine: Machine) -> None:
    for shift in (0, 16, 32, 40, 48, 56):
        refs = np.arange(1, 200, dtype=np.uint64) << np.uint64(shift)
        commands = new_orders(len(refs))
        commands["client_ref"] = refs
        commands["owner"] = shift
        assert (machine.apply(commands)["kind"] == ReportKind.ACCEPTED).all()
        assert (machine.apply(commands)["kind"] == ReportKind.REJECTED).all()
    assert len(machine.orders(40)) == 199


def test_a_resting_order_takes_at_most_96_bytes_and_an_empty_book_few(machine: Machine) -> None:
    empty = machine.memory_bytes
    for count in (10_000, 70_000, 200_000):
        full = machine.copy()
        full.apply(new_orders(count))
        reports = count * REPORT.itemsize
        assert (full.memory_bytes - empty) / count <= 96, count
        assert full.memory_bytes < reports  # the array of reports is the caller's, not the machine's
    for _ in range(1000):
        machine.define()
    assert (machine.memory_bytes - empty) / 1000 <= 4096


def test_slots_are_used_again(machine: Machine) -> None:
    machine.apply(new_orders(5000))
    machine.apply(cancels(np.arange(1, 5001)))
    used = machine.memory_bytes
    for round_number in range(2, 6):
        first = round_number * 10_000
        machine.apply(new_orders(5000, first_ref=first))
        machine.apply(cancels(np.arange(first, first + 5000)))
    assert machine.memory_bytes == used


def test_one_thread_at_a_time(machine: Machine) -> None:
    """Of two threads that meet inside the machine one is refused; the books know nothing of it."""
    commands = new_orders(400_000)
    refused = []

    def look() -> None:
        while worker.is_alive():
            try:
                machine.snapshot()
            except RuntimeError as error:
                refused.append(str(error))
                return

    worker = threading.Thread(target=machine.apply, args=(commands,))
    worker.start()
    look()
    worker.join()
    assert machine.live_orders == len(commands)
    assert all("in use by another thread" in text for text in refused)


HEADER, INSTRUMENT, ORDER = 56 + 16, 248, 56


def test_a_damaged_snapshot_names_the_offset(machine: Machine) -> None:
    machine.submit(0, BUY, 5, 10)
    machine.submit(0, SELL, 5, 12)
    good = machine.snapshot()
    first, second = HEADER + INSTRUMENT, HEADER + INSTRUMENT + ORDER
    stories = [
        (0, b"X", 0, "not a snapshot"),
        (8, struct.pack("<I", 9), 8, "rules version 9"),
        (48, struct.pack("<Q", 3), 48, "3 live orders announced, 2 found"),
        (HEADER, struct.pack("<q", 0), HEADER, "contradict"),
        (first, struct.pack("<Q", 7), first, "never given"),
        (second, struct.pack("<Q", 1), second, "order id 1 twice"),
        (second + 8, struct.pack("<Q", 1), second, "client_ref 1 twice"),
        (first + 24, struct.pack("<q", 12), second + ORDER, "crossed"),
        (first + 40, struct.pack("<q", 6), first, "leaves"),
        (first + 48, b"\2", first, "a second record that is missing or needless"),
        (56 + 8, struct.pack("<I", 1), HEADER + 8, "a row of a tick table that cannot follow"),
        (HEADER + 48 + 8, struct.pack("<I", 1), HEADER + 48, "a tick table that is not there"),
    ]
    for at, bytes_, offset, what in stories:
        bad = good[:at] + bytes_ + good[at + len(bytes_) :]
        with pytest.raises(ValueError, match=f"byte offset {offset}: .*{what}"):
            Machine.restore(bad)
    for size in (0, 10, HEADER + 3, first + 1, len(good) - 1):
        with pytest.raises(ValueError, match="ends in the middle"):
            Machine.restore(good[:size])
    with pytest.raises(ValueError, match="after the end"):
        Machine.restore(good + b"\0")
