"""One replica: the log, the exchange and the connections of one gateway, a turn at a time. No I/O of its own.

A turn: what came in becomes ONE log entry; it is written and synced; what has
committed is applied in steps, and each step's results go to the egress store,
to the connections and to the feed.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from gateway import inputs
from gateway.config import Loaded
from gateway.connections import Connections
from gateway.egress import EgressStore
from gateway.egress_file import EgressFile
from gateway.exchange import Exchange
from gateway.genesis import check, whole
from replication.messages import Entry
from replication.node import Node

LIGHT = 4096  # payload bytes of an entry of a few inputs
STEP = 4096  # inputs (or pieces of one long input) applied before the loop breathes


class Replica:
    """Owns nothing: node and egress file are closed by whoever made them.

    monotonic_ns: the clock that timers are measured with; log time is the last entry's timestamp plus what has
    passed on it since. publish: called with the feed's (topic, payload) messages of an entry. give_way:
    called when answers were handed over, before the rest of a turn: who carries them on may need this core.
    """

    def __init__(
        self,
        node: Node,
        egress: EgressFile,
        connections: Callable[[Callable[[bytes], tuple[int, int]], EgressStore], Connections],
        publish: Callable[[list[tuple[bytes, bytes]]], None],
        give_way: Callable[[], None],
        monotonic_ns: Callable[[], int],
    ) -> None:
        self.node = node
        self.exchange = Exchange()
        self.exchange.feed.ignore(b"")  # only what somebody subscribes to is built
        self.why_not: str | None = None  # why no input is taken
        self._egress = egress
        self._store = EgressStore(egress)
        self.connections = connections(self._session, self._store)
        self._publish = publish
        self._give_way = give_way
        self._monotonic_ns = monotonic_ns
        self._first: deque[bytes] = deque()  # payloads that the log holds before any input of this gateway
        self._incarnations = 0  # given out before this gateway asked for one
        self._committed: deque[Entry] = deque()
        self._applying: Entry | None = None
        self._genesis = b""  # payload of the log's first entry that has one
        self._log_ns = 0  # timestamp of the last entry ...
        self._since_ns = 0  # ... and the clock when it was made
        self.turns = 0
        self.light = False  # whether the last turn took input, and little of it
        self.instruments: list[
            dict[str, Any]
        ] = []  # in the order of their numbers, as inputs.read_instrument

    def _session(self, comp_id: bytes) -> tuple[int, int]:
        """What this replica knows of a Logon's session."""
        session = self.exchange.session_id(comp_id.decode("ascii", "replace"))
        return session, self.exchange.epoch(session) if session else 0

    # ---------------------------------------------------------------- start-up

    def recover(self, progress: Callable[[int, int], None]) -> None:
        """Applies the log again, from its first entry. progress: called with (index, last index) now and then."""
        last = self.node.last_index
        for entries in self.node.committed_pieces():
            self.exchange.begin_all(entries)
            while not self.exchange.step(STEP):
                self._keep()
            self._keep()
            if not self._genesis:
                self._look_for_genesis(entries)
            progress(entries[-1].index, last)

    def start(self, loaded: Loaded) -> None:
        """Genesis in an empty log, a check of the configuration in another; then this gateway's incarnation.

        While the log has no room for these entries no input is taken (`why_not`) and later turns try again.
        Raises ConfigError when the file disagrees with the log, and what `turn` raises.
        """
        if self._genesis:
            check(loaded, self._genesis)
        else:
            self._first.append(whole(loaded))
        self._first.append(inputs.gateway_lost(0) + inputs.gateway_start())  # so the new one is not lost
        self._incarnations = self.exchange.last_incarnation
        self._look_at_room()
        while self.turn():
            pass

    # ---------------------------------------------------------------- running

    @property
    def timer_ns(self) -> int | None:
        """Nanoseconds until the exchange's next deadline; None when it has none, or nothing can be entered for it."""
        deadline = self.exchange.next_deadline_ns
        if deadline is None or not self.connections.accepting:
            return None
        return deadline - self._log_ns - (self._monotonic_ns() - self._since_ns)

    def turn(self) -> bool:
        """One turn, or the next step of a long entry. True: there is more to do without waiting.

        Raises what Node.turn raises (LogFailed: the process must stop) and OSError of the egress store.
        """
        entry = self._applying
        if entry is None:
            if not self._committed and not self._propose():
                return self.connections.accepting and self.connections.pending
            entry = self._applying = self._committed.popleft()
            self.exchange.begin(entry.payload, entry.index, entry.term, entry.timestamp_ns)
        done = self.exchange.step(STEP)
        self._keep()
        if done:
            self._applying = None
            self._publish(self.exchange.feed.take())
            if not self.connections.incarnation:
                self._look_for_start(entry)
        self._look_at_room()
        return not done or bool(self._committed) or bool(self._first) or self.connections.pending

    def _propose(self) -> bool:
        """What came in, or the time that is due, as one entry. False: nothing may be applied yet."""
        self.light = False
        if not self.connections.accepting:
            self._look_at_room()
        if self.connections.accepting:
            payload = self.connections.take_payload() if self.connections.pending else b""
            if not payload and self._time_is_due():
                payload = inputs.timer()
            if payload:
                self.node.propose(payload)
                self.light = len(payload) <= LIGHT
                self.turns += 1
        elif self._first and not self.node.queued_bytes:  # an entry each
            self.node.propose(self._first.popleft())
        if self.node.queued_bytes:
            self._committed.extend(self._turn_log())
        return bool(self._committed)

    def _look_at_room(self) -> None:
        """Whether the next turn takes input: looked at after the answers of this one."""
        self.why_not = self._egress.why_not() if self.node.accepting else self.node.why_not
        if self.why_not is None and not self.connections.incarnation:
            self.why_not = "the log does not hold the start of this gateway yet"
        self.connections.accepting = self.why_not is None

    def rest(self) -> None:
        """Now and then: what has nothing to write proves its last batch. Raises what Node.turn raises."""
        if not self.node.queued_bytes:
            self._committed.extend(self._turn_log())
        self._look_at_room()

    def _time_is_due(self) -> bool:
        timer_ns = self.timer_ns
        return timer_ns is not None and timer_ns <= 0

    def _turn_log(self) -> list[Entry]:
        entries = self.node.turn()
        if entries:
            self._log_ns = entries[-1].timestamp_ns
            self._since_ns = self._monotonic_ns()
        return entries

    def _look_for_start(self, entry: Entry) -> None:
        """Of an entry just applied: whether it is the genesis, or gave this gateway its incarnation."""
        if not self._genesis:
            self._look_for_genesis([entry])
        if self.exchange.last_incarnation > self._incarnations:
            self.connections.comp_id = self.exchange.comp_id
            self.connections.incarnation = self.exchange.last_incarnation

    def _look_for_genesis(self, entries: list[Entry]) -> None:
        self._genesis = next((bytes(entry.payload) for entry in entries if entry.payload), b"")
        self.instruments = [
            inputs.read_instrument(record) for record in list(inputs.split(self._genesis))[1:]
        ]

    def _keep(self) -> None:
        """The results of a step. Answers leave first; the store is read, for what is sent again or could not be taken,
        only between turns."""
        with self.exchange.egress() as egress:
            if not egress:
                return
            self.connections.dispatch(egress)
            self.connections.flush()
            self._give_way()
            self._store.append(egress)
        self.exchange.clear_egress()
