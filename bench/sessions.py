"""Many FIX sessions that only keep their connections, and a large resend beside somebody who trades.

    python -m bench.sessions [--sessions N] [--seconds S] [--messages N] [--resends N]

*Heartbeats*: N sessions over TCP with HeartBtInt 30 send a Heartbeat each interval, spread over it, and get the
exchange's. Printed is how much of a core the exchange takes, over S seconds; the floor is the echo of the same bytes,
by the same client, to the same number of connections. *Resend*: a session that got N messages asks for all of them
again while another has one order in flight; printed is how long the last one takes, and that other's p99 before and
meanwhile. Each prints a JSON line.
"""

import argparse
import asyncio
import json
import os
import selectors
import socket
import statistics
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import uvloop

from bench.match import positive
from bench.processes import directory, exchange, process
from bench.surroundings import surroundings
from bench.wire import Rounds
from gateway.client import connect

HEARTBEAT_SECONDS = 30
ROUNDS = 2_000
CHUNK = 500  # orders written before their reports are read
END = b"\x0110="  # of each message once


def message(kind: str, comp_id: str, number: int, body: str) -> bytes:
    now = datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]
    fields = f"35={kind}\x0149={comp_id}\x0156=QUORUMBOOK\x0134={number}\x0152={now}\x01{body}"
    whole = f"8=FIX.4.4\x019={len(fields)}\x01{fields}".encode()
    return whole + f"10={sum(whole) % 256:03}\x01".encode()


def opened(endpoint: str) -> socket.socket:
    host, _, port = endpoint.rpartition("/")[2].rpartition(":")
    made = socket.create_connection((host, int(port)))
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def cpu_seconds(pid: int) -> float:
    """That all its threads have taken so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# ---------------------------------------------------------------- heartbeats


class Crowd:
    """Sessions of one endpoint, all in this thread."""

    def __init__(self, endpoint: str, count: int) -> None:
        self.sockets: list[socket.socket] = []
        self.numbers = [1] * count
        self._selector = selectors.DefaultSelector()
        for at in range(count):
            self.sockets.append(opened(endpoint))
            self._send(at, "A", f"98=0\x01108={HEARTBEAT_SECONDS}\x01")
            drain(self.sockets[at], 1)
            self._selector.register(self.sockets[at], selectors.EVENT_READ)

    def _send(self, at: int, kind: str, body: str = "") -> None:
        self.sockets[at].sendall(message(kind, f"CROWD{at}", self.numbers[at], body))
        self.numbers[at] += 1

    def _read(self, seconds: float) -> None:
        for key, _ in self._selector.select(seconds):
            assert isinstance(key.fileobj, socket.socket)
            if not key.fileobj.recv(1 << 16):
                raise RuntimeError("the exchange closed a session that sends its heartbeats")

    def live(self, seconds: float) -> None:
        """Each sends its Heartbeat once an interval."""
        begin = time.monotonic()
        sent, count = 0, len(self.sockets)
        while (now := time.monotonic() - begin) < seconds:
            while sent < now / HEARTBEAT_SECONDS * count:
                self._send(sent % count, "0")
                sent += 1
            self._read(0.002)

    def close(self) -> None:
        for made in self.sockets:
            made.close()


def share(pid: int, endpoint: str, count: int, seconds: float) -> float:
    """Of a core, by a process that serves so many sessions."""
    crowd = Crowd(endpoint, count)
    crowd.live(3)
    begin, before = time.monotonic(), cpu_seconds(pid)
    crowd.live(seconds)
    taken = (cpu_seconds(pid) - before) / (time.monotonic() - begin)
    crowd.close()
    return taken


def heartbeats(count: int, seconds: float) -> dict[str, Any]:
    with (
        directory() as path,
        exchange(path / "data") as venue,
        process("bench.sessions", "--echoes") as plain,
    ):
        assert plain.stdout is not None
        floor = share(plain.pid, plain.stdout.readline().strip(), count, seconds / 2)
        taken = share(venue.child.pid, venue.fix["tcp"], count, seconds)
    return {"sessions": count, "heartbeat_seconds": HEARTBEAT_SECONDS, "core": taken, "floor_core": floor}


class Back(asyncio.Protocol):
    """Sends back what comes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


