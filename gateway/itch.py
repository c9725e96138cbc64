"""Nasdaq TotalView-ITCH 5.0 into flow: binary messages, each behind a length of two bytes, big endian.

A stock is known by the locate of its directory message (R). A and F add an order, E and C execute it, X takes an
amount off, D deletes it, U deletes it and adds another with new terms. P (a hidden order traded), Q (a cross) and
B (a broken trade) do not change the book. Prices are in 1/10,000 dollar.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, Protocol

from gateway.convert import Execution, FlowBuilder, opposite, takers
from gateway.flow import FlowError

CENT: Final = 100
HEAD: Final = struct.Struct(">cHHHI")  # type, locate, tracking number, timestamp in 2 and 4 bytes
DIRECTORY_STOCK: Final = slice(11, 19)
LENGTHS: Final = {b"A": 36, b"F": 40, b"E": 31, b"C": 36, b"X": 23, b"D": 19, b"U": 35, b"R": 39}
"""Lengths of the messages that are read; longer ones may come with later versions."""
ADD: Final = struct.Struct(">QcI8sI")
EXECUTE: Final = struct.Struct(">QIQ")
EXECUTE_AT: Final = struct.Struct(">QIQcI")
REDUCE: Final = struct.Struct(">QI")
DELETE: Final = struct.Struct(">Q")
REPLACE: Final = struct.Struct(">QQII")
BODY: Final = 11
SIDE: Final = 19
SHARES: Final = {
    **dict.fromkeys((b"A", b"F"), slice(20, 24)),
    **dict.fromkeys((b"E", b"C", b"X"), slice(19, 23)),
    b"U": slice(27, 31),
}
"""Where the side and the shares stand."""


class Binary(Protocol):
    """What is read of an open binary file."""

    def read(self, size: int, /) -> bytes: ...


class Message(NamedTuple):
    """One message about the stock; price is None where the type has none."""

    time_ns: int
    kind: str
    order_id: int
    quantity: int = 0
    price: int | None = None
    side: str = ""
    new_id: int = 0


def frames(file: Binary, name: str) -> Iterator[tuple[int, bytes]]:
    """Each message with its byte offset. Raises FlowError when the file ends in the middle of one."""
    offset = 0
    data = b""
    while True:
        at = 0
        while at + 2 <= len(data):
            end = at + 2 + (data[at] << 8 | data[at + 1])
            if end > len(data):
                break
            yield offset + at, data[at + 2 : end]
            at = end
        more = file.read(1 << 20)
        if not more:
            if at < len(data):
                raise FlowError(
                    f"{name}, byte offset {offset + at}: the file ends in the middle of a message"
                )
            return
        data = data[at:] + more
        offset += at


def messages_of(file: Binary, symbol: str, name: str) -> Iterator[Message]:
    """The messages that change the symbol's book. Raises FlowError when it has none, or for a damaged file."""
    stock = symbol.encode().ljust(8)
    locate = None
    for offset, data in frames(file, name):
        kind = data[:1]
        if len(data) < LENGTHS.get(kind, 1):
            raise FlowError(
                f"{name}, byte offset {offset}: a message {kind!r} of {len(data)} bytes; "
                f"it has {LENGTHS.get(kind, 1)} or more. Is this ITCH 5.0 with lengths of two bytes?"
            )
        if kind == b"R" and data[DIRECTORY_STOCK] == stock:
            locate = data[1:3]
        if kind in LENGTHS and data[1:3] == locate and kind != b"R":
            try:
                yield decode(data)
            except ValueError as error:
                raise FlowError(f"{name}, byte offset {offset}: {error}") from None
    if locate is None:
        raise FlowError(f"{name}: no stock {symbol!r} in its directory; symbols are in capitals, as in MSFT")


