"""The command `replay`: the log of a stopped or a running exchange, applied again. Reads only."""

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from gateway.config import ConfigError
from replication.messages import Entry

if TYPE_CHECKING:
    from gateway.exchange import Exchange
    from replication.wal import Position

STEP = 1 << 20
Trade = tuple[int, int, int, str, int, str, str, int, int]


@click.command()
@click.argument(
    "named", metavar="[DATA_DIR]", required=False, type=click.Path(file_okay=False, path_type=Path)
)
@click.option("--to", "last", metavar="INDEX", type=click.IntRange(min=1), help="Stop after this log index.")
@click.option(
    "--fills", type=click.Path(dir_okay=False, path_type=Path), help="Write the fills (CSV, .gz, .zst)."
)
@click.option("--symbol", help="Only this symbol's fills.")
@click.option("--verify", is_flag=True, help="Check every byte and the hash chain; checksums always are.")
def replay(
    named: Path | None, last: int | None, fills: Path | None, symbol: str | None, verify: bool
) -> None:
    """Apply a log again and show where it leads: of a local cluster that of the first replica that runs.

    The fills carry flow ids: N for an order whose ClOrdID is `N.k`, 0 for one of another kind.
    """
    from gateway.flow import FILLS_HEADER
    from gateway.flow_files import create_text
    from replication.disk import read_log_pieces

    directory = log_directory(named)
    payload_bytes = 0
    unfinished: list[str] = []
    began = time.perf_counter()
    with telling(directory):
        exchange, after = opened(directory)
        begins, chain_hash = (after.index, after.hash) if after is not None else (0, b"")
        if last is not None and last < begins:
            raise click.ClickException(
                f"{directory}: the log begins with the snapshot at entry {begins}; --to {last} is before it"
            )
        exchange.record_trades = fills is not None
        entries = begins
        with ExitStack() as stack:
            out = stack.enter_context(create_text(fills)) if fills else None
            writer = FillsOut(out, FILLS_HEADER, symbol) if out else None
            for piece in read_log_pieces(str(directory), verify, unfinished.append, after):
                wanted = piece if last is None else piece[: last - entries]
                if not wanted:
                    break
                apply(exchange, wanted, directory)
                entries += len(wanted)
                payload_bytes += sum([len(entry.payload) for entry in wanted])
                chain_hash = wanted[-1].chain_hash
                if writer:
                    writer.write(exchange.take_trades())
                if entries == last:
                    break
            if last is not None and exchange.applied_index < last:
                raise click.ClickException(
                    f"{directory}: the log ends with entry {exchange.applied_index}; --to {last} is beyond it"
                )
            if symbol is not None and symbol not in exchange.symbols():
                raise click.ClickException(
                    f"--symbol {symbol}: the log has no such symbol; it has {', '.join(exchange.symbols()) or 'none'}"
                )
    seconds = time.perf_counter() - began
    if begins:
        click.echo(
            f"{'begins with':<15} the snapshot at entry {begins:,}: what came before is not in the log"
        )
    for name, value in {
        "data": directory,
        "entries": f"{entries - begins:,}",
        "inputs": f"{exchange.input_number:,}",
        "commands": f"{exchange.machine.commands:,}",
        "fills": f"{exchange.machine.trades:,}",
        "live orders": f"{exchange.machine.live_orders:,}",
        "skipped inputs": f"{exchange.skipped_inputs:,}",
        "seconds": f"{seconds:.3f}",
        "commands/s": f"{exchange.machine.commands / seconds:,.0f}",
        "bytes/s": f"{payload_bytes / seconds:,.0f}",
        "last index": exchange.applied_index,
        "chain hash": chain_hash.hex(),
        "state hash": hash_of(exchange),
        "verified": "every byte and hash" if verify else "checksums (--verify checks every byte and hash)",
    }.items():
        click.echo(f"{name:<15} {value}")
    for what in unfinished:
        click.echo(f"unfinished      {what}")


def log_directory(named: Path | None) -> Path:
    """Of a local cluster that of the first replica that runs. Raises ClickException."""
    from gateway.replicas import in_directory, with_logs

    try:
        directories = with_logs(named)
    except ConfigError as error:
        raise click.ClickException(str(error)) from None
    return next((one for one in directories if in_directory(one).admin), directories[0])


def opened(directory: Path) -> "tuple[Exchange, Position | None]":
    """The exchange that a log begins with, and the entry that it is true at; None: it begins with nothing. Only its
    state is computed. Raises LogError, ValueError for a snapshot that is none."""
    from gateway.exchange import Exchange
    from gateway.replica_snapshot import restore_exchange
    from replication.disk import opening_snapshot

    exchange, after = Exchange(), None
    if (opening := opening_snapshot(str(directory))) is not None:
        _, exchange, _ = restore_exchange(opening[1])
        after = opening[0].header.position
    exchange.feed.ignore(b"")  # nobody reads it here: sequences are counted, nothing is built
    exchange.discards_egress = True
    return exchange, after


@contextmanager
def telling(directory: Path) -> Iterator[None]:
    """What is wrong with a log, for people. Raises ClickException."""
    from replication.files import LogError

    try:
        yield
    except LogError as error:
        raise click.ClickException(str(error)) from None
    except ValueError as error:
        raise click.ClickException(f"{directory}: the snapshot it begins with: {error}") from None
    except BrokenPipeError:
        raise  # of the output, not of the log
    except OSError as error:
        raise click.ClickException(f"{error.filename or directory}: {error.strerror or error}") from None


def hash_of(exchange: "Exchange") -> str:
    """Of the state, if it is whole where the log ends."""
    return "none: the work of a command goes on behind" if exchange.works_on else exchange.state_hash()


def apply(exchange: "Exchange", entries: list[Entry], directory: Path) -> None:
    try:
        exchange.begin_all(entries)
        while not exchange.step(STEP):
            pass
    except (ValueError, RuntimeError, AssertionError) as error:
        raise click.ClickException(
            f"{directory}: the log cannot be applied beyond entry {exchange.applied_index}: {error}"
        ) from None


class FillsOut:
    """Fills in the order they happened. `order_seq` is the input number; ids are the flow's own."""

    def __init__(self, out: TextIO, header: str, symbol: str | None) -> None:
        self._out = out
        self._symbol = symbol
        self._count = 0
        out.write(header + "\n")

    def write(self, trades: Iterable[Trade]) -> None:
        for number, time_ns, _, taker, _, maker, symbol, price_ticks, quantity_lots in trades:
            if self._symbol in (None, symbol):
                self._count += 1
                self._out.write(
                    f"{self._count},{number},{time_ns},{flow_id(taker)},{flow_id(maker)},{price_ticks},{quantity_lots}\n"
                )


def flow_id(cl_ord_id: str) -> str:
    """N of `N.k` or `N.k.j`; 0 for an order that no flow entered: a ClOrdID may hold any text."""
    number = cl_ord_id.partition(".")[0]
    return number if number.isascii() and number.isdecimal() else "0"
