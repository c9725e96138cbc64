"""Flow files: order flow and its fills as CSV text, and flow played through a machine.

A flow has the header `seq,time_ns,action,order_id,side,price_ticks,qty,tif[,src]`. NEW enters an order
(an empty price is a market order), REDUCE takes an amount off, CANCEL takes out what is left; a CANCEL of
an unknown id is normal. An id may be entered again after its cancel: its k-th entry is an order of its
own, which over FIX has the ClOrdID `id.k`, and REDUCE and CANCEL mean the latest entry. A time that goes
back counts as the latest time before it.

No files here: `flow_files` opens them and hands over text.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from engine.records import (
    COMMAND,
    EMPTY_PRICE,
    INT64_MAX,
    REPORT,
    CommandFlag,
    CommandKind,
    OrderType,
    ReportKind,
    Side,
    TimeInForce,
)

COLUMNS: Final = ("seq", "time_ns", "action", "order_id", "side", "price_ticks", "qty", "tif")
FLOW_HEADER: Final = ",".join((*COLUMNS, "src"))
FILLS_HEADER: Final = "fill_seq,order_seq,time_ns,taker_id,maker_id,price_ticks,qty"
MAX_ORDER_ID: Final = 2**64 - 1
BLOCK: Final = 1 << 16
"""Characters parsed at a time."""

KINDS: Final = {"NEW": CommandKind.NEW, "REDUCE": CommandKind.REDUCE, "CANCEL": CommandKind.CANCEL}
SIDES: Final = {"B": Side.BUY, "S": Side.SELL, "": Side.BUY}  # only a NEW needs a side
TIMES_IN_FORCE: Final = {
    "DAY": TimeInForce.DAY,
    "GTC": TimeInForce.GTC,
    "POST": TimeInForce.GTC,
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
    "": TimeInForce.GTC,  # of a REDUCE or CANCEL
}
SYNTAX: Final = {
    "seq": (r"\d{1,99}", "a whole number"),
    "time_ns": (r"\d{1,99}", "a whole number of nanoseconds"),
    "action": (r"NEW|REDUCE|CANCEL", "NEW, REDUCE or CANCEL"),
    "order_id": (r"\d{1,99}", "a whole number"),
    "side": (r"[BS]?", "B or S (or nothing, in a REDUCE or CANCEL)"),
    "price_ticks": (r"-?\d{1,99}|", "a whole number, or nothing for a market order"),
    "qty": (r"\d{1,99}|", "a whole number"),
    "tif": (r"GTC|IOC|FOK|DAY|POST|", "GTC, IOC, FOK, DAY or POST (or nothing, in a REDUCE or CANCEL)"),
    "src": (r"[^,\r\n]*", "text without a comma"),
}
# What is plainly good without a look at its value: it fits its field, and a NEW has side, quantity and tif.
FAST: Final = {
    "seq": r"[0-8]?\d{1,18}",
    "time_ns": r"[0-8]?\d{1,18}",
    "action": r"NEW(?=,\d+,[BS],[^,]*,[1-9]\d*,[A-Z])|REDUCE(?=,\d+,[BS]?,[^,]*,[1-9])|CANCEL",
    "order_id": r"\d{1,19}",
    "price_ticks": r"-?[0-8]?\d{1,18}|",
    "qty": r"[0-8]?\d{1,18}|",
}
FILL_ROW: Final = re.compile(r"(\d+),(\d+),(\d+),(\d+),(\d+),(-?\d+),(\d+)\r?\n?", re.ASCII)

Records = npt.NDArray[np.void]


class FlowError(ValueError):
    """A bad line of a flow or fills file: which file, line and column, what it says and what is allowed."""


class FlowRow(NamedTuple):
    """One line of a flow. price_ticks None is a market order; time never goes back."""

    seq: int
    time_ns: int
    action: str
    order_id: int
    side: str
    price_ticks: int | None
    qty: int
    tif: str
    src: str = ""


class Fill(NamedTuple):
    """One line of a fills file; the ids are the flow's own."""

    fill_seq: int
    order_seq: int
    time_ns: int
    taker_id: int
    maker_id: int
    price_ticks: int
    qty: int


class Text(Protocol):
    """What is read of an open text file."""

    def read(self, size: int, /) -> str: ...
    def readline(self) -> str: ...


class MachineLike(Protocol):
    """What is used of `engine.machine.Machine` (or of the reference)."""

    @property
    def time_ns(self) -> int: ...
    def apply(self, commands: Records) -> Records: ...
    def advance(self, time_ns: int) -> object: ...


