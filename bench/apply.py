"""What apply costs: log entries of FIX orders through Exchange, in ns an input, beside the engine alone.

    python -m bench.apply [--orders N] [--live N] [--batch N] [--repeat N]

The mix is 55 % new orders, 40 % cancels, 5 % replaces, on a book of about --live orders; inputs are scanned from real
FIX messages before the clock starts. The floor, in the same run, is the engine alone: the same commands, one call a
batch, no sessions, no reports as messages, no feed. The clock is CPU time of the thread. Prints one JSON line: median
ns an input, and of the same commands through the engine alone.
"""

import argparse
import json
import random
import statistics
import struct
import time
from typing import Any

import numpy as np

from bench.surroundings import surroundings
from engine.machine import Machine
from engine.records import COMMAND
from gateway import fix, inputs
from gateway.exchange import Exchange

EMPTY_PRICE = -(2**63)
NEW, CANCEL, REPLACE = 2, 3, 5


def message(msg_type: str, seq: int, body: str) -> bytes:
    """A FIX message of session C."""
    text = (
        f"35={msg_type}\x0149=C\x0156=QUORUMBOOK\x0134={seq}\x0152=20260105-10:00:00.000\x01{body}".encode()
    )
    head = b"8=FIX.4.4\x019=%d\x01" % len(text) + text
    return head + b"10=%03d\x01" % (sum(head) % 256)


def flow(orders: int, live: int, seed: int) -> tuple[list[tuple[str, str]], list[tuple[int, ...]]]:
    """The messages (type, body) and the same as engine commands (kind, side, client_ref, price, quantity, order)."""
    chance = random.Random(seed)
    messages: list[tuple[str, str]] = []
    commands: list[tuple[int, ...]] = []
    open_orders: list[list[Any]] = []  # [name, number, side, price]
    stamp = "60=20260105-10:00:00.000"
    count = 0
    while len(messages) < orders:
        draw = chance.random()
        if draw < 0.55 or len(open_orders) < live // 2:
            count += 1
            side = chance.randrange(2)
            away = min(int(chance.paretovariate(1.2)), 2000) - 1
            price = 10_000 - away if side == 0 else 10_001 + away
            if chance.random() < 0.08:
                price = 10_003 if side == 0 else 9_998
            quantity = chance.randrange(1, 100)
            name = f"{count}.1"
            body = f"11={name}\x0155=AAPL\x0154={side + 1}\x0138={quantity}\x0140=2\x01"
            messages.append(("D", f"{body}44={price / 100:.2f}\x01{stamp}\x01"))
            commands.append((NEW, side, count, price, quantity, 0))
            open_orders.append([name, count, side, price])
        else:
            at = chance.randrange(len(open_orders))
            open_orders[at], open_orders[-1] = open_orders[-1], open_orders[at]
            order = open_orders[-1]
            name, number, side, price = order
            if draw < 0.95:
                open_orders.pop()
                messages.append(("F", f"41={name}\x0111={name}.c\x0155=AAPL\x0154={side + 1}\x01{stamp}\x01"))
                commands.append((CANCEL, side, number, EMPTY_PRICE, 0, number))
            else:
                order[0] = f"{name}.r"
                quantity = chance.randrange(1, 100)
                body = f"41={name}\x0111={order[0]}\x0155=AAPL\x0154={side + 1}\x0138={quantity}\x0140=2\x01"
                messages.append(("G", f"{body}44={price / 100:.2f}\x01{stamp}\x01"))
                commands.append((REPLACE, side, number, price, quantity, number))
    return messages, commands


def entries(messages: list[tuple[str, str]], batch: int) -> list[bytes]:
    """The flow as log payloads; the first is genesis and the Logon."""
    head = struct.Struct("<IBBHIIQIIq")
    logon = fix.scan_message(message("A", 1, "98=0\x01108=0\x01"))
    genesis = inputs.setting() + inputs.instrument("AAPL") + inputs.gateway_lost() + inputs.gateway_start()
    payloads = [genesis + inputs.message(bytes(logon), incarnation=1, number=1, connection=1)]
    parts: list[bytes] = []
    for number, (msg_type, body) in enumerate(messages, 2):
        record = bytearray(fix.scan_message(message(msg_type, number, body), "QUORUMBOOK", "C"))
        size, kind, verdict, *_ = head.unpack_from(record)
        head.pack_into(record, 0, size, kind, verdict, 0, 1, 1, number, 1, 1, 0)
        parts.append(bytes(record))
        if len(parts) == batch:
            payloads.append(b"".join(parts))
            parts.clear()
    payloads.append(b"".join(parts))
    return payloads


def apply_all(payloads: list[bytes]) -> tuple[float, Exchange, int]:
    """CPU seconds of this thread, the exchange afterwards, bytes of egress."""
    exchange = Exchange()
    exchange.feed.ignore(b"")
    written = 0
    begin = time.thread_time()
    for index, payload in enumerate(payloads, 1):
        exchange.apply(payload, index, 1, 1_767_607_200_000_000_000 + index)
        with exchange.egress() as view:
            written += len(view)
        exchange.clear_egress()
    return time.thread_time() - begin, exchange, written


def engine_alone(commands: list[tuple[int, ...]], batch: int) -> float:
    """CPU seconds for the same commands through the engine, one call a batch."""
    array = np.zeros(len(commands), COMMAND)
    for name, column in zip(
        ("kind", "side", "client_ref", "price_ticks", "quantity_lots", "order_id"),
        zip(*commands, strict=True),
        strict=True,
    ):
        array[name] = column
    array["order_id"] = 0
    array["order_type"] = 1
    array["time_in_force"] = 0
    array["owner"] = 1
    machine = Machine()
    machine.define()
    begin = time.thread_time()
    for at in range(0, len(array), batch):
        machine.apply(array[at : at + batch])
    return time.thread_time() - begin


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--orders", type=int, default=300_000)
    parser.add_argument("--live", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=1_024, help="inputs a log entry")
    parser.add_argument("--repeat", type=int, default=5)
    given = parser.parse_args()
    messages, commands = flow(given.orders, given.live, 1)
    payloads = entries(messages, given.batch)
    applied, engine = [], []
    for _ in range(given.repeat):
        seconds, exchange, written = apply_all(payloads)
        applied.append(seconds)
        engine.append(engine_alone(commands, given.batch))
    apply_ns = statistics.median(applied) * 1e9 / given.orders
    engine_ns = statistics.median(engine) * 1e9 / given.orders
    print(
        json.dumps({
            "bench": "apply", "inputs": given.orders, "batch": given.batch, "apply_ns": round(apply_ns, 1),
            "engine_ns": round(engine_ns, 1), "beyond_engine_ns": round(apply_ns - engine_ns, 1),
            "reports": (exchange.sessions()[0]["outbound"] - 1), "egress_bytes": written,
            "open_orders": exchange.sessions()[0]["open_orders"], "state_hash": exchange.state_hash(),
            **surroundings(),
        })
    )  # fmt: skip


if __name__ == "__main__":
    main()
