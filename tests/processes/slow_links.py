"""A proxy for the links of one machine: what passes arrives later, in order, by a time that varies.

It runs as a process in the machine's namespace. The kernel brings it the connections that were meant for others, and
leaves those with its mark alone: nobody else's configuration knows of it.
"""

import asyncio
import random
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from namespaces import Network, inside

PROXY_PORT = 7000
MARK = 7
OVERTAKING_S = 1e-6  # what is due at the same time may come in any order
SO_ORIGINAL_DST = 80  # linux/netfilter_ipv4.h: a struct sockaddr_in


@contextmanager
def slow_links(network: Network, port: int, delay_ms: float, jitter_ms: float) -> Iterator[None]:
    """Connections to this port that are made while the block lasts: each direction is later by delay_ms to delay_ms +
    jitter_ms. They end with it."""
    proxies = []
    try:
        for id, name in network.namespaces.items():
            with inside(name):
                command = [sys.executable, __file__, str(delay_ms), str(jitter_ms)]
                proxies.append(subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parent))
            network.filter(
                id,
                "add table ip slow",
                "add chain ip slow output { type nat hook output priority -100; }",
                f"add rule ip slow output tcp dport {port} meta mark != {MARK} redirect to :{PROXY_PORT}",
            )
        for proxy in proxies:
            assert proxy.stdout
            assert proxy.stdout.readline() == b"ready\n"
        yield
    finally:
        for id in network.namespaces:
            network.filter(id, "add table ip slow", "delete table ip slow")
        for proxy in proxies:
            proxy.kill()
            proxy.wait()
            assert proxy.stdout
            proxy.stdout.close()


class Half(asyncio.Protocol):
    """One of the two connections that a link is made of."""

    def __init__(self, delay_s: float, jitter_s: float) -> None:
        self._delay_s = delay_s
        self._jitter_s = jitter_s
        self._due_s = 0.0  # of what came last
        self.transport: asyncio.Transport
        self.other: Half

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._later(self.other.transport.write, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._later(self.other.transport.close)

    def _later(self, what: Callable[..., None], *given: bytes) -> None:
        loop = asyncio.get_running_loop()
        delay_s = self._delay_s + random.uniform(0, self._jitter_s)
        self._due_s = max(self._due_s + OVERTAKING_S, loop.time() + delay_s)
        loop.call_at(self._due_s, what, *given)


async def join(near: socket.socket, delay_s: float, jitter_s: float) -> None:
    """A connection that was meant for somebody else is continued to there."""
    loop = asyncio.get_running_loop()
    meant = near.getsockopt(socket.IPPROTO_IP, SO_ORIGINAL_DST, 16)
    far = socket.socket()
    far.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, MARK)
    far.setblocking(False)
    try:
        await loop.sock_connect(far, (socket.inet_ntoa(meant[4:8]), int.from_bytes(meant[2:4])))
    except OSError:
        near.close()
        far.close()
        return
    halves = [Half(delay_s, jitter_s) for _ in range(2)]
    halves[0].other, halves[1].other = halves[1], halves[0]
    for half, made in zip(
        halves, (far, near), strict=True
    ):  # who dials speaks first: the far one must be there
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await loop.connect_accepted_socket(lambda half=half: half, made)


async def serve(delay_s: float, jitter_s: float) -> None:
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", PROXY_PORT)) as listener:
        listener.setblocking(False)
        print("ready", flush=True)
        joining = set()
        while True:
            near, _ = await loop.sock_accept(listener)
            task = loop.create_task(join(near, delay_s, jitter_s))
            joining.add(task)
            task.add_done_callback(joining.discard)


if __name__ == "__main__":
    asyncio.run(serve(*(float(text) / 1000 for text in sys.argv[1:])))