# ---------------------------------------------------------------- reading


class FlowParser:
    """Text of a flow into rows, a block at a time."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.line = 0  # lines read so far
        self.columns: tuple[str, ...] = ()
        self.last_time_ns = 0

    def blocks(self, text: Text) -> Iterator[list[FlowRow]]:
        """The rows in order, in lists of some thousands. Raises FlowError at the first bad line."""
        self.header(text.readline())
        while block := text.read(BLOCK):
            block += text.readline()
            if rows := self.block(block):
                yield rows

    def header(self, line: str) -> None:
        self.line = 1
        self.columns = tuple(line.strip().split(","))
        if self.columns not in (COLUMNS, (*COLUMNS, "src")):
            found = line.strip()[:120]
            raise FlowError(
                f"{self.name}, line 1: the header is {found!r}; it must be {FLOW_HEADER} (src may be missing)"
            )
        fast = [FAST.get(column, SYNTAX[column][0]) for column in self.columns]
        self.good_row = re.compile("^" + ",".join(f"({pattern})" for pattern in fast) + "\r?$", re.A | re.M)

    def block(self, block: str) -> list[FlowRow]:
        """The rows of some whole lines: all at once when every line is plainly good, else line by line."""
        found = self.good_row.findall(block)
        lines = block.count("\n") + (not block.endswith("\n"))
        if len(found) != lines:
            return self.careful(block)
        self.line += lines
        seqs, times, actions, order_ids, sides, prices, quantities, tifs, *src = zip(*found, strict=True)
        clamped = list(accumulate(map(int, times), max, initial=self.last_time_ns))
        self.last_time_ns = clamped[-1]
        columns = (
            map(int, seqs),
            clamped[1:],
            actions,
            map(int, order_ids),
            sides,
            [int(price) if price else None for price in prices],
            [int(quantity or 0) for quantity in quantities],
            tifs,
            *src,
        )
        return list(map(FlowRow, *columns))

    def careful(self, block: str) -> list[FlowRow]:
        """Line by line: empty lines are passed over, the first bad one is explained."""
        rows = []
        for line in block.removesuffix("\n").split("\n"):
            self.line += 1
            if line.strip():
                rows.append(self.row(line.removesuffix("\r").split(",")))
        return rows

    def row(self, values: list[str]) -> FlowRow:
        """One line's row. Raises FlowError with the column that is wrong and what it may hold."""
        if len(values) != len(self.columns):
            raise FlowError(
                f"{self.name}, line {self.line}: {len(values)} columns; "
                f"the header has {len(self.columns)}: {','.join(self.columns)}"
            )
        for column, value in zip(self.columns, values, strict=True):
            pattern, allowed = SYNTAX[column]
            if not re.fullmatch(pattern, value, re.ASCII):
                raise self.error(column, repr(value[:60]), allowed)
        seq, time, action, order_id, side, price, quantity, tif, *src = values
        if action == "NEW" and not side:
            raise self.error("side", "nothing", "B or S in a NEW")
        if action == "NEW" and not tif:
            raise self.error("tif", "nothing", "GTC, IOC, FOK, DAY or POST in a NEW")
        if action != "CANCEL" and not int(quantity or 0):
            raise self.error("qty", quantity or "nothing", "1 or more")
        for column, value, most in (
            ("seq", seq, INT64_MAX),
            ("time_ns", time, INT64_MAX),
            ("order_id", order_id, MAX_ORDER_ID),
            ("qty", quantity or "0", INT64_MAX),
        ):
            if int(value) > most:
                raise self.error(column, value, f"at most {most}")
        if price and not EMPTY_PRICE < int(price) <= INT64_MAX:
            raise self.error("price_ticks", price, f"{EMPTY_PRICE + 1} .. {INT64_MAX}, or nothing")
        self.last_time_ns = max(self.last_time_ns, int(time))
        price_ticks = int(price) if price else None
        times = (int(seq), self.last_time_ns)
        return FlowRow(*times, action, int(order_id), side, price_ticks, int(quantity or 0), tif, *src)

    def error(self, column: str, found: str, allowed: str) -> FlowError:
        return FlowError(f"{self.name}, line {self.line}, column {column}: {found}; allowed is {allowed}")