def decode(data: bytes) -> Message:
    """Raises ValueError for a side or a number of shares that no order has."""
    kind, _, _, high, low = HEAD.unpack_from(data)
    time_ns = high << 32 | low
    if kind in b"AF" and data[SIDE] not in b"BS":
        raise ValueError(f"a side {data[SIDE : SIDE + 1]!r}; allowed is B or S")
    if kind in SHARES and not any(data[SHARES[kind]]):
        raise ValueError(f"a message {kind!r} of 0 shares; allowed is 1 or more")
    match kind:
        case b"A" | b"F":
            order_id, side, quantity, _, price = ADD.unpack_from(data, BODY)
            return Message(time_ns, "A", order_id, quantity, price, side.decode("latin-1"))
        case b"E":
            order_id, quantity, _ = EXECUTE.unpack_from(data, BODY)
            return Message(time_ns, "E", order_id, quantity)
        case b"C":
            order_id, quantity, _, _, price = EXECUTE_AT.unpack_from(data, BODY)
            return Message(time_ns, "C", order_id, quantity, price)
        case b"X":
            return Message(time_ns, "X", *REDUCE.unpack_from(data, BODY))
        case b"D":
            return Message(time_ns, "D", *DELETE.unpack_from(data, BODY))
        case _:
            order_id, new_id, quantity, price = REPLACE.unpack_from(data, BODY)
            return Message(time_ns, "U", order_id, quantity, price, new_id=new_id)


class ItchConverter:
    """One stock's messages into a FlowBuilder's rows and fills."""

    def __init__(self, messages: Iterable[Message]) -> None:
        self.messages = list(messages)
        self.builder = FlowBuilder()
        self.unknown = 0  # messages about orders that were never added
        self.elsewhere = 0  # executions at another price than the order's (a cross): taken off, no fill
        prices = (message.price for message in self.messages if message.kind in "AU")
        self.tick = CENT if all(price is not None and price % CENT == 0 for price in prices) else 1

    def convert(self) -> FlowBuilder:
        """Do it all and return the rows and fills."""
        at = 0
        while at < len(self.messages):
            message = self.messages[at]
            self.builder.at(message.time_ns)
            if self.is_execution(message):
                at = self.executions(at)
            else:
                self.change(message)
                at += 1
        return self.builder

    def is_execution(self, message: Message) -> bool:
        """Whether the order was executed at its own price; one at another price has no place in a price-time book."""
        order = self.builder.orders.get(message.order_id)
        if message.kind not in "EC" or order is None:
            return False
        return message.price is None or message.price == order.price * self.tick

    def change(self, message: Message) -> None:
        """Anything but an execution at the order's price."""
        builder = self.builder
        if message.kind == "A":
            assert message.price is not None
            builder.enter(message.order_id, message.side, message.price // self.tick, message.quantity, "M")
            return
        order = builder.orders.get(message.order_id)
        if order is None:
            self.unknown += 1
            return
        match message.kind:
            case "X" | "C":
                self.elsewhere += message.kind == "C"
                builder.reduce(order.order_id, message.quantity, "M")
            case "D":
                builder.cancel(order.order_id, "M")
            case "U":
                assert message.price is not None
                builder.cancel(order.order_id, "M")
                builder.enter(message.new_id, order.side, message.price // self.tick, message.quantity, "M")

    def executions(self, at: int) -> int:
        """The executions from here on that belong together; returns the message after them."""
        first = self.messages[at]
        maker_side = self.builder.orders[first.order_id].side
        executed = []
        while at < len(self.messages):
            message = self.messages[at]
            order = self.builder.orders.get(message.order_id)
            if message.time_ns != first.time_ns or not self.is_execution(message):
                break
            if order is None or order.side != maker_side:
                break
            executed.append(Execution(message.order_id, order.price, message.quantity))
            at += 1
        side = opposite(maker_side)
        *whole, final = takers(executed, side)
        for run in whole:
            self.builder.execute(side, run)
        remainder = self.remainder(at, first.time_ns, side, final[-1].price)
        self.builder.execute(side, final, remainder)
        return at + (remainder is not None)

    def remainder(self, at: int, time_ns: int, side: str, price: int) -> Execution | None:
        """The message right after the executions, when it adds what was left of the order that made them."""
        if at == len(self.messages):
            return None
        message = self.messages[at]
        if message.kind != "A" or message.time_ns != time_ns or message.side != side:
            return None
        assert message.price is not None
        rests_at = message.price // self.tick
        reaches = rests_at >= price if side == "B" else rests_at <= price
        return Execution(message.order_id, rests_at, message.quantity) if reaches else None
