"""One replica: the log, the exchange and the connections of one gateway, a turn at a time. No I/O of its own.

A turn: what came in becomes ONE log entry; it is written and synced; what has
committed is applied in steps, and each step's results go to the egress store,
to the connections and to the feed.
"""

from collections import deque
from collections.abc import Callable

from gateway import inputs, replica_snapshot
from gateway.additions import Additions
from gateway.config import Loaded
from gateway.connections import Connections
from gateway.egress import EgressStore
from gateway.egress_file import EgressFile
from gateway.exchange import Exchange
from gateway.framing import incarnation_of
from gateway.genesis import (
    added_drop_copies,
    check,
    check_added,
    check_drop_copies,
    check_operators,
    rules_of,
    whole,
)  # fmt: skip
from gateway.inputs import RULES_VERSION
from gateway.intake import REPEATS, Intake, Links
from gateway.rules import OPERATIONS, Activation
from gateway.schedules import Scheduling, Step
from replication.files import LogError
from replication.messages import Entry, Message
from replication.node import Node
from replication.snapshots import Snapshot

FLOOD = 10  # times its bound on messages a second: who sends more is cut off
LIGHT = 4096  # payload bytes of an entry of a few inputs
STEP = 4096  # inputs (or pieces of one long input) applied before the loop breathes
TIMER_AGAIN_NS = 10_000_000  # between two entries for the time that passes
PATIENCE_NS = (
    2_000_000_000  # without a leader, or with a gateway that keeps silent, before its clients are given up
)


