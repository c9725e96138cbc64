"""A round trip between two members, as the links of replication/peers.py make it: TCP, asyncio on uvloop at both ends,
a message of the size of an append there and back.

python -m bench.link   is the other end: prints its port.
"""

import asyncio
import os
import socket
import statistics
import time
from contextlib import ExitStack
from typing import cast

import uvloop

from bench.processes import pinned, process
from replication.messages import Entry, Kind, Message
from replication.wire import encode_message

ROUNDS = 2_000
WARM_UP = 200
INPUT_BYTES = 128  # of one order


def append() -> bytes:
    entry = Entry(1, 1, 0, memoryview(bytes(INPUT_BYTES)), bytes(32))
    return encode_message(Message(Kind.APPEND, 1, 2, 1, hash=bytes(32), entries=(entry,)))


class End(asyncio.Protocol):
    """Sends back what comes; who begins does so `rounds` times, and notes how long each took."""

    def __init__(self, rounds: int = 0) -> None:
        self.taken: list[int] = []  # ns
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._rounds = rounds
        self._message = append()
        self._missing = len(self._message)  # bytes of the message that comes
        self._sent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._rounds:
            self._send()

    def _send(self) -> None:
        self._sent = time.perf_counter_ns()
        self._transport.write(self._message)

    def data_received(self, data: bytes) -> None:
        self._missing -= len(data)
        if self._missing:
            return
        self._missing = len(self._message)
        if not self._rounds:
            self._send()
            return
        self.taken.append(time.perf_counter_ns() - self._sent)
        if len(self.taken) < self._rounds:
            self._send()
        else:
            self.done.set_result(None)


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(End, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def measure(port: int) -> list[int]:
    loop = asyncio.get_running_loop()
    transport, end = await loop.create_connection(lambda: End(WARM_UP + ROUNDS), "127.0.0.1", port)
    await end.done
    transport.close()
    return end.taken[WARM_UP:]


def round_trip_us() -> float:
    """The median; each end on a core of its own, where there are two."""
    with process("bench.link") as child, ExitStack() as stack:
        assert child.stdout is not None
        port = int(child.stdout.readline())
        if len(os.sched_getaffinity(0)) > 1:
            stack.enter_context(pinned([child.pid]))
        return statistics.median(uvloop.run(measure(port))) / 1000


if __name__ == "__main__":
    uvloop.run(serve())