def parse_fills(text: Iterable[str], name: str) -> Iterator[Fill]:
    """The fills of a text. Raises FlowError at the first bad line."""
    for number, line in enumerate(text, 1):
        if number == 1:
            if line.strip() != FILLS_HEADER:
                raise FlowError(
                    f"{name}, line 1: the header is {line.strip()[:120]!r}; it must be {FILLS_HEADER}"
                )
        elif match := FILL_ROW.fullmatch(line):
            yield Fill._make(map(int, match.groups()))
        elif line.strip():
            raise FlowError(
                f"{name}, line {number}: {line.strip()[:120]!r}; allowed are 7 whole numbers: {FILLS_HEADER}"
            )


# ---------------------------------------------------------------- writing


def flow_line(row: FlowRow) -> str:
    """The row as one line of a flow with a src column."""
    seq, time_ns, action, order_id, side, price, qty, tif, src = row
    return f"{seq},{time_ns},{action},{order_id},{side},{'' if price is None else price},{qty},{tif},{src}\n"


def fill_line(fill: Fill) -> str:
    """The fill as one line of a fills file."""
    return "%d,%d,%d,%d,%d,%d,%d\n" % fill  # noqa: UP031 - three times as fast as str.format here


# ---------------------------------------------------------------- playing


class FlowPlayer:
    """Rows of a flow into commands of one instrument, and the reports of these into fills.

    The n-th NEW of the flow has client_ref n; the caller runs the commands in between.
    """

    def __init__(self, instrument: int = 0, owner: int = 0) -> None:
        self.instrument = instrument
        self.owner = owner
        self.refs: dict[int, int] = {}  # flow id -> client_ref of its latest entry
        self.entered = 0
        self.fill_count = 0
        self.ids = np.zeros(1024, np.uint64)  # client_ref -> flow id

    def commands(self, rows: list[FlowRow]) -> Records:
        """The rows as an array of COMMAND, one each."""
        _, times, actions, order_ids, sides, prices, quantities, tifs, _ = zip(*rows, strict=True)
        commands = np.zeros(len(rows), COMMAND)
        commands["kind"] = [KINDS[action] for action in actions]
        commands["side"] = [SIDES[side] for side in sides]
        commands["order_type"] = [OrderType.MARKET if price is None else OrderType.LIMIT for price in prices]
        commands["time_in_force"] = [TIMES_IN_FORCE[tif] for tif in tifs]
        commands["flags"] = [CommandFlag.POST_ONLY if tif == "POST" else 0 for tif in tifs]
        commands["instrument"] = self.instrument
        commands["owner"] = self.owner
        commands["client_ref"] = [
            self.enter(order_id) if action == "NEW" else self.refs.get(order_id, 0)
            for action, order_id in zip(actions, order_ids, strict=True)
        ]
        commands["price_ticks"] = [EMPTY_PRICE if price is None else price for price in prices]
        commands["quantity_lots"] = quantities
        commands["received_ns"] = times
        return commands

    def enter(self, order_id: int) -> int:
        self.entered += 1
        self.refs[order_id] = self.entered
        if self.entered == len(self.ids):
            self.ids = np.concatenate([self.ids, np.zeros_like(self.ids)])
        self.ids[self.entered] = order_id
        return self.entered

    def fills(self, rows: list[FlowRow], reports: Records) -> list[Fill]:
        """The trades among the reports of these rows' commands, in the order they happened."""
        trades = reports[reports["kind"] == ReportKind.TRADE]
        if not len(trades):
            return []
        at = (trades["command_number"] - reports["command_number"][0]).tolist()
        first = self.fill_count + 1
        self.fill_count += len(trades)
        return list(
            map(
                Fill,
                range(first, first + len(trades)),
                (rows[row].seq for row in at),
                (rows[row].time_ns for row in at),
                self.ids[trades["client_ref"]].tolist(),
                self.ids[trades["maker_client_ref"]].tolist(),
                trades["last_price_ticks"].tolist(),
                trades["last_lots"].tolist(),
            )
        )


def play_flow(
    blocks: Iterable[list[FlowRow]], machine: MachineLike, instrument: int = 0
) -> Iterator[tuple[list[Fill], Records]]:
    """Play a flow through one instrument, block by block, and yield each block's fills and reports."""
    player = FlowPlayer(instrument)
    for rows in blocks:
        if rows[-1].time_ns > machine.time_ns:
            machine.advance(rows[-1].time_ns)
        reports = machine.apply(player.commands(rows))
        assert reports.dtype == REPORT
        yield player.fills(rows, reports), reports
