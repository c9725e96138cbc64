"""What the wire benchmark makes of what it saw: answers in their turn, and latency from the intended send time."""

from collections import deque
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bench import many_in_flight
from bench.histograms import Curve, draw, figures, histogram, write_log
from bench.many_in_flight import OutOfTurn, last_answered, stream
from gateway.client_types import MESSAGE, REQUEST

SECOND = 1_000_000_000


def reports(*numbers: int, maker: tuple[int, ...] = (), rejected: tuple[int, ...] = ()) -> Any:
    """Execution reports under these ClOrdIDs; `maker` and `rejected` are places among them."""
    made = np.zeros(len(numbers), MESSAGE)
    made["msg_type"], made["ord_status"], made["cl_ord_id_number"] = ord("8"), ord("0"), numbers
    made["maker_taker"][list(maker)] = ord("1")
    made["ord_status"][list(rejected)] = ord("8")
    return made


@pytest.mark.parametrize(
    ("came", "last"),
    [
        (reports(), 10),
        (reports(11, 12, 13), 13),
        (reports(11, 11, 3, 11, 12, maker=(2,)), 12),  # 11 takes, 3 is a maker that it filled
        (reports(3, maker=(0,)), 10),
        (reports(10, 11), 11),  # fills of the last one go on in this batch
    ],
)
def test_answers_in_their_turn(came: Any, last: int) -> None:
    assert last_answered(came, 10) == last


@pytest.mark.parametrize(
    "came",
    [reports(12), reports(11, 13), reports(11, 10), reports(11, rejected=(0,)), reports(3)],
    ids=["first left out", "one left out", "backwards", "refused", "another's, not as a maker"],
)
def test_answers_out_of_turn_stop_the_run(came: Any) -> None:
    with pytest.raises(OutOfTurn):
        last_answered(came, 10)


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 0

    def monotonic_ns(self) -> int:
        return self.now


class Answering:
    """A client whose orders are answered one at a time, a second each; a send may stall."""

    def __init__(self, clock: Clock, stall: int) -> None:
        self.clock, self.stall = clock, stall
        self.waiting: deque[int] = deque()
        self.most = 0

    def send(self, requests: Any) -> None:
        self.clock.now += self.stall
        self.waiting.extend(int(name) for name in requests["cl_ord_id"])
        self.most = max(self.most, len(self.waiting))

    def receive(self, timeout: float) -> list[tuple[Any, int, int]]:
        self.clock.now += SECOND
        return [(SimpleNamespace(array=reports(self.waiting.popleft())), 0, 1)]


@pytest.mark.parametrize("stall", [0, 5 * SECOND])
def test_latency_runs_from_when_the_window_had_room(monkeypatch: pytest.MonkeyPatch, stall: int) -> None:
    """A send that stalls makes its order late: what the client could not send in time is not left out."""
    clock = Clock()
    client = Answering(clock, stall)
    monkeypatch.setattr(many_in_flight, "time", clock)
    requests = np.zeros(4, REQUEST)
    requests["cl_ord_id"] = [b"1", b"2", b"3", b"4"]
    taken = stream(client, requests, window=2)  # type: ignore[arg-type]
    assert client.most == 2
    assert taken.reports == 4
    each = SECOND + stall  # a send and an answer, until all are sent
    assert (taken.answered - taken.intended).tolist() == [each, 2 * each, 2 * each, each + SECOND]
    assert taken.intended.tolist() == [0, 0, each, 2 * each]
    assert taken.seconds == (3 * each + SECOND) / SECOND


def test_percentiles_are_of_all_orders() -> None:
    found = histogram(np.array([100_000] * 98 + [50_000_000] * 2, np.int64))
    assert figures(found)["latency_us_p50"] == pytest.approx(100, rel=0.005)
    assert figures(found)["latency_us_p99"] == pytest.approx(50_000, rel=0.005)
    assert found.get_total_count() == 100


def test_histograms_are_drawn_and_kept(tmp_path: Any) -> None:
    from hdrh.histogram import HdrHistogram
    from hdrh.log import HistogramLogReader

    curves = [
        Curve("one, by one", "TCP, exchange", 0, 0, histogram(np.arange(1_000, 9_000, dtype=np.int64))),
        Curve("many", "TCP", 0, 1, histogram(np.array([7_000_000], np.int64))),
    ]
    draw(curves, "title", tmp_path / "new" / "wire.png")
    assert (tmp_path / "new" / "wire.png").read_bytes().startswith(b"\x89PNG")
    write_log(curves, tmp_path / "wire.hlog")
    reader = HistogramLogReader(str(tmp_path / "wire.hlog"), HdrHistogram(1_000, 60_000_000_000, 3))
    first, second = reader.get_next_interval_histogram(), reader.get_next_interval_histogram()
    assert (first.get_tag(), first.get_total_count()) == ("one-by-one-TCP-exchange", 8_000)
    assert second.get_value_at_percentile(50) == pytest.approx(7_000_000, rel=0.005)
