"""An order's life over both transports, written and read by simplefix: a second codec that shares nothing with ours."""

from datetime import UTC, datetime

import pytest
import simplefix
from exchange_process import ExchangeProcess
from fix_link import FixLink

SOH = "\x01"
PARTIES = [(453, 2), (448, "DESK"), (447, "D"), (452, 1), (448, "TRADER"), (447, "D"), (452, 11)]


class SimplefixClient(FixLink):
    """One session, whose numbers and times simplefix writes as well."""

    def __init__(self, transport: str, port: int, comp_id: str) -> None:
        super().__init__(transport, port)
        self.comp_id = comp_id
        self.number = 0
        self.expected = 0
        self._parser = simplefix.FixParser()

    def send(self, msg_type: str, *fields: tuple[int, object], precision: int = 3) -> None:
        """precision: digits of the seconds in times."""
        self.number += 1
        message = simplefix.FixMessage()
        message.append_pair(8, "FIX.4.4", header=True)
        message.append_pair(35, msg_type, header=True)
        message.append_pair(49, self.comp_id, header=True)
        message.append_pair(56, "QUORUMBOOK", header=True)
        message.append_pair(34, self.number, header=True)
        message.append_utc_timestamp(52, precision=precision, header=True)
        for tag, value in fields:
            message.append_pair(tag, value)
        if msg_type in "DFGq":
            message.append_utc_timestamp(60, datetime.now(UTC), precision=precision)
        self.send_bytes(message.encode())

    def next(self) -> dict[int, str]:
        """The next message. Its length and checksum are what simplefix makes of its fields, too."""
        data = self.receive_message()
        self._parser.append_buffer(data)
        message = self._parser.get_message()
        assert message is not None
        assert message.encode() == data
        self.expected += 1
        fields = {int(tag): value.decode("ascii") for tag, value in message.pairs}
        assert fields[34] == str(self.expected)
        return fields

    def told(self, *tags: int) -> list[str | None]:
        message = self.next()
        return [message.get(tag) for tag in tags]


def order(
    name: str, side: int, quantity: object, price: str, *more: tuple[int, object]
) -> list[tuple[int, object]]:
    return [
        (11, name),
        *more,
        (21, 1),
        (55, "AAPL"),
        (54, side),
        (38, quantity),
        (40, 2),
        (44, price),
        (59, 1),
    ]


@pytest.mark.parametrize("transport", ["tcp", "zmq"])
@pytest.mark.parametrize("precision", [0, 3, 6])
def test_an_order_lives(exchange: ExchangeProcess, transport: str, precision: int) -> None:
    state = (35, 11, 41, 150, 39, 151, 14, 6)
    client = SimplefixClient(transport, exchange.port(f"fix_{transport}"), "SIMPLE")
    client.connect()
    client.send("A", (98, 0), (108, 30), (141, "Y"), precision=precision)
    assert client.told(35, 98, 108, 141) == ["A", "0", "30", "Y"]
    client.send("D", *order("b1", 1, 100, "10.00", *PARTIES, (1, "house account")), precision=precision)
    assert client.told(*state, 1) == ["8", "b1", None, "0", "0", "100", "0", "0.0000", "house account"]
    text = f"held{SOH}10=000{SOH}till noon".encode()
    client.send("D", *order("s1", 2, 40, "9.99"), (354, len(text)), (355, text), precision=precision)
    assert client.told(*state) == ["8", "s1", None, "0", "0", "40", "0", "0.0000"]
    assert client.told(*state, 31, 32) == ["8", "s1", None, "F", "2", "0", "40", "10.0000", "10.00", "40"]
    assert client.told(*state, 31, 32) == ["8", "b1", None, "F", "1", "60", "40", "10.0000", "10.00", "40"]
    client.send("G", (41, "b1"), *order("b2", 1, 90, "10.01"), (1, "house account"), precision=precision)
    assert client.told(*state) == ["8", "b2", "b1", "5", "1", "50", "40", "10.0000"]
    client.send("H", (11, "b2"), (55, "AAPL"), (54, 1))
    assert client.told(*state) == ["8", "b2", "b1", "I", "1", "50", "40", "10.0000"]
    client.send("F", (41, "b2"), (11, "b3"), (55, "AAPL"), (54, 1), precision=precision)
    assert client.told(*state) == ["8", "b3", "b2", "4", "4", "0", "40", "10.0000"]
    client.send("F", (41, "b2"), (11, "b4"), (55, "AAPL"), (54, 1), precision=precision)
    assert client.told(35, 11, 41, 39, 434) == ["9", "b4", "b2", "4", "1"]
    client.send("q", (11, "b5"), (530, 7), precision=precision)
    assert client.told(35, 11, 530, 531, 533) == ["r", "b5", "7", "7", "0"]
    client.send("1", (112, "still there?"))
    assert client.told(35, 112) == ["0", "still there?"]
    client.send("2", (7, 2), (16, 3))
    assert client.receive_message().count(b"\x0143=Y\x01") == 1
    client.close()
