"""The running process: sockets, the loop, the clocks, and nothing that decides anything.

uvloop; FIX comes in by a ROUTER (drained in C) and a TCP acceptor, answers leave
by them; an XPUB carries the feed; ROUTERs answer snapshot and admin requests.
Everything runs on the loop's one thread; ZeroMQ's own I/O threads move bytes.
"""

import asyncio
import gc
import os
import random
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, cast

import msgspec
import uvloop
import zmq
from structlog.typing import FilteringBoundLogger
from zmq.backend.cython import _zmq

from gateway import descriptors, zeromq
from gateway.admin import Admin
from gateway.answering import Answering
from gateway.boot import Boot
from gateway.config import Cluster, ConfigError, Loaded, Network
from gateway.connections import Connections
from gateway.egress_file import EgressFile
from gateway.member_admin import MemberAdmin
from gateway.member_links import MemberLinks
from gateway.memory_holder import hold_memory
from gateway.replica import Replica
from gateway.snapshot_keeper import SnapshotKeeper
from gateway.subscribers import Subscribers
from replication.disk import RealDisk
from replication.files import LogDamaged, LogError
from replication.membership import Member, Membership, Refused, of_one
from replication.node import Node
from replication.raft import Diverged, Timing
from replication.segments import SEGMENT_NAME
from replication.snapshots import SNAPSHOT_NAME, index_of
from replication.wal import Cut

FRAMES = 1_024  # ZeroMQ frames taken before others are looked at
SNAPSHOTS = 16  # answered before others are looked at
FRAME_BYTES = 1 << 20  # a larger ZeroMQ frame costs its sender the link
RETRY_SECONDS = 0.005  # how often a connection that is behind is tried
HOUSEKEEPING_SECONDS = 0.25
SNAPSHOTS_SECONDS = 1.0  # how often it is looked whether another process made one
HIGH_WATER = 256  # ZeroMQ frames waiting for one FIX peer, either way
FEED_HIGH_WATER = (
    8_192  # feed messages of at most 8,240 bytes waiting for one subscriber; more are lost to it
)
TCP_WRITE_BUFFER = 65_536
IDLE_SLICE = 1_024  # idle topics repeated at a time
KEEPALIVE = {
    "IDLE": 60,
    "INTVL": 20,
    "CNT": 3,
}  # a FIX client behind a dead network is gone after two minutes
HAND_OVER_SECONDS = 0.5  # a leader that stops waits for another so long at most
LET_GO_SECONDS = 0.05  # and then lets what it knows of the last orders reach its clients
GARBAGE = 50_000  # new objects between two looks for garbage
AWAKE_NS = 150_000  # how long the loop looks again before it sleeps, after a light turn


class Stopped(Exception):
    """The process must stop; the text is for people."""


