"""A member that says what none does, over the links between members: with the directory of one that is stopped, so that
the others take it for that one."""

import os
import socket
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from exchange_process import PATIENCE_SECONDS

from gateway.inputs import RULES_VERSION
from replication import wire
from replication.acquaintances import Acquaintances
from replication.clock import Clock
from replication.disk import RealDisk
from replication.membership import Membership
from replication.messages import Kind, Message
from replication.node import Node
from replication.wire import Hello


class _Clock(Clock):
    """Nothing here takes long enough for time to pass."""

    def monotonic_ns(self) -> int:
        return 0

    def wall_ns(self) -> int:
        return 0


class BadMember:
    """member: the id that the directory `data` belongs to."""

    def __init__(self, data: Path, member: int) -> None:
        self.member = member
        disk = RealDisk(str(data))
        met, run = Acquaintances(disk), os.urandom(16)
        met.begin(run)  # or the member would not be known any more when it comes back itself
        node = Node.open(disk, clock=_Clock(), me=member, origin=Membership(()))
        node.begin()
        self._hello = Hello(
            node.cluster, member, 0, node.directory, node.starts, run, met.runs, RULES_VERSION
        )
        self.term = node.term
        node.close()
        self._to = 0
        self._socket: socket.socket

    def dial(self, to: int, address: str) -> Self:
        """To be used as a context; hellos are exchanged when it begins."""
        self._to = to
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), PATIENCE_SECONDS)
        return self

    def __enter__(self) -> Self:
        self._socket.sendall(wire.encode_hello(self._hello._replace(to=self._to)))
        frames = wire.Frames()
        while not (came := frames.feed(self._socket.recv(1 << 16))):
            pass
        assert came[0][0] == wire.HELLO_FRAME, came
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._socket.close()

    def enter(self, payload: bytes) -> None:
        """What its gateway wants proposed."""
        self._socket.sendall(wire.frame(wire.INPUTS_FRAME, payload))

    def say(self, kind: Kind, **fields: Any) -> None:
        self._socket.sendall(wire.encode_message(Message(kind, self.member, self._to, **fields)))

    def is_hung_up_on(self) -> bool:
        """Waits for that."""
        try:
            while self._socket.recv(1 << 16):
                pass
        except ConnectionResetError:
            pass
        except TimeoutError:
            return False
        return True