async def echoes() -> None:
    """A process: the floor, which serves any number of connections. Prints its endpoint."""
    server = await asyncio.get_running_loop().create_server(Back, "127.0.0.1", 0, backlog=1_024)
    print(f"fix+tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


# ---------------------------------------------------------------- a resend


def asks(endpoint: str, count: int) -> None:
    """A process: gets so many messages, and on each line asks for all of them; prints how long that took."""
    made = opened(endpoint)
    made.sendall(message("A", "ASKS", 1, "98=0\x01108=0\x01"))
    drain(made, 1)
    now = datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S")
    for first in range(0, count, CHUNK):
        orders = (
            f"11=a{at}\x0155=AMZN\x0154=1\x0138=1\x0140=2\x0144=0.01\x0159=3\x0160={now}\x01"
            for at in range(first // 2, (first + CHUNK) // 2)
        )  # immediate or cancel: two reports each
        made.sendall(
            b"".join(message("D", "ASKS", 2 + first // 2 + at, one) for at, one in enumerate(orders))
        )
        drain(made, CHUNK)
    print("ready", flush=True)
    number = 2 + count // 2
    for _ in sys.stdin:
        begin = time.perf_counter()
        made.sendall(message("2", "ASKS", number, "7=2\x0116=0\x01"))
        number += 1
        drain(made, count)
        print(time.perf_counter() - begin, flush=True)


def drain(made: socket.socket, count: int) -> None:
    """Reads so many messages."""
    rest = b""
    while count > 0:
        data = made.recv(1 << 20)
        if not data:
            raise RuntimeError("the exchange closed the connection")
        count -= (rest + data).count(END) - rest.count(END)
        rest = data[-3:]


def resend(count: int, times: int) -> dict[str, Any]:
    with (
        directory() as path,
        exchange(path / "data") as venue,
        process("bench.sessions", "--asks", venue.fix["tcp"], "--messages", str(count)) as asker,
        connect(venue.fix["tcp"], "TRADES", heartbeat_seconds=60) as client,
    ):
        assert asker.stdout is not None
        assert asker.stdin is not None
        assert asker.stdout.readline().strip() == "ready"
        rounds = Rounds(client)
        rounds(ROUNDS // 10)
        calm = rounds(ROUNDS)
        seconds, meanwhile = [], []
        for _ in range(times):
            print(file=asker.stdin, flush=True)
            os.set_blocking(asker.stdout.fileno(), False)
            while not (line := asker.stdout.readline()):
                meanwhile += rounds(2)
            seconds.append(float(line))
    return {
        "messages": count,
        "seconds": statistics.median(seconds),
        "seconds_worst": max(seconds),
        "calm_p99_us": percentile(calm),
        "meanwhile_p99_us": percentile(meanwhile),
        "rounds": len(meanwhile),
    }


def percentile(times_ns: list[int]) -> float:
    """The 99th, in microseconds."""
    return sorted(times_ns)[len(times_ns) * 99 // 100] / 1000


def main(arguments: list[str] | None = None) -> Iterator[dict[str, Any]]:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sessions", type=positive, default=2_000)
    parser.add_argument("--seconds", type=positive, default=60)
    parser.add_argument("--messages", type=positive, default=100_000)
    parser.add_argument("--resends", type=positive, default=5)
    parser.add_argument("--echoes", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--asks", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.echoes:
        uvloop.run(echoes())
    if given.asks:
        asks(given.asks, given.messages)
        return
    yield {"bench": "heartbeats", **heartbeats(given.sessions, given.seconds), **surroundings()}
    yield {"bench": "resend", **resend(given.messages, given.resends), **surroundings()}


if __name__ == "__main__":
    for line in main():
        print(json.dumps(line), flush=True)
