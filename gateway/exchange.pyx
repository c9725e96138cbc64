# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# Safe: tables are read below their counts, which are held here.
"""What can be seen of the replicated state machine: what comes out, its state as a snapshot and a hash, and facts."""

import hashlib

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t, INT64_MIN
from libc.string cimport memcpy

from engine.state cimport market_of
from gateway.canonical cimport (
    write_drop_copies, write_orders, write_past_trades, write_schedules, write_sessions, write_subscriptions,
)
from gateway.executions cimport Instrument
from gateway.framing cimport check_payload, split_message
from gateway.instrument_facts cimport facts_of
from gateway.operations cimport Schedule
from gateway.outbox cimport Outbox
from gateway.records cimport APPLICATION_ECHO, InputHead, MAX_SYMBOL, MAX_TEXT
from gateway.session cimport Message, Session
from gateway.snapshot cimport GATEWAYS, GatewayImage
from gateway.snapshot_reader cimport SnapshotReader
from gateway.snapshot_writer cimport SnapshotWriter
from gateway.state_machine cimport Gateway, NOTHING_ASIDE, StateMachine

from gateway.inputs import RULES_VERSION


cdef class Exchange(StateMachine):
    """The replicated state machine. Entries go in by apply (or begin and step); egress() shows what comes out.

    newest_rules: the last version of the rules that this program runs; a log that activates a later one stops it.
    """

    # ------------------------------------------------------------ snapshots

    def snapshot(self) -> bytes:
        """The whole state as bytes (docs/snapshot-format.md), the same for every replica. Between entries only.

        What was not taken yet (egress, feed messages, trades) and what is listened to is no part of it.
        """
        return b"".join(self.snapshot_pieces())

    def snapshot_pieces(self):
        """The bytes of `snapshot` in pieces, for who has other things to do: at most 4,096 orders' each.

        RuntimeError: an entry is half applied, or one was begun since the first piece.
        """
        cdef SnapshotWriter writer = SnapshotWriter(self.machine, self.state, self.orders, self.feed, self.drop_copies,
                                                    self.operations)
        cdef int64_t index = self.applied_index
        if not self.between_entries:
            raise RuntimeError("snapshot: an entry is half applied")
        if self.works_on:
            raise RuntimeError("snapshot: the work of an entry before goes on")
        if self.echoes:
            raise RuntimeError("snapshot: an exchange that echoes makes none")
        writer.begin(index, self.applied_term, self.skipped_inputs)
        self._write_gateways(writer)
        while writer.go_on():
            yield writer.take()
            if self.open or self.failed or self.applied_index != index:
                raise RuntimeError(f"the snapshot at entry {index} was not done when the next entry came")
        yield writer.end()

    @staticmethod
    def restore(const uint8_t[::1] data not None, newest_rules: int = RULES_VERSION) -> Exchange:
        """The exchange a snapshot was taken of: it goes on as that one did, entry for entry, byte for byte.

        Like a new one it listens to the whole feed and keeps egress. ValueError says at which byte offset the data is
        not a snapshot that this program reads. NewerRules: it is one, of rules that this program does not have.
        """
        cdef SnapshotReader reader = SnapshotReader(data, newest_rules)
        cdef Exchange exchange = Exchange(newest_rules)
        exchange.applied_index = reader.header.index
        exchange.applied_term = reader.header.term
        reader.read_state(exchange.state, exchange.orders, exchange.feed, exchange.operations, &exchange.skipped_inputs)
        exchange.state.rules = reader.header.rules_version
        exchange._read_gateways(reader)
        reader.read_machine(exchange.machine)
        reader.read_instruments(exchange.machine, exchange.orders, exchange.feed, exchange.operations)
        with nogil:
            reader.read_sessions(exchange.state)
            reader.read_drop_copies(exchange.drop_copies)
            reader.read_orders(exchange.machine, exchange.state, exchange.orders)
            reader.read_free_slots(exchange.orders)
            reader.read_subscriptions(exchange.state, exchange.orders)
            reader.read_past_trades(exchange.machine, exchange.state, exchange.orders)
            exchange.updates.resume()
        return exchange

    cdef int _write_gateways(self, SnapshotWriter writer) except -1:
        cdef uint32_t i
        cdef GatewayImage* image
        writer.open_section(GATEWAYS)
        for i in range(self.gateway_count):
            image = <GatewayImage*> writer.text.reserve(sizeof(GatewayImage))
            image.last_number = self.table[i].last_number
            image.nonce = self.table[i].nonce
            image.lost = self.table[i].lost
            image.member = self.table[i].member
        return writer.close_section(self.gateway_count)

    cdef int _read_gateways(self, SnapshotReader reader) except -1:
        cdef GatewayImage image
        cdef Gateway* made
        reader.enter(GATEWAYS)
        while reader.left:
            memcpy(&image, reader.record(GATEWAYS, sizeof(GatewayImage)), sizeof(GatewayImage))
            if image.lost > 1:
                reader.wrong(b"a gateway that cannot be")
            self._gateway_start(0, 0)
            made = &self.table[self.gateway_count - 1]
            made.last_number = image.last_number
            made.nonce = image.nonce
            made.lost = image.lost
            made.member = image.member
        return 0

    # ------------------------------------------------------------ what can be seen of it

    def egress(self) -> memoryview:
        """The egress records since clear_egress, end to end. Release the view before the next step."""
        return memoryview(self.outbox)

    def clear_egress(self) -> None:
        """Forgets the egress records. BufferError while a view of them is alive."""
        self.outbox.clear()

    @property
    def discards_egress(self) -> bool:
        """Whether egress records are numbered but not written, so that egress() stays empty: for who only wants to know
        where a log leads. The state, and its hash, are the same."""
        return self.discards

    @discards_egress.setter
    def discards_egress(self, value: bool) -> None:
        self.outbox.clear()
        self.discards = value
        self.outbox.discards = value and self.drop_copies.count == 0

    @property
    def input_number(self) -> int:
        """The number of the last input taken or deadline performed; 0 = none yet."""
        return self.state.input_number

    @property
    def rules(self) -> int:
        """The version of the rules that holds; 1 until the log activates a newer one."""
        return self.machine.books.rules

    @property
    def echoes(self) -> bool:
        """Its application is not an exchange's: every application message comes back."""
        return self.state.settings.application == APPLICATION_ECHO

    @property
    def messages_per_second(self) -> int:
        """Application messages that a session may send; 0 = no bound."""
        return self.state.settings.messages_per_second

    @property
    def between_entries(self) -> bool:
        """No entry is half applied."""
        return not self.open and not self.failed

    @property
    def works_on(self) -> bool:
        """Between entries: a command's work was put aside and goes on with the next one. No state is told meanwhile."""
        return self.aside != NOTHING_ASIDE

    @property
    def comp_id(self) -> bytes:
        """The exchange's own CompID, as the log has it; QUORUMBOOK until a setting gives it."""
        return self.state.settings.comp_id[:self.state.settings.comp_id_length]

    @property
    def time_ns(self) -> int:
        """Log time: the last entry's timestamp; 0 = none yet."""
        return self.state.now_ns if self.applied_index or self.open else 0

    @property
    def last_incarnation(self) -> int:
        """The incarnation given out last; 0 = none yet."""
        return self.gateway_count

    def gateways(self) -> list:
        """The gateways that are not lost: (incarnation, member, nonce, the last number of its inputs)."""
        cdef uint32_t i
        return [(i + 1, self.table[i].member, self.table[i].nonce, self.table[i].last_number)
                for i in range(self.gateway_count) if not self.table[i].lost]

    def member_of(self, incarnation: int) -> int:
        """Whose gateway that is or was; 0 = there is no such one yet."""
        return self.table[<uint32_t> incarnation - 1].member if 1 <= incarnation <= self.gateway_count else 0

    def last_number(self, incarnation: int) -> int:
        """The number of the last input of a gateway; -1 when it is lost, or there is no such one."""
        if not 1 <= incarnation <= self.gateway_count or self.table[<uint32_t> incarnation - 1].lost:
            return -1
        return self.table[<uint32_t> incarnation - 1].last_number

    @property
    def looked_at(self) -> int:
        """Inputs of the entries that were begun last, so far: taken or skipped."""
        return self.taken

    @property
    def next_deadline_ns(self) -> int | None:
        """When the state machine wants an entry even if nothing else happens."""
        cdef int64_t deadline = self.state.next_deadline(), due_ns = self.machine.due()
        if self.aside != NOTHING_ASIDE:
            return self.state.now_ns
        if deadline == INT64_MIN or (due_ns != INT64_MIN and due_ns < deadline):
            deadline = due_ns
        return None if deadline == INT64_MIN else deadline

    @property
    def record_trades(self) -> bool:
        """Whether trades are kept for take_trades."""
        return self.orders.record_trades

    @record_trades.setter
    def record_trades(self, value: bool) -> None:
        self.orders.record_trades = value

    def take_trades(self) -> list:
        """The trades recorded since the last call, in order: (input number, time_ns, taker's session, taker's ClOrdID,
        maker's session, maker's ClOrdID, symbol, price_ticks, quantity_lots)."""
        trades = self.orders.trades
        self.orders.trades = []
        return trades

    @property
    def record_operations(self) -> bool:
        """Whether operations are kept for take_operations."""
        return self.operations.records

    @record_operations.setter
    def record_operations(self, value: bool) -> None:
        self.operations.records = value

    def take_operations(self) -> list:
        """What operators, and the exchange itself, asked for since the last call, in order: (input number, time_ns, the
        operator's CompID, "" = the exchange, fields as they are in the message, whether it was done, the instruments
        that did it (None: it is about none) and that refused it, orders cancelled (None: it cancels none), the reason
        code (0 = none) and its text)."""
        recorded = self.operations.recorded
        self.operations.recorded = []
        return recorded

    def symbols(self) -> list:
        """The symbols of the instruments, in the order in which they were defined."""
        cdef uint32_t i
        found = []
        for i in range(self.orders.instrument_count):
            found.append(self.orders.instruments[i].symbol[:self.orders.instruments[i].symbol_length].decode())
        return found

    def session_id(self, comp_id: str) -> int:
        """The session of a client's CompID; 0 = there is none."""
        cdef bytes name = comp_id.encode()
        cdef Session* s = self.state.by_name(<const uint8_t*> <const char*> name, len(name))
        return 0 if s == NULL else s.id

    def epoch(self, session_id: int) -> int:
        """The epoch of a session's last connection; 0 for an unknown session."""
        cdef Session* s = self.state.by_id(session_id)
        return 0 if s == NULL else s.epoch

    def logon_fault(self, const uint8_t[::1] logon not None) -> str:
        """Why a Logon, as an Input, would be refused whatever its session and the time; empty: it would not."""
        cdef Message m
        cdef char text[MAX_TEXT + 1]
        check_payload(0, &logon[0], logon.shape[0], self.newest_rules)
        split_message(<const InputHead*> &logon[0], &m)
        return text.decode("utf-8", "replace") if self.state.misstated(&m, text, sizeof(text)) else ""

    def open_orders(self, comp_id: str) -> int:
        """How many a client's session has."""
        cdef Session* s = self.state.by_id(self.session_id(comp_id))
        return 0 if s == NULL else s.open_count

    def schedules(self) -> dict:
        """The schedules that the log has named; of each when the last step that was taken was due, None: none was."""
        cdef uint32_t i
        cdef const Schedule* one
        found = {}
        for i in range(self.operations.schedule_count):
            one = &self.operations.schedules[i]
            found[self._schedule(i + 1)] = None if one.step_ns == INT64_MIN else one.step_ns
        return found

    @property
    def tick_tables(self) -> int:
        """How many tick tables there are; they are numbered from 1."""
        return self.machine.books.tables.top - 1

    def instruments(self, most: int | None = None) -> list:
        """What is traded, in the order in which it was defined, as `instrument` tells of each; at most so many."""
        cdef uint32_t i, count = self.orders.instrument_count
        if most is not None and most < count:
            count = most
        return [self._instrument_facts(i) for i in range(count)]

    def instrument(self, symbol: str) -> dict | None:
        """An instrument's number, and terms and protections as they are now, under the names that a configuration has;
        its phase, the schedule that it follows ("" = none), whether it is delisted. None: there is no such one."""
        cdef bytes name = symbol.encode()
        cdef int64_t number = -1
        if 1 <= len(name) <= MAX_SYMBOL:
            number = self.orders.instrument_of(<const uint8_t*> <const char*> name, <uint8_t> len(name))
        return None if number < 0 else self._instrument_facts(<uint32_t> number)

    cdef dict _instrument_facts(self, uint32_t number):
        cdef const Instrument* one = &self.orders.instruments[number]
        cdef int64_t until_ns = 0
        if number < self.feed.instrument_count:
            until_ns = self.feed.instruments[number].auctions.until_ns
        return facts_of(&self.machine.books, one, number, until_ns, self._schedule(one.schedule))

    cdef str _schedule(self, uint32_t number):
        # "" of none.
        cdef const Schedule* one
        if number == 0:
            return ""
        one = &self.operations.schedules[number - 1]
        return one.name[:one.name_length].decode("utf-8", "backslashreplace")

    def operators(self) -> list:
        """The CompIDs of the sessions whose OperatorRequests are acted on, in order of session id."""
        cdef uint32_t i
        return [self._comp_id(i + 1) for i in range(self.state.count) if self.state.table[i].is_operator]

    def watches(self) -> list:
        """Who sees whose reports: pairs of CompIDs, "*" for every other session, in the order of the log."""
        cdef uint32_t i
        return [(self._comp_id(self.drop_copies.pairs[i].session), self._comp_id(self.drop_copies.pairs[i].of) or "*")
                for i in range(self.drop_copies.count)]

    cdef str _comp_id(self, uint32_t session):
        # "" of none.
        cdef const Session* s = self.state.by_id(session)
        return "" if s == NULL else s.comp_id[:s.comp_id_length].decode("utf-8", "backslashreplace")

    def sessions(self, most: int | None = None) -> list:
        """Sessions as dicts: every one, in order of id, or at most so many, the connected before the others."""
        cdef uint32_t i
        cdef bint connected
        if most is None:
            return [self._session(self.state.table[i]) for i in range(self.state.count)]
        found = []
        for connected in (True, False):
            for i in range(self.state.count):
                if len(found) == most:
                    return found
                if <bint>(self.state.table[i].connected != 0) == connected:
                    found.append(self._session(self.state.table[i]))
        return found

    def session_counts(self) -> tuple:
        """How many sessions there are, and how many of them are connected."""
        cdef uint32_t i, connected = 0
        for i in range(self.state.count):
            connected += self.state.table[i].connected != 0
        return self.state.count, connected

    def follows(self) -> list:
        """Of each instrument that is not delisted its symbol and the schedule that it follows; "" = none."""
        cdef uint32_t i
        cdef const Instrument* one
        found = []
        for i in range(self.orders.instrument_count):
            one = &self.orders.instruments[i]
            if not market_of(&self.machine.books, i).is_delisted:
                found.append((one.symbol[:one.symbol_length].decode(), self._schedule(one.schedule)))
        return found

    @property
    def instrument_count(self) -> int:
        """How many instruments there are, the delisted among them."""
        return self.orders.instrument_count

    @property
    def order_limits(self) -> tuple:
        """Of all sessions: whether the kill switch holds, and how many open orders one may have (None = no bound)."""
        return bool(self.state.settings.is_killed), self.state.settings.max_open_orders or None

    def held(self, incarnation: int, most: int) -> tuple:
        """How many sessions are connected at this gateway, and the CompIDs of at most so many, in order of id."""
        cdef uint32_t i, whose = incarnation, count = 0
        cdef const Session* s
        names = []
        for i in range(self.state.count):
            s = self.state.table[i]
            if s.connected and s.incarnation == whose:
                count += 1
                if len(names) < most:
                    names.append(s.comp_id[:s.comp_id_length].decode("utf-8", "backslashreplace"))
        return count, names

    def kept_orders(self) -> int:
        """Open ones, and closed ones whose ClOrdIDs are remembered: what state_hash goes through."""
        cdef uint64_t kept = 0
        cdef uint32_t i
        for i in range(self.state.count):
            kept += self.state.table[i].open_count + self.state.table[i].closed_count
        return kept

    cdef dict _session(self, const Session* s):
        return {
            "id": s.id,
            "comp_id": self._comp_id(s.id),
            "epoch": s.epoch,
            "connected": bool(s.connected),
            "inbound": s.inbound,
            "outbound": s.outbound,
            "open_orders": s.open_count,
            "closed_cl_ord_ids": s.closed_count,
            "heartbeat_seconds": s.heartbeat_ns // 1000000000,
            "is_operator": bool(s.is_operator),
            "killed": bool(s.is_killed),
            "max_open_orders": s.max_open_orders or None,
            "cancel_on_disconnect": bool(s.cancel_on_disconnect),
            "grace_ms": s.grace_ns // 1000000,
            "early_messages": s.early.count,
            "last_received_ns": s.last_received_ns,
        }

    def state_hash(self) -> str:
        """SHA-256 over the canonical state (gateway/DESIGN.md), engine included, in hex. Between entries only."""
        cdef Outbox text = Outbox()
        cdef uint32_t i
        cdef uint64_t* words
        if self.open or self.failed:
            raise RuntimeError("state_hash: an entry is half applied")
        if self.works_on:
            raise RuntimeError("state_hash: the work of an entry before goes on")
        words = <uint64_t*> text.reserve(64)
        memcpy(words, b"QBEXCHNG", 8)
        words[1] = self.machine.books.rules
        words[2] = self.applied_index
        words[3] = self.applied_term
        words[4] = <uint64_t> self.state.now_ns
        words[5] = self.state.input_number
        words[6] = self.skipped_inputs
        words[7] = self.gateway_count
        for i in range(self.gateway_count):
            words = <uint64_t*> text.reserve(16)
            words[0] = self.table[i].last_number
            words[1] = self.table[i].lost | <uint64_t> self.table[i].member << 32
            if self.table[i].member:
                (<uint64_t*> text.reserve(8))[0] = self.table[i].nonce
        write_sessions(text, self.state)
        if self.state.rules >= 2:
            write_drop_copies(text, self.drop_copies)
        if self.state.rules >= 3:
            write_schedules(text, self.operations)
        write_orders(text, self.state, self.orders)
        if self.state.rules >= 2:
            write_subscriptions(text, self.state.subscriptions, self.state.rules)
        if self.state.rules >= 3:
            write_past_trades(text, self.orders)
        digest = hashlib.sha256(text)
        digest.update(self.machine.snapshot())
        return digest.hexdigest()
