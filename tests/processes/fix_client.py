"""FIX 4.4 over a raw socket, as little as a test needs. Knows nothing of the product's own client."""

import re
import socket
import time
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import zmq

PATIENCE_SECONDS = 200
"""For what comes for certain. It ends what hangs; it is no measure of speed, and the machine may be busy."""
SOH = b"\x01"
MESSAGE = re.compile(rb"8=FIX\.4\.4\x019=(\d+)\x01")
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


class Closed(Exception):
    """The exchange closed the connection."""


class FixClient:
    """One session. Numbers what it sends, collects what it receives, keeps both across reconnects.

    transport: "tcp" or "zmq".
    """

    def __init__(self, transport: str, port: int, comp_id: str) -> None:
        self.transport = transport
        self.port = port
        self.comp_id = comp_id
        self.next_out = 1
        self.next_in = 1
        self.gap = False  # the last Logon's number was beyond what we have
        self.received: list[Message] = []  # every application message, once, in order
        self.sent: dict[int, tuple[str, Fields]] = {}  # by number: what can be sent again
        self._waiting = b""
        self._tcp: socket.socket | None = None
        self._zmq: zmq.Socket[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    # ------------------------------------------------------------ bytes

    def connect(self) -> Self:
        self.close()
        if self.transport == "tcp":
            self._tcp = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS)
        else:
            self._zmq = zmq.Context.instance().socket(zmq.DEALER)
            self._zmq.linger = 0
            self._zmq.connect(f"tcp://127.0.0.1:{self.port}")
        return self

    def close(self) -> None:
        """Without a Logout; a ZeroMQ client is merely silent from now on."""
        if self._tcp:
            self._tcp.close()
        if self._zmq:
            self._zmq.close()
        self._tcp = self._zmq = None
        self._waiting = b""

    def send_bytes(self, data: bytes) -> None:
        if self._tcp:
            self._tcp.sendall(data)
        else:
            assert self._zmq
            self._zmq.send(data)

    def bye(self) -> None:
        """ZeroMQ's way to say that a connection ends."""
        self.send_bytes(b"")

    def _receive_bytes(self, seconds: float) -> None:
        """Raises TimeoutError, and Closed when the other side ended the connection."""
        if self._tcp:
            self._tcp.settimeout(max(seconds, 0.001))
            try:
                data = self._tcp.recv(1 << 16)
            except ConnectionError as error:
                raise Closed(str(error)) from None
        else:
            assert self._zmq
            if not self._zmq.poll(max(int(seconds * 1000), 1)):
                raise TimeoutError
            data = self._zmq.recv()
        if not data:
            raise Closed
        self._waiting += data

    # ------------------------------------------------------------ messages

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
        until = time.monotonic() + seconds
        while True:
            match = MESSAGE.match(self._waiting)
            if match:
                end = match.end() + int(match[1]) + 7
                if len(self._waiting) >= end:
                    message, self._waiting = parse(self._waiting[:end]), self._waiting[end:]
                    self._keep(message)
                    if message[35] == "2":
                        self._send_again(int(message[7]))
                    return message
            else:
                assert len(self._waiting) < 30, self._waiting[:200]
            self._receive_bytes(until - time.monotonic())

    def _keep(self, message: Message) -> None:
        number, kind = int(message[34]), message[35]
        if kind == "A" and message.get(141) == "Y":
            self.next_in = 1
        if number < self.next_in:
            assert message.get(43) == "Y", f"{message} repeats a number without PossDup"
            return
        if number > self.next_in:
            self.gap |= kind == "A"
            assert self.gap, f"a gap: {number} instead of {self.next_in}: {message}"
            return  # catch_up() asks for it
        self.next_in = int(message[36]) if kind == "4" else number + 1
        self.gap = False
        if kind in "89rj3":
            self.received.append(message)

    def expect(self, kind: str, seconds: float = PATIENCE_SECONDS) -> Message:
        """The next message of this type; heartbeats may lie between."""
        while True:
            message = self.receive(seconds)
            if message[35] == kind:
                return message
            assert message[35] in "0124", f"{message} instead of a message of type {kind}"

    def logon(self, *fields: tuple[int, object], heartbeat: int = 30) -> Message:
        """Connects and logs on; raises Closed when it is refused."""
        self.connect()
        self.send("A", (98, 0), (108, heartbeat), *fields)
        answer = self.receive()
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
