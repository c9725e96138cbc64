"""One replica without sockets, on a simulated disk whose room the test decides."""

import errno
import os
from typing import ClassVar, cast

from exchange import ManualClock
from simulated_disk import SimulatedDisk

from gateway import inputs
from gateway.config_file import load, parse
from gateway.connections import Connections
from gateway.egress_file import EgressFile
from gateway.replica import Replica
from replication.files import File
from replication.messages import Message
from replication.node import Node
from replication.wal import DATA, batch_end

ENTRY_BYTES = len(b"".join(load(None).genesis))  # the largest entry here
SEGMENT_BYTES = batch_end(DATA, [ENTRY_BYTES])  # which leaves no room before it
ANY = 1 << 30


def fix(msg_type: str, number: int, *fields: str) -> bytes:
    body = "|".join(
        (
            f"35={msg_type}",
            "49=ALICE",
            "56=QUORUMBOOK",
            f"34={number}",
            "52=20260101-00:00:00.000",
            *fields,
            "",
        )
    )
    whole = f"8=FIX.4.4|9={len(body)}|{body}".replace("|", "\x01").encode()
    return whole + f"10={sum(whole) % 256:03}\x01".encode()


class Transport:
    """A TCP transport that remembers."""

    def __init__(self) -> None:
        self.written = b""
        self.number = 0  # of its connection
        self.ended = False

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        self.ended = True

    def write(self, data: bytes) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        raise AssertionError("cut off")


class Scratch:
    """The egress store's file; it has all the room it wants."""

    path = "egress"

    def __init__(self) -> None:
        self.data = bytearray()

    def truncate(self, size: int) -> None:
        del self.data[size:]

    def reserve(self, size: int) -> None: ...
    def write_out(self, offset: int, size: int) -> None: ...

    def pwrite(self, data: memoryview, offset: int) -> None:
        self.data[offset : offset + len(data)] = data

    def pread(self, size: int, offset: int) -> bytes:
        return bytes(self.data[offset : offset + size])


class NoLinks:
    """Of a cluster of one."""

    linked: ClassVar[dict[int, int]] = {}

    def send(self, message: Message) -> None:
        raise AssertionError("there is nobody to send to")

    def forward(self, to: int, payload: bytes) -> None:
        raise AssertionError("there is nobody to forward to")


class Life:
    """One life of an exchange on a disk that has room for `segments` segments."""

    def __init__(
        self,
        disk: SimulatedDisk,
        clock: ManualClock,
        *,
        segments: int = ANY,
        segment_bytes: int = SEGMENT_BYTES,
        entry_bytes: int = ENTRY_BYTES,
        config: str = "",
    ) -> None:
        self.disk = disk
        self.clock = clock
        self.segments = segments
        disk.fail = self.fail
        self.node = Node.open(disk, clock=clock, segment_bytes=segment_bytes, max_entry_bytes=entry_bytes)
        egress = EgressFile(cast(File, Scratch()))
        self.replica = Replica(
            self.node,
            egress,
            Connections,
            lambda messages: None,
            lambda: None,
            clock.monotonic_ns,
            1,
            NoLinks(),
            lambda: disk.chance.randrange(1, 1 << 64),
        )
        self.replica.recover(lambda index, last: None)
        self.replica.start(parse(config, "my.toml"))

    def fail(self, operation: str, name: str) -> None:
        if operation == "reserve" and "segment" in name and int(name.partition(".")[0]) > self.segments:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)

    def run(self) -> None:
        """As the server: turns while there is more to do, and now and then a rest."""
        for _ in range(20):
            self.replica.rest()
            while self.replica.turn():
                pass

    def fill(self, timers: int) -> None:
        """Entries of some timers until the last segment has no room for another; what is left over is forgotten."""
        self.segments = 0
        before = 0
        while self.node.last_index > before:
            before = self.node.last_index
            self.node.propose(inputs.timer() * timers)
            self.run()

    def room(self) -> None:
        self.segments = ANY
        self.clock.now_ns += 1_000_000_000
        self.run()

    def client(self) -> Transport:
        """Connects, asks for its session and enters an order behind the Logon."""
        transport = Transport()
        self.replica.connections.now_ns = self.clock.wall_ns()
        transport.number = number = self.replica.connections.open(transport)
        self.replica.connections.received(number, fix("A", 1, "98=0", "108=0"))
        order = fix("D", 2, "11=x", "55=AAPL", "54=1", "60=20260101-00:00:00", "38=1", "40=2", "44=1.00")
        self.replica.connections.received(number, order)
        return transport
