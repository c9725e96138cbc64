from collections.abc import Iterable, Iterator
from typing import Any

from engine.machine import Machine
from gateway.market_data import MarketData

Buffer = bytes | bytearray | memoryview

Trade = tuple[int, int, int, str, int, str, str, int, int]
"""Input number, time_ns, taker's session, taker's ClOrdID, maker's session, maker's ClOrdID, symbol, price_ticks,
quantity_lots."""

Operation = tuple[int, int, str, bytes, bool, int | None, int, int | None, int, str]
"""Input number, time_ns, the operator's CompID ("" = the exchange itself), the fields as they are in the message,
whether it was done, the instruments that did it (None: it is about none) and that refused it, orders cancelled (None:
it cancels none), the reason code (0 = none) and its text."""

class Exchange:
    """The replicated state machine. Entries go in by apply (or begin and step); egress() shows what comes out."""

    record_trades: bool
    """Whether trades are kept for take_trades."""
    record_operations: bool
    """Whether operations are kept for take_operations."""
    discards_egress: bool
    reports_at_once: int
    """Whether egress records are numbered but not written, so that egress() stays empty: for who only wants to know
    where a log leads. The state, and its hash, are the same."""

    def __init__(self, newest_rules: int = ...) -> None: ...
    @property
    def newest_rules(self) -> int:
        """The last version of the rules that this program runs."""
    @property
    def rules(self) -> int:
        """The version of the rules that holds; 1 until the log activates a newer one."""
    @property
    def machine(self) -> Machine: ...
    @property
    def feed(self) -> MarketData: ...
    @property
    def applied_index(self) -> int: ...
    @property
    def applied_term(self) -> int: ...
    @property
    def skipped_inputs(self) -> int:
        """Inputs that the fence kept out."""
    @property
    def input_number(self) -> int:
        """The number of the last input taken or deadline performed; 0 = none yet."""
    @property
    def echoes(self) -> bool: ...
    @property
    def messages_per_second(self) -> int: ...
    @property
    def between_entries(self) -> bool:
        """No entry is half applied."""
    @property
    def works_on(self) -> bool:
        """Between entries: a command's work was put aside and goes on with the next one. No state is told meanwhile."""
    @property
    def comp_id(self) -> bytes:
        """The exchange's own CompID, as the log has it."""
    @property
    def time_ns(self) -> int:
        """Log time: the last entry's timestamp; 0 = none yet."""
    @property
    def last_incarnation(self) -> int:
        """The incarnation given out last; 0 = none yet."""
    def gateways(self) -> list[tuple[int, int, int, int]]:
        """The gateways that are not lost: (incarnation, member, nonce, the last number of its inputs)."""
    def member_of(self, incarnation: int) -> int:
        """Whose gateway that is or was; 0 = there is no such one yet."""
    def last_number(self, incarnation: int) -> int:
        """The number of the last input of a gateway; -1 when it is lost, or there is no such one."""
    @property
    def looked_at(self) -> int:
        """Inputs of the entries that were begun last, so far: taken or skipped."""
    @property
    def next_deadline_ns(self) -> int | None:
        """When the state machine wants an entry even if nothing else happens."""
    def begin(self, payload: Buffer, index: int, term: int, timestamp_ns: int) -> None:
        """Takes the next log entry; the whole framing of its payload is checked here.

        ValueError: it is not the next entry, its time goes back, or it is malformed; nothing was changed.
        """
    def begin_all(self, entries: Iterable[tuple[int, int, int, Buffer, bytes]]) -> None:
        """Takes the next log entries, each (index, term, timestamp_ns, payload, chain hash); step goes through all.

        ValueError, as from begin, for any of them: nothing was changed.
        """
    def step(self, budget: int = 4096) -> bool:
        """Goes on with the entries: about `budget` inputs' worth of work. True when they are done.

        What comes out does not depend on where the steps are cut.
        """
    def apply(self, payload: Buffer, index: int, term: int, timestamp_ns: int) -> None:
        """begin and step until the entry is done."""
    def egress(self) -> memoryview:
        """The egress records since clear_egress, end to end. Release the view before the next step."""
    def clear_egress(self) -> None:
        """Forgets the egress records. BufferError while a view of them is alive."""
    def take_trades(self) -> list[Trade]:
        """The trades recorded since the last call, in order."""
    def take_operations(self) -> list[Operation]:
        """What operators, and the exchange itself, asked for since the last call, in order."""
    def snapshot(self) -> bytes:
        """The whole state as bytes (docs/snapshot-format.md), the same for every replica. Between entries only.

        What was not taken yet (egress, feed messages, trades) and what is listened to is no part of it.
        """
    def snapshot_pieces(self) -> Iterator[bytes]:
        """The bytes of `snapshot` in pieces, for who has other things to do: at most 4,096 orders' each.

        RuntimeError: an entry is half applied, or one was begun since the first piece.
        """
    @staticmethod
    def restore(data: Buffer, newest_rules: int = ...) -> Exchange:
        """The exchange a snapshot was taken of: it goes on as that one did, entry for entry, byte for byte.

        Like a new one it listens to the whole feed and keeps egress. ValueError says at which byte offset the data is
        not a snapshot that this program reads. NewerRules: it is one, of rules that this program does not have.
        """
    def session_id(self, comp_id: str) -> int:
        """The session of a client's CompID; 0 = there is none."""
    def epoch(self, session_id: int) -> int:
        """The epoch of a session's last connection; 0 for an unknown session."""
    def symbols(self) -> list[str]:
        """The symbols of the instruments, in the order in which they were defined."""
    def logon_fault(self, logon: bytes) -> str: ...
    def open_orders(self, comp_id: str) -> int:
        """How many a client's session has."""
    def schedules(self) -> dict[str, int | None]:
        """The schedules that the log has named; of each when the last step that was taken was due, None: none was."""
    @property
    def tick_tables(self) -> int:
        """How many tick tables there are; they are numbered from 1."""
    def instruments(self, most: int | None = None) -> list[dict[str, Any]]:
        """What is traded, in the order in which it was defined, as `instrument` tells of each; at most so many."""
    def instrument(self, symbol: str) -> dict[str, Any] | None:
        """An instrument's number, and terms and protections as they are now, under the names that a configuration has;
        its phase, the schedule that it follows ("" = none), whether it is delisted. None: there is no such one."""
    def operators(self) -> list[str]:
        """The CompIDs of the sessions whose OperatorRequests are acted on, in order of session id."""
    def watches(self) -> list[tuple[str, str]]:
        """Who sees whose reports: pairs of CompIDs, "*" for every other session, in the order of the log."""
    def sessions(self, most: int | None = None) -> list[dict[str, Any]]:
        """Sessions as dicts: every one, in order of id, or at most so many, the connected before the others."""
    def kept_orders(self) -> int: ...
    def session_counts(self) -> tuple[int, int]:
        """How many sessions there are, and how many of them are connected."""
    def follows(self) -> list[tuple[str, str]]:
        """Of each instrument that is not delisted its symbol and the schedule that it follows; "" = none."""
    @property
    def instrument_count(self) -> int:
        """How many instruments there are, the delisted among them."""
    @property
    def order_limits(self) -> tuple[bool, int | None]:
        """Of all sessions: whether the kill switch holds, and how many open orders one may have (None = no bound)."""
    def held(self, incarnation: int, most: int) -> tuple[int, list[str]]:
        """How many sessions are connected at this gateway, and the CompIDs of at most so many, in order of id."""
    def state_hash(self) -> str:
        """SHA-256 over the canonical state (gateway/DESIGN.md), engine included, in hex. Between entries only."""
