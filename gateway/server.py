"""A running replica: the loop, its turns and its end, and nothing that decides anything.

uvloop; FIX comes in by a ROUTER (drained in C) and a TCP acceptor, answers leave
by them; an XPUB carries the feed; ROUTERs answer snapshot and admin requests.
Everything runs on the loop's one thread; ZeroMQ's own I/O threads move bytes.
"""

import asyncio
import gc
import os
import random
import signal
import time
import traceback
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

from gateway import descriptors, endpoints, zeromq
from gateway.admin import Admin
from gateway.answering import Answering
from gateway.boot import Boot
from gateway.clients import Clients
from gateway.config import ConfigError, Loaded
from gateway.connections import Connections
from gateway.curve import server_keys
from gateway.egress_file import EgressFile
from gateway.endpoints import Endpoints
from gateway.fix_recorder import recorder_of_server
from gateway.gatekeeper import Gatekeeper, check_library
from gateway.genesis import check_members
from gateway.idle_topics import IdleTopics
from gateway.member_admin import MemberAdmin
from gateway.member_links import MemberLinks
from gateway.process_status import ProcessStatus
from gateway.read_index import ReadIndex
from gateway.readiness import People, Readiness
from gateway.replica import Replica
from gateway.replica_log import open_log
from gateway.replicas import has_log
from gateway.snapshot_keeper import SnapshotKeeper
from gateway.snapshot_process import Making
from gateway.sockets import Sockets, descriptor
from gateway.subscribers import Subscribers
from gateway.tcp_sessions import TcpSessions
from gateway.telling import Telling
from gateway.tls import server_context
from gateway.visits import Visits
from gateway.waiting import Waiting
from replication.disk import RealDisk
from replication.files import LogDamaged, LogError
from replication.membership import Refused
from replication.raft import Diverged

FRAMES = 1_024  # ZeroMQ frames taken before others are looked at
SNAPSHOTS = 16  # answered before others are looked at
RETRY_SECONDS = 0.005  # how often a connection that is behind is tried
HOUSEKEEPING_SECONDS = 0.25
SNAPSHOTS_SECONDS = 1.0  # how often it is looked whether another process made one
HAND_OVER_SECONDS = 0.5  # a leader that stops waits for another so long at most
ONCE_SECONDS = 0.2  # the end of a parent is told by each of its threads: that is one request
LET_GO_SECONDS = 0.05  # and then lets what it knows of the last orders reach its clients
GARBAGE = 50_000  # new objects between two looks for garbage
AWAKE_NS = 150_000  # how long the loop looks again before it sleeps, after a light turn


class Stopped(Exception):
    """The process must stop; the text is for people."""


class Damaged(Stopped):
    """While it ran this replica came upon damage in what had been durable here."""

    def __init__(self, damage: LogDamaged) -> None:
        super().__init__(str(damage))
        self.damage = damage


