"""FIX 4.4 over a raw socket, as little as a test needs. Knows nothing of the product's own client."""

import time
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from fix_link import PATIENCE_SECONDS, Closed, FixLink

SOH = b"\x01"
Fields = list[tuple[int, str]]
Message = dict[int, str]


def build(msg_type: str, sender: str, number: int, fields: Fields, *, target: str = "QUORUMBOOK") -> bytes:
    """A whole message with its length and checksum."""
    now = datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]
    head = [(35, msg_type), (49, sender), (56, target), (34, str(number)), (52, now)]
    body = b"".join(f"{tag}={value}".encode() + SOH for tag, value in head + fields)
    whole = b"8=FIX.4.4\x01" + f"9={len(body)}".encode() + SOH + body
    return whole + f"10={sum(whole) % 256:03}".encode() + SOH


def parse(message: bytes) -> Message:
    assert message.endswith(SOH)
    assert int(message[-4:-1]) == sum(message[:-7]) % 256, message
    pairs = [field.split(b"=", 1) for field in message[:-1].split(SOH)]
    return {int(tag): value.decode() for tag, value in pairs}


class FixClient(FixLink):
    """One session. Numbers what it sends, collects what it receives, keeps both across reconnects.

    transport: "tcp" or "zmq".
    """

    def __init__(self, transport: str, port: int, comp_id: str, *, notices_end: bool = False) -> None:
        super().__init__(transport, port, notices_end=notices_end)
        self.comp_id = comp_id
        self.next_out = 1
        self.next_in = 1
        self.gap = False  # the last Logon's number was beyond what we have
        self.received: list[Message] = []  # every application message, once, in order
        self.sent: dict[int, tuple[str, Fields]] = {}  # by number: what can be sent again

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def send(self, msg_type: str, *fields: tuple[int, object]) -> int:
        """Sends the next numbered message; returns its number."""
        self.send_bytes(self.next(msg_type, *fields))
        return self.next_out - 1

    def next(self, msg_type: str, *fields: tuple[int, object]) -> bytes:
        """The next numbered message, not sent yet."""
        text = [(tag, str(value)) for tag, value in fields]
        self.sent[self.next_out] = (msg_type, text)
        self.next_out += 1
        return build(msg_type, self.comp_id, self.next_out - 1, text)

    def _send_again(self, begin: int) -> None:
        """The answer to a ResendRequest: orders again with PossDup, session messages as gap fills."""
        data, dup = [], [(43, "Y"), (122, "20260101-00:00:00.000")]
        for number in range(begin, self.next_out):
            msg_type, fields = self.sent[number]
            if msg_type in "A0124":
                msg_type, fields = "4", [(123, "Y"), (36, str(number + 1))]
            data.append(build(msg_type, self.comp_id, number, dup + fields))
        self.send_bytes(b"".join(data))

    def receive(self, seconds: float = PATIENCE_SECONDS) -> Message:
        """The next message, of any type. Raises TimeoutError, Closed."""
        message = parse(self.receive_message(seconds))
        self._keep(message)
        if message[35] == "2":
            self._send_again(int(message[7]))
        return message

    def _keep(self, message: Message) -> None:
        number, kind = int(message[34]), message[35]
        if kind == "A" and message.get(141) == "Y":
            self.next_in = 1
        if number < self.next_in:
            if kind == "5":
                return  # a Logon was refused, outside the session
            assert message.get(43) == "Y", f"{message} repeats a number without PossDup"
            return
        if number > self.next_in:
            self.gap |= kind == "A"
            assert self.gap, f"a gap: {number} instead of {self.next_in}: {message}"
            return  # catch_up() asks for it
        self.next_in = int(message[36]) if kind == "4" else number + 1
        self.gap = False
        if kind not in {"0", "1", "2", "4", "5", "A"}:
            self.received.append(message)

    def expect(self, kind: str, seconds: float = PATIENCE_SECONDS) -> Message:
        """The next message of this type; heartbeats may lie between."""
        while True:
            message = self.receive(seconds)
            if message[35] == kind:
                return message
            assert message[35] in "0124", f"{message} instead of a message of type {kind}"

    def logon(
        self, *fields: tuple[int, object], heartbeat: int = 30, seconds: float = PATIENCE_SECONDS
    ) -> Message:
        """Connects and logs on; raises Closed when it is refused, TimeoutError without an answer."""
        self.connect()
        self.send("A", (98, 0), (108, heartbeat), *fields)
        answer = self.receive(seconds)
        if answer[35] == "5":
            raise Closed(answer.get(58, ""))
        assert answer[35] == "A", answer
        return answer

    def catch_up(self) -> None:
        """After a Logon with a number beyond ours: asks for what is missing and takes it all."""
        self.send("2", (7, self.next_in), (16, 0))
        self.settle()

    def settle(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Takes everything that the exchange has sent up to now."""
        wanted = f"settle {self.next_out}"
        self.send("1", (112, wanted))
        until = time.monotonic() + seconds
        while True:
            message = self.receive(until - time.monotonic())
            if message.get(112) == wanted:
                return
            if message[35] == "2":
                self.send("1", (112, wanted))  # the first one went out as a gap fill

    def order(
        self, name: str, side: str, quantity: object, price: object, symbol: str = "AAPL", tif: str = "1"
    ) -> bytes:
        """A limit order, not sent yet."""
        return self.next(
            "D", (11, name), (55, symbol), (54, 1 if side == "buy" else 2), (60, "20260101-00:00:00.000"),
            (38, quantity), (40, 2), (44, price), (59, tif),
        )  # fmt: skip

    def cancel(self, name: str, original: str, side: str, symbol: str = "AAPL") -> bytes:
        return self.next(
            "F",
            (41, original),
            (11, name),
            (55, symbol),
            (54, 1 if side == "buy" else 2),
            (60, "20260101-00:00:00.000"),
        )