class Replica:
    """Owns nothing: node and egress file are closed by whoever made them.

    me: the member's id. monotonic_ns: the clock that timers are measured with; log time is the last entry's timestamp
    plus what has passed on it since. publish: called with the feed's (topic, payload) messages of an entry. give_way:
    called when answers were handed over, before the rest of a turn: who carries them on may need this core. nonce: a
    random number, 1 to 2**64 - 1. newest_rules: the last version that this program runs.
    """

    def __init__(
        self,
        node: Node,
        egress: EgressFile,
        connections: Callable[[Callable[[bytes], tuple[int, int]], EgressStore], Connections],
        publish: Callable[[list[tuple[bytes, bytes]]], None],
        give_way: Callable[[], None],
        monotonic_ns: Callable[[], int],
        me: int,
        links: Links,
        nonce: Callable[[], int],
        newest_rules: int = RULES_VERSION,
    ) -> None:
        self.node = node
        self.exchange = Exchange(newest_rules)
        self.exchange.feed.ignore(b"")  # only what somebody subscribes to is built
        self.why_not: str | None = None  # why no input is taken; gateway/waiting.py says it for people
        self.waits = False  # whether that is so because the cluster has not come so far
        self.me = me
        self._intake = Intake(node, me, links, nonce)
        self._links = links
        self._activation = Activation(node, me, links, newest_rules)
        self._additions: Additions | None = None  # of what is configured; both from `start` on
        self._scheduling: Scheduling | None = None
        self._nonce = nonce
        self._repeats = 0  # of the intake, as last looked at
        self._led_ns = monotonic_ns()  # when a leader was last known
        self._rested_ns = self._led_ns  # when `rest` was last called
        self._egress = egress
        self._store = EgressStore(egress)
        self.connections = connections(self._session, self._store)
        self.connections.judge = self._logon_fault
        self._publish = publish
        self._give_way = give_way
        self._monotonic_ns = monotonic_ns
        self._loaded: Loaded | None = None
        self._genesis_term = 0  # in which genesis was proposed last
        self._prepared_term = 0  # the last term that this member led and prepared
        self._timed: tuple[int | None, int] = (None, 0)  # the deadline that a timer was entered for, and when
        self._committed: deque[Entry] = deque()
        self._applying: Entry | None = None
        self._genesis = b""  # payload of the log's first entry that has one
        self._log_ns = 0  # timestamp of the last entry ...
        self._since_ns = 0  # ... and the clock when it was made
        self.turns = 0
        self.light = False  # whether the last turn took input, and little of it

    def _session(self, comp_id: bytes) -> tuple[int, int]:
        """What this replica knows of a Logon's session."""
        session = self.exchange.session_id(comp_id.decode("ascii", "replace"))
        return session, self.exchange.epoch(session) if session else 0

    def _logon_fault(self, logon: bytes) -> str:
        """Why a Logon need not get into the log."""
        return self.exchange.logon_fault(logon)

    # ---------------------------------------------------------------- start-up

    def recover(
        self, progress: Callable[[int, int], None], passed_over: Callable[[str], None] = lambda what: None
    ) -> None:
        """Goes on from the newest snapshot that can be used, and applies the log again behind it. progress: called with
        (index, last index) now and then; passed_over: why a snapshot was not used, for people."""
        last = self.node.last_index
        for snapshot in self.node.snapshots(passed_over):
            try:
                self._restore(snapshot)
            except ValueError as error:
                passed_over(f"{snapshot.name}: {error}")
                continue
            self.node.start_from(snapshot)
            progress(snapshot.index, last)
            break
        for entries in self.node.committed_pieces():
            self.exchange.begin_all(entries)
            while not self.exchange.step(STEP):
                self._keep()
            self._keep()
            if not self._genesis:
                self._look_for_genesis(entries)
            progress(entries[-1].index, last)

    def _restore(self, snapshot: Snapshot) -> None:
        """Raises ValueError when it is none that this program reads; NewerRules, OSError."""
        self._egress.empty()
        self._genesis, self.exchange, self._store = replica_snapshot.restore(
            self.node.state_of(snapshot), self._egress, self.exchange.newest_rules
        )
        self.exchange.feed.ignore(b"")
        self.connections.store = self._store

    def start(self, loaded: Loaded) -> None:
        """Checks the configuration against the log; genesis, where it is empty, and this gateway's incarnation follow
        as soon as there is a leader, and in a log of one member at once.

        While the log has no room for these entries no input is taken (`why_not`) and later turns try again.
        Raises ConfigError when the file disagrees with the log, and what `turn` raises.
        """
        self._loaded = loaded
        self._scheduling = Scheduling(self.node, loaded.config.schedules, self._nonce, self._scheduled)
        self._additions = Additions(self.node, loaded, self._scheduling, self._told)
        if self._genesis:
            check(loaded, self._genesis)
            check_drop_copies(loaded, self.exchange.watches())
            check_operators(loaded, self.exchange.operators())
            added = added_drop_copies(loaded, self.exchange.watches())
            check_added(loaded, added, self.exchange.open_orders)
        self.node.begin()
        self._intake.ask_for_start()
        self._look_at_room()
        while self.turn() or (self.node.alone and self.node.accepting and not self.connections.incarnation):
            pass

    # ---------------------------------------------------------------- other members

    def opened(self, peer: int) -> None:
        """There is a link to a member."""
        if peer == self.node.leader:
            self._intake.again()

    def closed(self, peer: int) -> None:
        """The link to a member was closed."""
        self.node.link_closed(peer)

    def message(self, message: Message) -> None:
        """Raises what Node.step raises."""
        self.node.step(message)

    def forwarded(self, peer: int, payload: bytes) -> None:
        """Inputs of another member's gateway. Who does not lead drops them: they come again to the leader. Raises
        ValueError when they are not that gateway's to enter."""
        incarnation = incarnation_of(payload, peer)
        owner = self.exchange.member_of(incarnation)
        if owner not in (peer, 0):  # 0: a start, or one that was not applied here yet; the fence judges that
            raise ValueError(f"inputs of incarnation {incarnation}, which is member {owner}'s")
        if self.node.leader == self.me:
            self.node.propose(payload)

    def relay(self) -> bool:
        """After messages, a sync or a tick: sends what can leave at once. Whether a turn is due besides."""
        self.node.relay()
        self._send()
        return self.node.due or self._intake.due

    def tick(self) -> None:
        """Once a heartbeat interval, after what had arrived was handed over."""
        self.node.tick()

    @property
    def linked(self) -> set[int]:
        """The members that there is a link to."""
        return set(self._links.linked)

    # ---------------------------------------------------------------- running

    @property
    def timer_ns(self) -> int | None:
        """Nanoseconds until the exchange's next deadline, or until a phase is due by a schedule; None when there is
        none, or it is not for this member to enter."""
        if not self.connections.accepting or self.node.leader != self.me:
            return None
        waits = [wait for wait in (self._deadline_in_ns, self._phase_in_ns) if wait is not None]
        return min(waits, default=None)

    @property
    def _phase_in_ns(self) -> int | None:
        """The same of the schedules alone."""
        due_ns = self._scheduling.next_ns() if self._scheduling is not None else None
        if due_ns is None or not self._leads or not self._genesis:
            return None
        if self._activation.coming(self.exchange.rules) < OPERATIONS:
            return None
        return due_ns - self._log_now_ns

    @property
    def _log_now_ns(self) -> int:
        """Log time, as far as this replica knows it."""
        return self._log_ns + self._monotonic_ns() - self._since_ns

    @property
    def _deadline_in_ns(self) -> int | None:
        """The same of the exchange alone."""
        deadline = self.exchange.next_deadline_ns
        if deadline is None:
            return None
        now = self._monotonic_ns()
        timed, timed_ns = self._timed
        if (
            deadline == timed
        ):  # it was entered, and the clock of the log is not there yet, or the entry is on its way
            return timed_ns + TIMER_AGAIN_NS - now
        return deadline - self._log_ns - (now - self._since_ns)

    def turn(self) -> bool:
        """One turn, or the next step of a long entry. True: there is more to do without waiting.

        Raises what Node.turn raises (LogFailed: the process must stop) and OSError of the egress store.
        """
        entry = self._applying
        if entry is None:
            if not self._propose():
                return self.connections.accepting and self.connections.pending
            entry = self._applying = self._committed.popleft()
            self.exchange.begin(entry.payload, entry.index, entry.term, entry.timestamp_ns)
        elif not self.node.alone:
            self._turn_log()  # Raft goes on between the steps of a long entry
            if self._applying is None:
                return True  # a snapshot has come instead
        done = self.exchange.step(STEP)
        self._keep()
        self._send()
        if done:
            self._applying = None
            self._publish(self.exchange.feed.take())
            self._applied(entry)
        self._look_at_room()
        return not done or bool(self._committed) or self.connections.pending

    def _propose(self) -> bool:
        """What came in, or the time that is due, as one entry. False: nothing may be applied yet."""
        node, connections = self.node, self.connections
        self.light = False
        straight = b""
        if not connections.accepting:
            self._look_at_room()
        if connections.accepting:
            payload = connections.take_payload() if connections.pending else b""
            if payload:
                if node.alone and not self._intake.waits:
                    node.propose(payload)
                    straight = payload
                else:
                    self._intake.offer(connections.gateway_number, payload)
                self.light = len(payload) <= LIGHT
                self.turns += 1
            elif is_due(self._deadline_in_ns) and node.leader == self.me:
                node.propose(inputs.timer())
                self._timed = (self.exchange.next_deadline_ns, self._monotonic_ns())
            if is_due(self._phase_in_ns):
                assert self._scheduling is not None
                self._scheduling.look(self.exchange.schedules(), self._log_now_ns)
        if self._prepared_term != node.term:
            self._prepare()
        self._intake.follow()
        if node.queued_bytes or not node.alone or not node.leader:
            self._turn_log()
        if straight and node.queued_bytes:  # the log has no room: it may have another leader before it has
            self._intake.keep(connections.gateway_number, straight)
        return bool(self._committed)

    def _prepare(self) -> None:
        """What a new leader has to enter, once it has applied everything of the terms before its own."""
        node, exchange = self.node, self.exchange
        if node.leader != self.me or exchange.applied_term != node.term:
            return
        self._prepared_term = node.term
        self._activation.look(exchange.rules)
        self._enter_genesis()
        self._add()
        members = node.membership.ids
        for incarnation, member, _, _ in exchange.gateways():
            if member not in members:
                node.propose(inputs.gateway_lost(incarnation))

    def _enter_genesis(self) -> None:
        """In an empty log, once a term, as soon as there are the rules that it needs."""
        if self._genesis or self._genesis_term == self.node.term:
            return
        assert self._loaded is not None
        if rules_of(self._loaded) <= self._activation.coming(self.exchange.rules):
            self._genesis_term = self.node.term
            self.node.propose(whole(self._loaded))

    def _add(self) -> None:
        """What the configuration has and the log has not."""
        if self._genesis and self._additions is not None:
            rules = self._activation.coming(self.exchange.rules)
            self._additions.look(self.exchange, rules, self._log_now_ns)

    def _told(self, event: str, details: dict[str, str | int]) -> None:
        self.connections.events.append((event, details))

    def _scheduled(self, schedule: str, step: Step) -> None:
        self._told("phase entered", {"schedule": schedule, "phase": step.phase.name})

    @property
    def _leads(self) -> bool:
        """Whether this member leads, and has applied everything of the terms before its own."""
        return self.node.leader == self.me and self._prepared_term == self.node.term

    def _look_at_room(self) -> None:
        """Whether the next turn takes input: looked at after the answers of this one."""
        self.why_not = self._egress.why_not() if self.node.accepting else self.node.why_not
        self.waits = self.why_not is None and not (self.connections.incarnation and self._genesis)
        if self.waits:
            self.why_not = "the log does not hold the start of this gateway yet"
        self.connections.accepting = self.why_not is None and not self._intake.full
        self.node.be_lazy(not (self.connections.any or self._intake.waits or self.exchange.feed.listened_to))

    def rest(self) -> None:
        """Now and then: what has nothing to write proves its last batch; who is out of reach too long is given up.
        Raises what Node.turn raises."""
        if not self.node.queued_bytes:
            self._turn_log()
        if self._leads:
            self._activation.look(self.exchange.rules)
            self._enter_genesis()
            self._add()
        if not self.node.alone:
            now = self._monotonic_ns()
            if now - self._rested_ns < PATIENCE_NS:  # who stood still itself could hear nobody
                self._give_up_gateways(now - PATIENCE_NS)
            self._rested_ns = now
            if self.node.leader:
                self._led_ns = now
                self._look_after_intake(now)
            elif self.connections.incarnation and now - self._led_ns >= PATIENCE_NS:
                self._abandon("no leader is known since two seconds: too few members can be reached")
        self._send()
        self._look_at_room()

    def _look_after_intake(self, now_ns: int) -> None:
        before = self._repeats
        self._repeats = self._intake.look_after(now_ns)
        if self._repeats > REPEATS:
            self._abandon("what they sent does not get into the log, however often it is proposed")
        elif self._repeats > before:
            self.connections.events.append(("proposed again", {"times": self._repeats}))

    def _give_up_gateways(self, since_ns: int) -> None:
        """The leader, for the gateways of members that it has not heard since: their sessions are disconnected."""
        if not self._leads:
            return
        progress = self.node.progress
        for incarnation, member, _, _ in self.exchange.gateways():
            if member != self.me and (member not in progress or progress[member].heard_ns < since_ns):
                self.node.propose(inputs.gateway_lost(incarnation))

    def _abandon(self, why: str) -> None:
        """Closes this gateway's clients; they may come again when it has another incarnation."""
        self.connections.events.append(("clients closed", {"why": why}))
        self.connections.close_all()
        self.connections.incarnation = 0
        self.connections.forget_payload()
        self._intake.ask_for_start()
        self._look_at_room()

    def _turn_log(self) -> None:
        entries = self.node.turn()
        if self.node.installed is not None:
            snapshot, self.node.installed = self.node.installed, None
            self._start_over(snapshot)
        if not entries or not self._first_answers(entries):
            self._send()
        if entries:
            self._log_ns = entries[-1].timestamp_ns
            self._since_ns = self._monotonic_ns()
            self._committed.extend(entries)

    def _start_over(self, snapshot: Snapshot) -> None:
        """This replica was so far behind that the leader sent its snapshot. The loop waits for the restoring: a
        microsecond or two an open order. Raises LogError, ConfigError, OSError."""
        self._abandon("the leader's log does not reach back to where this replica was: it got a snapshot")
        listened = self.exchange.feed.listeners()
        try:
            self._restore(snapshot)
        except ValueError as error:
            raise LogError(
                f"{snapshot.name}, which the leader sent, cannot be restored: {error}. Run the same version at every "
                "replica"
            ) from None
        for prefix in listened:
            self.exchange.feed.listen(prefix)
        self._committed.clear()
        self._applying = None
        self._timed = (None, 0)
        self._log_ns, self._since_ns = snapshot.header.position.timestamp_ns, self._monotonic_ns()
        self.connections.comp_id = self.exchange.comp_id
        if self._genesis and self._loaded is not None:
            check(self._loaded, self._genesis)

    def _first_answers(self, entries: list[Entry]) -> bool:
        """Whether clients can be answered before the other members are told what is committed: it takes little time,
        and nothing waits to be replicated."""
        return sum(len(entry.payload) for entry in entries) <= LIGHT and not any(
            message.entries for message in self.node.messages
        )

    def _send(self) -> None:
        messages = self.node.messages
        if messages:
            for message in messages:
                self._links.send(message)
            messages.clear()

    def _applied(self, entry: Entry) -> None:
        """Looks at what an entry means for this gateway."""
        connections = self.connections
        connections.rules = self.exchange.rules
        connections.most_messages = FLOOD * self.exchange.messages_per_second
        if not self._genesis:
            self._look_for_genesis([entry])
            connections.comp_id = self.exchange.comp_id
            if self._genesis and self._loaded is not None:
                check(self._loaded, self._genesis)
        if self.node.alone and connections.incarnation and not self._intake.waits:
            return
        if not connections.incarnation:
            self._look_for_start()
            return
        last_number = self.exchange.last_number(connections.incarnation)
        if last_number < 0:
            self._abandon("the exchange counted this gateway as lost")
        else:
            self._intake.applied(last_number)

    def _look_for_start(self) -> None:
        for incarnation, member, nonce, _ in self.exchange.gateways():
            if (member, nonce) == (self.me, self._intake.nonce):
                self.connections.comp_id = self.exchange.comp_id
                self.connections.gateway_number = 0
                self.connections.incarnation = incarnation
                self._intake.started()

    def _look_for_genesis(self, entries: list[Entry]) -> None:
        for entry in entries:
            self._genesis = self._genesis or inputs.genesis_of(bytes(entry.payload))

    def _keep(self) -> None:
        """The results of a step. Answers leave first; the store is read, for what is sent again or could not be taken,
        only between turns."""
        with self.exchange.egress() as egress:
            if not egress:
                return
            self.connections.dispatch(egress)
            self.connections.flush()
            if self.node.alone:
                self._give_way()
            self._store.append(egress)
        self.exchange.clear_egress()


def is_due(wait_ns: int | None) -> bool:
    return wait_ns is not None and wait_ns <= 0