class Server:
    """Everything between the operating system and a Replica, for one process."""

    def __init__(
        self,
        loaded: Loaded,
        directory: Path,
        telling: Telling,
        people: People,
        first_start: bool = False,
        repair: bool = False,
    ) -> None:
        self._loaded = loaded
        self._directory = directory
        self._telling = telling
        self._trace = telling.trace
        self._loop = asyncio.get_running_loop()
        self._finished: asyncio.Future[None] = self._loop.create_future()
        self._scheduled = False
        self._timer: asyncio.Handle | None = None
        self._timer_at = 0.0
        self._retry: asyncio.TimerHandle | None = None
        self._awake = False
        self._awake_until_ns = 0
        self._stopping = False
        self._insisting = 0.0  # from when on a signal asks a second time
        self._snapshots_next = 0.0
        self._visits = Visits(self._loop, self._finished)
        config = loaded.config
        self._tick_seconds = config.cluster.heartbeat_ms / 1000
        # Before there is a log: what is wrong with files leaves nothing behind.
        try:
            keys, tls = server_keys(config.network.curve_secret_key_file), server_context(config.network)
            check_library(config)
        except ConfigError as error:
            raise ConfigError(f"{loaded.file}: {error}") from None
        if not has_log(directory):
            endpoints.try_all(loaded)
        self._recorder = recorder_of_server(config.fix.log, directory, telling.fix_log)
        with ExitStack() as opened:  # a start that fails leaves nothing open
            boot = Boot(directory, config.storage.durability == "disk")
            disk = RealDisk(str(directory), durable=boot.durable)
            self._node = open_log(disk, config, first_start, repair)
            opened.callback(boot.close)  # not before the directory is locked
            opened.callback(self._node.close)
            self._egress = EgressFile(disk.open("egress", create=True))
            opened.callback(self._egress.close)
            self._sockets = Sockets(keys, Clients(config.clients).keys)
            opened.callback(self._sockets.close)
            self._links = MemberLinks(
                config.cluster, disk, self._node, telling, self.schedule, self._member_failed
            )
            opened.callback(self._links.close)
            publish = self._sockets.publisher()
            self._replica = Replica(
                self._node,
                self._egress,
                Connections,
                publish,
                os.sched_yield,
                time.monotonic_ns,
                config.cluster.member,
                self._links,
                lambda: random.getrandbits(64) | 1,
            )
            self._connections = self._replica.connections
            self._gatekeeper = Gatekeeper(config, self._connections, self.schedule)
            opened.callback(self._gatekeeper.close)
            self._router = zeromq.FixRouter(self._sockets.fix.underlying, self._connections, keys is not None)
            self._connections.outlet = self._router
            self._connections.recorder = self._recorder
            self._connections.explains = config.fix.explain_refusals
            self._tcp = TcpSessions(
                self._connections,
                self.schedule,
                self._trace,
                descriptors.kept(config.cluster),
                tls,
                config.limits,
            )
            self._subscribers = Subscribers(
                self._sockets.feed, lambda: self._replica.exchange.feed, telling.dropped
            )
            self._idle = IdleTopics(publish, lambda: self._replica.exchange.feed)
            self._snapshots = Answering(self._sockets.snapshot, self._snapshot_of, SNAPSHOTS)
            self._waiting = Waiting(self._replica, config.cluster, self._links.troubles)
            self._readiness = Readiness(self._trace, people, self._waiting.why_not)
            members = MemberAdmin(
                self._replica, config.cluster, self._links.troubles, self._links.refused, self.schedule
            )
            reads = ReadIndex(self._replica, lambda: random.getrandbits(62) | 1, self.schedule)
            process = ProcessStatus(directory, config.storage.durability)
            admin = Admin(self._replica, self._waiting.why_not, members, reads, self.stop, process)
            self._admins = Answering(self._sockets.admin, admin.answer, 1)
            self._snapshot_keeper = SnapshotKeeper(
                config.log.snapshot_every_mib << 20, partial(Making, directory), time.monotonic, self._trace
            )
            opened.callback(self._snapshot_keeper.close)
            self._opened = opened.pop_all()

    # ---------------------------------------------------------------- start and end

    async def run(self) -> None:
        """Recovers, listens, serves until it is stopped. Raises Stopped with the reason when it must not go on."""
        with self._opened:
            self._loop.set_exception_handler(self._broken)
            self._recover()
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError:  # Ctrl-C meanwhile: here asyncio tells of it
                return
            for number in (signal.SIGINT, signal.SIGTERM):
                self._loop.add_signal_handler(number, self._signalled)
            try:
                await self._serve()
            finally:
                self._close()

    async def _serve(self) -> None:
        found = await self._listen()
        try:
            endpoints.write(self._directory, found, self._loaded)
        except OSError as error:
            file = self._directory / endpoints.FILE
            raise Stopped(f"{file}: {error.strerror}: clients could not find this exchange") from None
        gc.collect()
        gc.freeze()  # what lives now lives for ever: collections look at what is new,
        gc.set_threshold(GARBAGE)  # and that is rarely garbage: few objects here know each other
        self._readiness.listening(found)
        self._housekeep()
        self.schedule()
        await self._finished

    def _recover(self) -> None:
        self._telling.cut(self._node)
        self._replica.recover(self._telling.progress, self._telling.passed_over)
        self._trace.info(
            "recovered",
            snapshot=self._node.started_from,
            applied_index=self._replica.exchange.applied_index,
        )
        check_members(self._loaded, str(self._directory), self._node.known_members)
        self._replica.start(self._loaded)

    async def _listen(self) -> Endpoints:
        """For clients, then for the other members."""
        taken: list[str] = []
        bind = partial(endpoints.bind, self._loaded, taken)
        found = self._sockets.bind(bind)
        found["fix_tcp"] = await self._tcp.listen(self._loaded.config.network.host, bind)
        if (zap := self._sockets.zap) is not None:
            zap.refused = self._no_link
            self._loop.add_reader(descriptor(zap.socket), partial(self._visits.visit, zap.take))
            self._loop.call_soon(partial(self._visits.visit, zap.take))
        if taken:
            self._telling.say(f"taken, and replaced by free ports: {', '.join(taken)}")
        for made, reader in (
            (self._sockets.fix, self._drain),
            (self._sockets.feed, partial(self._visits.visit, self._subscribers.take)),
            (self._sockets.snapshot, partial(self._visits.visit, self._snapshots.take)),
            (self._sockets.admin, partial(self._visits.visit, self._admins.take)),
        ):
            self._loop.add_reader(descriptor(made), reader)
            self._loop.call_soon(reader)  # what came before the descriptor was watched
        try:
            peers = self._links.listen(self._replica)
        except OSError as error:
            raise endpoints.not_for_members(self._loaded, error) from None
        if peers is not None:
            self._tick()
            self._loop.add_reader(self._node.sync_descriptor, self._synced)
        return endpoints.complete(found)

    def _no_link(self, address: str) -> None:
        what: dict[str, str | int] = {
            "transport": "zeromq",
            "address": address,
            "why": "no client has its CURVE key",
        }
        self._connections.tell("refused", what)
        self.schedule()

    def _signalled(self) -> None:
        if not self._stopping:
            self._insisting = time.monotonic() + ONCE_SECONDS
            self.stop()
        elif time.monotonic() >= self._insisting:
            os._exit(130)  # asked twice: at once. What was acknowledged is on disk

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
            self._log_failed(error)
        else:
            self._broken(self._loop, {"exception": error})

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
        self._telling.leader(self._node)
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
        self._finished.cancel()  # of a start that failed: what the loop was to call finds that it is over
        self._trace.info("stopped", last_index=self._node.last_index)
        self._tcp.close()
        self._connections.close_all()
        if self._recorder is not None:
            self._recorder.write()
        endpoints.remove(self._directory)
        for made in self._sockets.watched:
            self._loop.remove_reader(descriptor(made))

    # ---------------------------------------------------------------- a turn

    def _drain(self) -> None:
        if self._finished.done():
            return
        self._connections.now_ns = time.time_ns()
        if self._connections.accepting:
            self._router.drain(FRAMES)
            self.schedule()
        else:
            self._router.readable()  # takes the edge: the descriptor would wake the loop for ever. A turn looks again

    def schedule(self) -> None:
        """A turn soon: after the sockets that are readable now have been read."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._turn)

    def _synced(self) -> None:
        try:
            self._node.take_sync()  # and may have to read for a follower that is behind
        except (LogError, OSError, Diverged) as error:
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
            self._links.note_voters()
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
            self._telling.events(self._replica)
        self._readiness.turned(self._replica.why_not is None)
        if connections.accepting and self._router.readable():  # edge-triggered: sends may have eaten the edge
            self._loop.call_soon(self._drain)
        if more:
            self.schedule()
        elif self._replica.light and self._node.alone:
            self._stay_awake()
        self._arm()

    def _log_failed(self, error: Exception) -> None:
        self._trace.error("the log failed", error=str(error))
        self._fail(Damaged(error) if isinstance(error, LogDamaged) else Stopped(str(error)))

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

    # ---------------------------------------------------------------- now and then

    def _housekeep(self) -> None:
        """Four times a second: silence, idle topics, and whether the log takes entries again."""
        if self._finished.done():
            return
        self._loop.call_later(HOUSEKEEPING_SECONDS, self._housekeep)
        self._connections.now_ns = time.time_ns()
        self._connections.sweep()
        if self._recorder is not None:
            self._recorder.write()
        self._idle.repeat()
        self._visits.visit(self._subscribers.take)  # edge-triggered: publishing may have eaten the edge
        self._tcp.look_at_descriptors()
        try:
            self._replica.rest()
            self._look_at_snapshots()
        except (LogError, OSError, Diverged) as error:
            self._log_failed(error)
            return
        self._waiting.look()
        self._readiness.look()
        self.schedule()

    def _look_at_snapshots(self) -> None:
        """Once a second. Raises OSError."""
        if time.monotonic() < self._snapshots_next:
            return
        self._snapshots_next = time.monotonic() + SNAPSHOTS_SECONDS
        try:
            self._node.look_at_snapshots()
        except OSError as error:
            if not descriptors.none_is_left(error):
                raise
            return  # it can wait
        self._snapshot_keeper.look(self._node)
        self._telling.notes(self._node)

    def _snapshot_of(self, request: bytes) -> bytes:
        exchange = self._replica.exchange
        return exchange.feed.snapshot(request, exchange.machine)
