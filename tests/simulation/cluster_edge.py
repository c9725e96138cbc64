"""What a process of a simulated machine touches outside: clocks, connections of clients, the file of its resends."""

from typing import TYPE_CHECKING

from cluster_client import Client
from cluster_fix import SECOND, Fields

if TYPE_CHECKING:
    from cluster_host import Host
    from cluster_world import World

START_NS = 1_700_000_000 * SECOND  # when the world begins: 22:13:20 UTC


class HostClock:
    """Of one machine: it drifts, and somebody sets its wall clock."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.drift = world.chance.uniform(0.999, 1.001)
        self.wall_offset_ns = world.chance.randrange(-2 * SECOND, 2 * SECOND)

    def monotonic_ns(self) -> int:
        return 10 * SECOND + int(self._world.now * self.drift)

    def wall_ns(self) -> int:
        return START_NS + self._world.now + self.wall_offset_ns


class Transport:
    """A client's connection as its gateway sees it."""

    def __init__(self, host: "Host", client: Client) -> None:
        self.host = host
        self.client = client
        self.number = 0
        self.open = True
        self.rest = b""  # of a message that has not come whole
        self.told: list[Fields] = []  # everything that came, read or not

    def write(self, data: bytes) -> None:
        if self.open:
            self.host.effect("answer to a client")
            world = self.host.world
            delay = world.delay()
            self.client.arrives = max(self.client.arrives + 1, world.now + delay)
            world.at(self.client.arrives, lambda: self.client.received(self, bytes(data)))

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        if self.open:
            self.open = False
            world = self.host.world
            self.client.arrives = max(self.client.arrives + 1, world.now + world.delay())
            world.at(self.client.arrives, lambda: self.client.lost(self))

    abort = close


class Resends:
    """The egress store's file: no part of what is durable, and begun anew with every start."""

    path = "egress"

    def __init__(self) -> None:
        self._data = bytearray()

    def truncate(self, size: int) -> None:
        pass

    def reserve(self, size: int) -> None:
        pass

    def pwrite(self, data: bytes, offset: int) -> None:
        self._data[len(self._data) :] = bytes(max(0, offset - len(self._data)))
        self._data[offset : offset + len(data)] = data

    def write_out(self, offset: int, size: int) -> None:
        pass

    def pread(self, size: int, offset: int) -> bytes:
        return bytes(self._data[offset : offset + size])
