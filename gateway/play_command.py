"""`quorumbook play`: a flow file through a client session into a running exchange."""

import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from decimal import Decimal
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from gateway.client import Client, connect
from gateway.flow import FlowRow
from gateway.flow_files import FillsWriter, read_blocks
from gateway.impatience import impatient, reasoned
from gateway.locate import Place, explained, where_to_log_on
from gateway.play import Answers, FlowRequests
from gateway.reasons import reason_text

WINDOW = 1024
"""Requests on their way at a time."""
PATIENCE_SECONDS = 60.0
"""How long the exchange may be away before `play` gives up."""
HEARTBEAT_SECONDS = 2
"""A replica that stands still is given up after 2.4 of these, and another one tried."""
PERCENTILES = (50, 90, 99, 99.9, 100)


def parts(increment: Decimal) -> tuple[int, int]:
    """Mantissa and exponent of a decimal."""
    _, digits, exponent = increment.as_tuple()
    assert isinstance(exponent, int)
    return int("".join(map(str, digits))), exponent


@click.command("play")
@click.argument("flow", type=click.Path(path_type=Path))
@click.option("--symbol", required=True, help="The instrument to play it into.")
@click.option("--fills", type=click.Path(path_type=Path), help="Write the fills here (.csv, .gz, .zst).")
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    help="Requests per second; as fast as answers come.",
)
@where_to_log_on
@click.option("--as", "comp_id", help="SenderCompID. Default: a new one every time.")
def play(
    flow: Path,
    symbol: str,
    fills: Path | None,
    rate: float | None,
    endpoints: tuple[str, ...],
    data: tuple[Path, ...],
    comp_id: str | None,
) -> None:
    """Play FLOW into a running exchange over FIX and print latency percentiles.

    The k-th entry of flow id N gets the ClOrdID N.k. When the replica that it is connected to
    ends, it goes on at the next; when none is there, they are waited for. Every request counts once.
    Ctrl-C ends it after the answers to what was sent; once more at once. Open orders stay.
    """
    if str(flow) == "-":
        raise click.ClickException(
            "play reads a flow twice, to check all of it first: give a file instead of -"
        )
    with explained():
        place = Place(endpoints, data)
        price, quantity = place.instrument(symbol)
        if place.assumed:
            click.echo(
                f"{symbol}: taken to have the default configuration's increments, price {price} and quantity "
                f"{quantity}: an endpoint does not tell. If the exchange has others, give --data with its directory.",
                err=True,
            )
        total = sum(
            len(rows) for rows in read_blocks(flow)
        )  # also: every line is good before anything is sent
        requests = FlowRequests(symbol, parts(price), parts(quantity))
        comp_id = comp_id or "PLAY-" + np.base_repr(time.time_ns() // 1_000_000, 36)
        with FillsWriter(fills) if fills else nullcontext() as writer, log_on(place, comp_id) as client:
            player = Player(client, requests, rate)
            session = options(comp_id, endpoints, data)
            started = time.perf_counter()
            with (
                bar(total, symbol) as progress,
                interruptible(player, total, session),
                reasoned(place, comp_id),
            ):
                for rows in read_blocks(flow):
                    for sent in player.play(rows):
                        progress(sent)
                player.drain()
                progress(player.sent)
                seconds = time.perf_counter() - started
                open_orders = len(client.orders()) if player.stopped else 0
            answers = player.answers
            played = answers.fills()
            if writer:
                writer.write(played)
    say(symbol, comp_id, len(played), seconds, player)
    if player.stopped:
        left = f"{open_orders:,} orders stay open: {ways(session)}" if open_orders else "no order stays open"
        click.echo(f"interrupted: {player.so_far(total)}; {left}", err=True)
        raise click.exceptions.Exit(130)
    if answers.rejected:
        raise click.ClickException(
            f"{answers.rejected:,} requests were refused as messages: {player.refusal}"
        )


def log_on(place: Place, comp_id: str) -> Client:
    """Says after a moment what it waits for."""
    with impatient(place, comp_id):
        return connect(
            place.fix(),
            comp_id,
            timeout=PATIENCE_SECONDS,
            heartbeat_seconds=HEARTBEAT_SECONDS,
            **place.wire(),
        )


@contextmanager
def interruptible(player: "Player", total: int, session: str) -> Iterator[None]:
    """Ctrl-C stops the player between two requests: an exception could come in the middle of one. The next Ctrl-C is
    one. Whatever ends it otherwise, it is said how far it came. session: the options that name it to other commands."""

    def stop(*_: object) -> None:
        player.stopped = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    except BaseException:
        click.echo(f"{player.so_far(total)}. Open orders stay: {ways(session)}", err=True)
        raise
    finally:
        signal.signal(signal.SIGINT, before)


def options(comp_id: str, endpoints: Sequence[str], data: Sequence[Path]) -> str:
    """Those that name this session to other commands."""
    where = [f"--connect {endpoint}" for endpoint in endpoints] + [f"--data {one}" for one in data]
    return " ".join([f"--as {comp_id}", *where])


def ways(session: str) -> str:
    """What can be done about orders that stay open."""
    return f"see them with quorumbook orders {session}, cancel all with quorumbook cancel --all {session}"


class Player:
    """Sends requests through a window and times the answers from the intended send time."""

    def __init__(self, client: Client, requests: FlowRequests, rate: float | None) -> None:
        self.client = client
        self.requests = requests
        self.answers = Answers(requests)
        self.refusal = ""
        self.sent = 0
        self.stopped = False  # may be set at any time: nothing more is sent
        self._gap_ns = 0.0 if rate is None else 1e9 / rate
        self._start_ns = time.monotonic_ns()
        self._intended: list[npt.NDArray[np.int64]] = []
        self._answered: list[tuple[int, int]] = []  # (how many, when)

    def play(self, rows: Sequence[FlowRow]) -> Iterator[int]:
        """Send these rows; yields the count so far now and then. A REDUCE waits for all answers before it."""
        begin = 0
        for i, row in enumerate(rows):
            if row.action == "REDUCE":
                yield from self._send(rows[begin:i])
                self.drain()
                yield from self._send(rows[i : i + 1])
                begin = i + 1
        yield from self._send(rows[begin:])

    def _send(self, rows: Sequence[FlowRow]) -> Iterator[int]:
        if not rows or self.stopped:
            return
        requests = self.requests.build(rows)
        done = 0
        while done < len(requests) and not self.stopped:
            room = min(WINDOW - (self.sent - self.answers.answered), len(requests) - done)
            if self._gap_ns:
                now = time.monotonic_ns() - self._start_ns
                room = min(room, int(now / self._gap_ns) + 1 - self.sent)
            if room <= 0:
                self._receive(self._pause())
                continue
            times = np.full(room, time.monotonic_ns(), np.int64)
            if self._gap_ns:
                times = (self._start_ns + np.arange(self.sent, self.sent + room) * self._gap_ns).astype(
                    np.int64
                )
            self._intended.append(times)
            self.client.send(requests[done : done + room])
            self.sent += room
            done += room
            self._receive(0.0)
            yield self.sent

    def _pause(self) -> float:
        """Seconds to wait for answers: until the next request is due, or a while."""
        if not self._gap_ns or self.sent - self.answers.answered >= WINDOW:
            return 1.0
        due = self._start_ns + self.sent * self._gap_ns
        return min(max((due - time.monotonic_ns()) / 1e9, 0.0), 1.0)

    def drain(self) -> None:
        """Wait until every request is answered. TimeoutError when answers stop coming."""
        while self.answers.answered < self.sent:
            before, since = self.answers.answered, time.monotonic()
            while self.answers.answered == before:
                self._receive(1.0)
                if time.monotonic() - since > PATIENCE_SECONDS:
                    raise TimeoutError(f"only {before:,} of {self.sent:,} requests were answered")

    def so_far(self, total: int) -> str:
        """For people."""
        answered = min(self.answers.answered, self.sent)
        return f"{self.sent:,} of {total:,} requests were sent, {answered:,} of these answered"

    def _receive(self, timeout: float) -> None:
        received = self.client.receive(timeout)
        now = time.monotonic_ns()
        for batch, start, stop in received:
            array = batch.array[start:stop]
            rejected = self.answers.rejected
            count = self.answers.take(array)
            if count:
                self._answered.append((count, now))
            if self.answers.rejected > rejected and not self.refusal:
                wrong = next(i for i in range(start, stop) if batch.report(i).msg_type.value in "3j")
                self.refusal = batch.report(wrong).text or "no reason given"

    def latencies_us(self) -> npt.NDArray[np.float64]:
        """From the intended send time to the first report about the request."""
        if not self._answered:
            return np.zeros(0)
        intended = np.concatenate(self._intended)
        counts, times = zip(*self._answered, strict=True)
        answered = np.repeat(np.array(times, np.int64), counts)[: len(intended)]
        return (answered - intended[: len(answered)]) / 1000


class bar:
    """A progress bar on standard error, where that is a terminal."""

    def __init__(self, total: int, symbol: str) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())
        self._task = self._progress.add_task(symbol, total=total)

    def __enter__(self) -> "bar":
        self._progress.start()
        return self

    def __call__(self, done: int) -> None:
        self._progress.update(self._task, completed=done)

    def __exit__(self, *error: object) -> None:
        self._progress.stop()


def say(symbol: str, comp_id: str, fills: int, seconds: float, player: Player) -> None:
    """What happened, for people."""
    click.echo(
        f"{symbol} as {comp_id}: {player.sent:,} requests, {fills:,} fills in {seconds:.2f} s ", nl=False
    )
    click.echo(f"({player.sent / max(seconds, 1e-9):,.0f}/s)")
    for code, count in player.answers.refused.most_common():
        click.echo(f"  refused {count:,}: {reason_text(code)}")
    latencies = player.latencies_us()
    if len(latencies):
        names = (f"p{percent:g}" if percent < 100 else "max" for percent in PERCENTILES)
        table = Table("latency, µs", *names, box=SIMPLE_HEAD)
        table.add_row("first report", *(f"{value:,.0f}" for value in np.percentile(latencies, PERCENTILES)))
        Console().print(table)
