"""How fast FIX is read and written: `python -m bench.fix`.

Messages of 155 bytes are framed (length, checksum), scanned and judged into Input records; execution
reports of a fill are built from Egress records. One core, one call for many messages, no two alike. The
floor beside each figure is a copy of the same bytes and their checksum, in the same run. A table is
printed, then one JSON line a figure with the medians.
"""

import argparse
import json
import statistics
import struct
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from bench.surroundings import surroundings
from gateway import fix

MESSAGES = 256  # a call: their bytes and records stay in the cache, as a turn's do
TIME_NS = 1_767_323_045_678_901_234
REACH = {"NewOrderSingle": 1.5e6, "ExecutionReport": 1.0e6}


def new_order(number: int) -> bytes:
    """A NewOrderSingle of 155 bytes, as `quorumbook play` sends them."""
    stamp = f"20260102-03:04:{number % 60:02d}.{number * 7 % 1000:03d}"
    body = (
        f"35=D|49=CLIENT|56=QUORUMBOOK|34={1000 + number}|52={stamp}|11={100 + number}|55=AAPL|"
        f"54={1 + number % 2}|38={10 + number % 90}|40=2|"
        f"44={10 + number % 7}.{number % 100:02d}|59=0|60={stamp}|"
    ).replace("|", "\x01").encode()  # fmt: skip
    message = b"8=FIX.4.4\x019=%d\x01" % len(body) + body
    return message + b"10=%03d\x01" % (sum(message) % 256)


def execution_report(number: int) -> bytes:
    """The Egress record of a fill (gateway/records.pxd)."""
    cl_ord_id, symbol = b"%d" % (10000 + number), b"AAPL"
    body = struct.pack(
        "<QQQqqqqqqqqQbbBBBBBBBBHBBBBBBBBBB10xQ",
        70_000 + number, 990_000 + number, 5_000 + number, TIME_NS, 10150 + number, 100, 60, 40, 10149, 40,
        1014975,
        0, -2, 0, ord("F"), ord("1"), ord("1"), ord("2"), ord("0"), 0, ord("2"), 255, 0, 0, 0, 0, 0,
        len(cl_ord_id), 0, 0, len(symbol), 0, 0, 0,
    )  # fmt: skip
    tail = cl_ord_id + symbol
    body += tail + bytes(-len(tail) % 8)
    head = (64 + len(body), 1, ord("8"), 0, 1, 1, 1000 + number, TIME_NS + 1000 * number, 1234567, 0, 0, 0, 0)
    return struct.pack("<IBBBxIIQqQQIIQ", *head) + body


def nanoseconds(call: Callable[[], object], calls: int) -> float:
    """CPU time of this thread that a message takes."""
    start = time.thread_time_ns()
    for _ in range(calls):
        call()
    return (time.thread_time_ns() - start) / (calls * MESSAGES)


def in_turn(call: Callable[[], object], floor: Callable[[], object], calls: int, repeats: int) -> list[float]:
    """Medians of the figure and of its floor; they are taken in turn, so that a busy moment spreads over both."""
    rows = [(nanoseconds(call, calls), nanoseconds(floor, calls)) for _ in range(repeats)]
    return [statistics.median(column) for column in zip(*rows, strict=True)]


def measure(calls: int, repeats: int) -> list[dict[str, Any]]:
    """One result a figure; SystemExit when the work was not done."""
    orders = b"".join(map(new_order, range(MESSAGES)))
    reports = b"".join(map(execution_report, range(MESSAGES)))
    inputs, used = fix.scan_stream(orders, "QUORUMBOOK", "CLIENT")
    messages = fix.encode_records(reports, "QUORUMBOOK", "CLIENT")
    verdicts = {inputs[at + 5] for at in range(0, len(inputs), len(inputs) // MESSAGES)}
    if used != len(orders) or verdicts != {255} or messages.count(b"\x0135=8\x01") != MESSAGES:
        sys.exit("bench.fix: a message was not taken; nothing was measured")
    results: list[dict[str, Any]] = []
    for what, data, call in (
        ("NewOrderSingle", orders, lambda: fix.scan_stream(orders, "QUORUMBOOK", "CLIENT")),
        ("ExecutionReport", messages, lambda: fix.encode_records(reports, "QUORUMBOOK", "CLIENT")),
    ):
        taken, floor = in_turn(call, partial(fix.checksum_of, data), calls, repeats)
        results.append(
            {
                "bench": "fix",
                "what": what,
                "bytes": len(data) / MESSAGES,
                "ns": round(taken, 1),
                "per_second": round(1e9 / taken),
                "reach_per_second": REACH[what],
                "floor_ns": round(floor, 1),
                "ratio": round(taken / floor, 1),
            }
        )
    return results


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.fix", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--calls", type=int, default=200, help=f"of {MESSAGES} messages, a repeat (200)")
    parser.add_argument("--repeat", type=int, default=15, help="timed runs; the median counts (15)")
    options = parser.parse_args()
    results = measure(max(1, options.calls), max(1, options.repeat))
    print(f"{'':16} {'bytes':>6} {'ns':>7} {'million/s':>10} {'reach':>6} {'floor ns':>9} {'ratio':>6}")
    for result in results:
        million, reach = result["per_second"] / 1e6, result["reach_per_second"] / 1e6
        print(
            f"{result['what']:16} {result['bytes']:6.0f} {result['ns']:7.0f} {million:10.2f} {reach:6.1f} "
            f"{result['floor_ns']:9.1f} {result['ratio']:6.1f}"
        )
    for result in results:
        print(json.dumps({**result, **surroundings()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