class TcpSession(asyncio.Protocol):
    """One accepted socket: bytes to the connections, and its end."""

    __slots__ = ("_number", "_server", "_transport")

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._number = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        tcp = cast(asyncio.Transport, transport)
        tcp.set_write_buffer_limits(high=TCP_WRITE_BUFFER)
        self._number = self._server.opened(tcp)

    def data_received(self, data: bytes) -> None:
        self._server.received(self._number, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.closed(self._number)

    def resume_writing(self) -> None:
        self._server.schedule()


class Server:
    """Everything between the operating system and a Replica, for one process."""

    def __init__(
        self,
        loaded: Loaded,
        directory: Path,
        trace: FilteringBoundLogger,
        first_start: bool = False,
        repair: bool = False,
    ) -> None:
        self._loaded = loaded
        self._directory = directory
        self._trace = trace
        self._loop = asyncio.get_running_loop()
        self._finished: asyncio.Future[None] = self._loop.create_future()
        self._scheduled = False
        self._timer: asyncio.Handle | None = None
        self._timer_at = 0.0
        self._retry: asyncio.TimerHandle | None = None
        self._awake = False
        self._awake_until_ns = 0
        self._started_ns = time.monotonic_ns()
        self._stopping = False
        self._why_not: str | None = None
        self._descriptors = descriptors.raise_limit()
        self._crowded = False
        self._say: Callable[[str], None]
        self._idle: Iterator[tuple[bytes, bytes]] = iter(())
        self._idle_next = 0.0
        self._snapshots_next = 0.0
        self._visiting: set[Callable[[], bool]] = set()  # has a visit coming
        self._context = zmq.Context(io_threads=2)
        self._fix = self._socket(zmq.ROUTER, affinity=1)
        self._fix.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self._fix.setsockopt(zmq.MAXMSGSIZE, FRAME_BYTES)
        self._fix.set_hwm(HIGH_WATER)
        self._fix.tcp_keepalive = 1
        for name, value in KEEPALIVE.items():
            self._fix.setsockopt(getattr(zmq, f"TCP_KEEPALIVE_{name}"), value)
        self._feed = self._socket(zmq.XPUB, affinity=2)
        self._feed.sndhwm = FEED_HIGH_WATER
        self._snapshot = self._socket(zmq.ROUTER, affinity=2)
        self._admin_socket = self._socket(zmq.ROUTER, affinity=2)
        zeromq.load(_zmq.__file__)
        self._boot = Boot(directory, loaded.config.storage.durability == "disk")
        self._disk = RealDisk(str(directory), durable=self._boot.durable)
        cluster = loaded.config.cluster
        self._tick_seconds = cluster.heartbeat_ms / 1000
        self._node = Node.open(
            self._disk,
            clock=Clock(),
            me=cluster.member,
            below=random.randrange,
            timing=Timing(cluster.heartbeat_ms * 1_000_000, cluster.election_timeout_ms * 1_000_000),
            origin=of_one() if len(cluster.members) < 2 else Membership(()),
            birth=birth_of(cluster) if first_start else None,
            cluster=bytes.fromhex(cluster.id) or None,
            repair=repair,
            discards=loaded.config.log.retention == "snapshots",
        )
        self._links = MemberLinks(
            cluster, self._disk, self._node, trace, self._tell_people, self.schedule, self._member_failed
        )
        self._egress = EgressFile(self._disk.open("egress", create=True))
        self._replica = Replica(
            self._node,
            self._egress,
            Connections,
            self._publisher(),
            os.sched_yield,
            time.monotonic_ns,
            cluster.member,
            self._links,
            lambda: random.getrandbits(64) | 1,
        )
        self._connections = self._replica.connections
        self._router = zeromq.FixRouter(self._fix.underlying, self._connections)
        self._connections.outlet = self._router
        self._subscribers = Subscribers(self._feed, lambda: self._replica.exchange.feed, self._dropped)
        self._snapshots = Answering(self._snapshot, self._snapshot_of, SNAPSHOTS)
        members = MemberAdmin(self._replica, cluster, self._links.troubles, self.schedule)
        admin = Admin(self._replica, members, self.stop, self._process)
        self._snapshot_keeper = SnapshotKeeper(
            loaded.config.log.snapshot_every_mib << 20, partial(Making, directory), time.monotonic, trace
        )
        self._admins = Answering(self._admin_socket, admin.answer, 1)

    def _socket(self, kind: int, affinity: int) -> zmq.Socket[bytes]:
        made = self._context.socket(kind)
        made.linger = 200  # ms: what was handed over before a stop still goes out
        made.affinity = affinity
        return made

    def _publisher(self) -> Callable[[list[tuple[bytes, bytes]]], None]:
        address = self._feed.underlying

        def publish(messages: list[tuple[bytes, bytes]]) -> None:
            if messages:
                zeromq.publish(address, messages)

        return publish

    def _process(self) -> dict[str, Any]:
        """What `status` tells of the process and its disk."""
        return {
            "version": version("quorumbook"),
            "pid": os.getpid(),
            "uptime_s": (time.monotonic_ns() - self._started_ns) / 1e9,
            "storage": {
                "directory": str(self._directory),
                "durability": self._loaded.config.storage.durability,
                **room(self._directory),
            },
        }

    # ---------------------------------------------------------------- start and end

    async def run(self, say: Callable[[str], None], ready: Callable[[dict[str, str | int]], None]) -> None:
        """Recovers, listens, serves until it is stopped. Raises Stopped with the reason when it must not go on."""
        self._loop.set_exception_handler(self._broken)
        began = time.monotonic()

        def progress(index: int, last: int) -> None:
            nonlocal began
            if time.monotonic() - began > 1:
                began = time.monotonic()
                say(f"applying the log again: entry {index:,} of {last:,}")

        self._say = say
        cut = self._node.cut
        if cut is not None:
            what = describe(cut)
            self._trace.warning(what, **cut._asdict())
            say(what)
        try:
            self._replica.recover(progress, self._passed_over)
            self._trace.info(
                "recovered",
                snapshot=self._node.started_from,
                applied_index=self._replica.exchange.applied_index,
            )
        except LogDamaged:
            self._egress.close()
            self._node.close()
            raise
        self._replica.start(self._loaded)
        endpoints = await self._listen(say)
        try:
            peers = self._links.listen(self._replica)
        except OSError as error:
            raise Stopped(
                f"{self._loaded.file}: cluster.members: {error.filename}: {error.strerror}"
            ) from None
        if peers is not None:
            self._tick()
            self._loop.add_reader(self._node.sync_descriptor, self._synced)
        for number in (signal.SIGINT, signal.SIGTERM):
            self._loop.add_signal_handler(number, self._signalled)
        write_endpoints(self._directory, endpoints)
        gc.collect()
        gc.freeze()  # what lives now lives for ever: collections look at what is new,
        gc.set_threshold(GARBAGE)  # and that is rarely garbage: few objects here know each other
        self._trace.info("ready", **endpoints)
        self._tell_intake()
        ready(endpoints)
        self._housekeep()
        self.schedule()
        try:
            await self._finished
        finally:
            self._close()

    def _passed_over(self, what: str) -> None:
        """A snapshot cannot be used."""
        self._trace.warning("snapshot passed over", what=what)
        self._say(what)

    async def _listen(self, say: Callable[[str], None]) -> dict[str, str | int]:
        network = self._loaded.config.network
        endpoints: dict[str, str | int] = {}
        for name, made in (
            ("fix_zmq", self._fix),
            ("feed", self._feed),
            ("snapshot", self._snapshot),
            ("admin", self._admin_socket),
        ):
            endpoints[name] = self._bind(name, network, say, partial(bound, made))
        listener = socket.socket(socket.AF_INET6 if ":" in network.host else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # what it accepts inherits that
        for name, value in KEEPALIVE.items():
            listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, f"TCP_KEEP{name}"), value)
        endpoints["fix_tcp"] = self._bind(
            "fix_tcp", network, say, lambda address: listening(listener, address)
        )
        self._acceptor = await self._loop.create_server(lambda: TcpSession(self), sock=listener, backlog=1024)
        for made, reader in (
            (self._fix, self._drain),
            (self._feed, partial(self._visit, self._subscribers.take)),
            (self._snapshot, partial(self._visit, self._snapshots.take)),
            (self._admin_socket, partial(self._visit, self._admins.take)),
        ):
            self._loop.add_reader(descriptor(made), reader)
            self._loop.call_soon(reader)  # what came before the descriptor was watched
        endpoints["pid"] = os.getpid()
        order = ("fix_zmq", "fix_tcp", "feed", "snapshot", "admin", "pid")
        return {name: endpoints[name] for name in order}

    def _bind(
        self, name: str, network: Network, say: Callable[[str], None], bind: Callable[[str], str]
    ) -> str:
        """Binds to the configured port; a default port that is taken gives way to a free one."""
        host = f"[{network.host}]" if ":" in network.host else network.host
        port = getattr(network, name)
        try:
            return bind(f"tcp://{host}:{port}")
        except OSError as error:
            if f"network.{name}" in self._loaded.given:
                raise Stopped(
                    f"{self._loaded.file}: network.{name}: port {port} on {host}: {error.strerror}"
                ) from None
            say(f"port {port} ({name}) is taken: using a free one")
            return bind(f"tcp://{host}:0")

    def _signalled(self) -> None:
        if self._stopping:
            os._exit(130)  # asked twice: at once. What was acknowledged is on disk
        self.stop()

    def stop(self) -> None:
        """A clean stop: at the end of this iteration of the loop; of a leader when another one leads, if there is one
        that can."""
        if self._stopping:
            return
        self._stopping = True
        if not self._node.alone:
            with suppress(Refused):
                self._trace.info("handing over", to=self._node.transfer())
                self._loop.call_later(HAND_OVER_SECONDS, self._end)
                self.schedule()
                return
        self._end()

    def _end(self) -> None:
        if not self._finished.done():
            self._finished.set_result(None)

    def _member_failed(self, error: Exception) -> None:
        if isinstance(error, Diverged | LogError | OSError):
            self._trace.error("stopped by a message", error=str(error))
            self._fail(Stopped(str(error)))
        else:
            self._broken(self._loop, {"exception": error})

    def _tell_people(self, what: str) -> None:
        self._say(what)

    def _tick(self) -> None:
        """Once a heartbeat interval; what has arrived meanwhile is stepped first, in this iteration of the loop."""
        if self._finished.done():
            return
        self._loop.call_later(self._tick_seconds, self._tick)
        self._loop.call_soon(self._time_passed)

    def _time_passed(self) -> None:
        if self._finished.done():
            return
        self._replica.tick()
        self._links.update()
        if self._stopping and self._node.leader not in (0, self._node.me):
            self._loop.call_later(LET_GO_SECONDS, self._end)
        if self._replica.relay():
            self.schedule()

    def _fail(self, error: BaseException) -> None:
        if not self._finished.done():
            self._finished.set_exception(error)

    def _broken(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An exception that nothing caught: stop rather than trade wrongly."""
        error = context.get("exception") or RuntimeError(context["message"])
        self._trace.error("broken", error="".join(traceback.format_exception(error)))
        self._fail(error)

    def _close(self) -> None:
        self._trace.info("stopped", last_index=self._node.last_index)
        self._acceptor.close()
        self._connections.close_all()
        with suppress(OSError):
            (self._directory / "endpoints.json").unlink()
        for made in (self._fix, self._feed, self._snapshot, self._admin_socket):
            self._loop.remove_reader(descriptor(made))
            made.close()
        self._snapshot_keeper.close()
        self._links.close()
        self._context.term()
        self._egress.close()
        self._node.close()
        self._boot.close()

    # ---------------------------------------------------------------- bytes in

    def opened(self, transport: asyncio.Transport) -> int:
        self._connections.now_ns = time.time_ns()
        self._look_at_descriptors()
        if self._crowded:
            transport.abort()
            return 0
        number = self._connections.open(transport, transport.get_extra_info("socket").fileno())
        if not number:
            transport.abort()
        return number

    def received(self, number: int, data: bytes) -> None:
        self._connections.now_ns = time.time_ns()
        self._connections.received(number, data)
        self.schedule()

    def closed(self, number: int) -> None:
        self._connections.closed(number)
        self.schedule()

    def _drain(self) -> None:
        self._connections.now_ns = time.time_ns()
        if self._connections.accepting:
            self._router.drain(FRAMES)
            self.schedule()
        else:
            self._router.readable()  # takes the edge: the descriptor would wake the loop for ever. A turn looks again

    # ---------------------------------------------------------------- a turn

    def schedule(self) -> None:
        """A turn soon: after the sockets that are readable now have been read."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._turn)

    def _synced(self) -> None:
        try:
            self._node.take_sync()
        except LogError as error:
            self._log_failed(error)
            return
        if self._replica.relay():
            self.schedule()

    def _turn(self) -> None:
        self._scheduled = False
        if self._finished.done():
            return
        connections = self._connections
        try:
            more = self._replica.turn()
        except (LogError, OSError, Diverged, ConfigError) as error:
            self._log_failed(error)
            return
        if connections.behind:
            connections.now_ns = time.time_ns()
            more |= connections.pump()
            if self._retry is None:
                self._retry = self._loop.call_later(RETRY_SECONDS, self._try_again)
        if connections.events:
            self._tell()
        self._tell_intake()
        if connections.accepting and self._router.readable():  # edge-triggered: sends may have eaten the edge
            self._loop.call_soon(self._drain)
        if more:
            self.schedule()
        elif self._replica.light and self._node.alone:
            self._stay_awake()
        self._arm()

    def _log_failed(self, error: Exception) -> None:
        self._trace.error("the log failed", error=str(error))
        self._fail(Stopped(str(error)))

    def _try_again(self) -> None:
        self._retry = None
        self.schedule()

    def _stay_awake(self) -> None:
        """Who has an answer often sends the next order at once. A core that has gone to sleep costs the sender tens of
        microseconds to wake, and this process its warm caches."""
        self._awake_until_ns = time.monotonic_ns() + AWAKE_NS
        if not self._awake:
            self._look_again()

    def _look_again(self) -> None:
        self._awake = time.monotonic_ns() < self._awake_until_ns
        if self._awake:
            os.sched_yield()  # whoever has work for this core goes first: ZeroMQ's threads, a client
            self._loop.call_soon(self._look_again)

    def _arm(self) -> None:
        """One timer, no later than the exchange's next deadline; deadlines mostly move away."""
        wait_ns = self._replica.timer_ns
        if wait_ns is None:
            return
        when = self._loop.time() + max(wait_ns, 0) / 1e9
        if self._timer is not None:
            if self._timer_at <= when:  # uvloop's handle does not know when, if that is at once
                return
            self._timer.cancel()
        self._timer, self._timer_at = self._loop.call_at(when, self._due), when

    def _due(self) -> None:
        self._timer = None
        self.schedule()

    def _tell(self) -> None:
        for what, details in self._connections.events:
            self._trace.info(what, **details)
        self._connections.events.clear()

    def _housekeep(self) -> None:
        """Four times a second: silence, idle topics, and whether the log takes entries again."""
        if self._finished.done():
            return
        self._loop.call_later(HOUSEKEEPING_SECONDS, self._housekeep)
        self._connections.now_ns = time.time_ns()
        self._connections.sweep()
        self._publish_idle()
        self._visit(self._subscribers.take)  # edge-triggered: publishing may have eaten the edge
        self._look_at_descriptors()
        try:
            self._replica.rest()
            self._look_at_snapshots()
        except (LogError, OSError, Diverged) as error:
            self._fail(Stopped(str(error)))
            return
        self._tell_intake()
        self.schedule()

    def _look_at_snapshots(self) -> None:
        """Once a second. Raises OSError."""
        if time.monotonic() < self._snapshots_next:
            return
        self._snapshots_next = time.monotonic() + SNAPSHOTS_SECONDS
        self._node.look_at_snapshots()
        self._snapshot_keeper.look(self._node)
        for what in self._node.notes:
            self._trace.warning("snapshots", what=what)
        self._node.notes.clear()

    def _tell_intake(self) -> None:
        why_not = self._replica.why_not
        if why_not != self._why_not:
            self._why_not = why_not
            if why_not is None:
                self._trace.info("taking input again")
                self._say("taking input again")
            else:
                self._trace.error("not taking input", why=why_not)
                self._say(f"not taking input: {why_not}")  # the trace may lie on the disk that is full

    def _look_at_descriptors(self) -> None:
        """New TCP connections are refused while hardly a descriptor is left; ZeroMQ lets its own wait when none is."""
        crowded = descriptors.crowded(self._descriptors)
        if crowded == self._crowded:
            return
        self._crowded = crowded
        if crowded:
            self._trace.warning(
                "hardly a file descriptor is left: new connections wait or are refused; raise ulimit -n",
                limit=self._descriptors,
            )
        else:
            self._trace.info("file descriptors are free again: taking new connections")

    def _publish_idle(self) -> None:
        """Once a second, idle topics repeat their last sequence; a slice of them at a time."""
        messages = list(islice(self._idle, IDLE_SLICE))
        if messages:
            zeromq.publish(self._feed.underlying, messages)
        if len(messages) < IDLE_SLICE and time.monotonic() >= self._idle_next:
            self._idle_next = time.monotonic() + 1
            self._idle = self._replica.exchange.feed.idle()

    # ---------------------------------------------------------------- requests

    def _visit(self, take: Callable[[], bool]) -> None:
        """What came on a socket; while more may wait, one visit an iteration of the loop."""
        if take not in self._visiting:
            self._visit_now(take)

    def _visit_now(self, take: Callable[[], bool]) -> None:
        self._visiting.discard(take)
        if not self._finished.done() and take():
            self._visiting.add(take)
            self._loop.call_soon(self._visit_now, take)

    def _dropped(self, address: Any) -> None:
        self._trace.warning("a feed subscriber asked for too many topics that do not exist", address=address)

    def _snapshot_of(self, request: bytes) -> bytes:
        exchange = self._replica.exchange
        return exchange.feed.snapshot(request, exchange.machine)


class Making:
    """A process that makes a snapshot. Raises OSError."""

    def __init__(self, directory: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gateway.cli", "snapshot", "--data", str(directory)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # Ctrl-C is for the server
        )

    def ended(self) -> tuple[int, str] | None:
        if self._process.poll() is None:
            return None
        return self._process.returncode, self._process.communicate()[0].strip()

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


class Clock:
    """The operating system's clocks, for the log."""

    monotonic_ns = staticmethod(time.monotonic_ns)
    wall_ns = staticmethod(time.time_ns)


def birth_of(cluster: Cluster) -> Membership:
    """What the log of a new cluster begins with, the same at each member."""
    return Membership(tuple(Member(id, at, voter=True) for id, at in sorted(cluster.addresses().items())))


def describe(cut: Cut) -> str:
    if cut.last_index < cut.first_index:
        return f"the log ended with the remains of a write that never ended, after entry {cut.last_index}: cut off"
    return (
        f"the log ended with a torn batch, entries {cut.first_index} to {cut.last_index}: cut off. Nothing shows that "
        "a sync of it completed, and nothing is acknowledged before that"
    )


def descriptor(made: zmq.Socket[bytes]) -> int:
    """Readable when the socket may have something; edge-triggered."""
    return cast(int, made.get(zmq.FD))


def bound(made: zmq.Socket[bytes], address: str) -> str:
    if "[" in address:
        made.setsockopt(zmq.IPV6, 1)
    try:
        made.bind(address)
    except zmq.ZMQError as error:
        raise OSError(error.errno, error.strerror, address) from None
    return made.get_string(zmq.LAST_ENDPOINT)


def listening(listener: socket.socket, address: str) -> str:
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    listener.bind((host.strip("[]"), int(port)))
    return f"tcp://{host}:{listener.getsockname()[1]}"


def room(directory: Path) -> dict[str, int]:
    """The log's segments, their bytes, the bytes that the file system has left for this user, and the entry of the
    newest snapshot (0: there is none)."""
    sizes, newest = [], 0
    for entry in os.scandir(directory):
        if SNAPSHOT_NAME.fullmatch(entry.name):
            newest = max(newest, index_of(entry.name))
        elif SEGMENT_NAME.fullmatch(entry.name):
            with suppress(FileNotFoundError):  # compressed or deleted at this moment
                sizes.append(entry.stat().st_size)
    disk = os.statvfs(directory)
    free = disk.f_bavail * disk.f_frsize
    return {"segments": len(sizes), "log_bytes": sum(sizes), "free_bytes": free, "snapshot": newest}


def write_endpoints(directory: Path, endpoints: dict[str, str | int]) -> None:
    """Whole or not at all: readers never see half a file."""
    new = directory / "endpoints.json.new"
    try:
        new.write_bytes(msgspec.json.format(msgspec.json.encode(endpoints)) + b"\n")
        new.replace(directory / "endpoints.json")
    except OSError as error:
        raise Stopped(f"{new}: {error.strerror}: clients could not find this exchange") from None


def serve(
    loaded: Loaded,
    directory: Path,
    trace: FilteringBoundLogger,
    say: Callable[[str], None],
    ready: Callable[[dict[str, str | int]], None],
    first_start: bool = False,
) -> None:
    """Runs a replica on `directory` until it is stopped. first_start: an empty log begins a new cluster of the
    configured members. Raises Stopped, ConfigError, LogError (for people)."""
    if (limit := descriptors.raise_limit()) < descriptors.LEAST:
        raise Stopped(
            f"this process may open {limit} files; an exchange needs {descriptors.LEAST} or more: ulimit -n 1024"
        )
    hold_memory()

    async def main() -> None:
        try:
            await Server(loaded, directory, trace, first_start).run(say, ready)
        except LogDamaged as damage:
            cluster = loaded.config.cluster
            if len(cluster.members) < 2:
                raise
            trace.error("damaged", what=str(damage))
            say(f"{damage.path}, offset {damage.offset}: {damage.what}")
            say("what is whole before it stays; the rest comes again from the other members")
            await Server(loaded, directory, trace, repair=True).run(say, ready)

    uvloop.run(main())
