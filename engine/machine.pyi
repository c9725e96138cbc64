from typing import Any

import numpy as np
import numpy.typing as npt

from engine.records import Phase
from engine.report import Order as Order
from engine.report import Report as Report

class Machine:
    """A matching engine: instruments, their books, and the rules.

    Nothing but commands and `advance` changes it, and the same commands give the same reports, always.
    One thread at a time may use a machine: RuntimeError otherwise. Integers that do not fit their field
    raise OverflowError.
    """

    def __init__(self, rules: int = 3) -> None:
        """rules: the version that commands are judged by."""

    def define(
        self,
        lot: int = 1,
        min_quantity: int = 1,
        max_quantity: int = 2**63 - 1,
        low: int | None = None,
        high: int | None = None,
        protection: int | None = None,
        *,
        algorithm: int = 0,
        top_order: bool = False,
        pro_rata_minimum: int = 0,
        trigger: int = 0,
        tick_table: int = 0,
        phase: int = 0,
    ) -> int:
        """Define the next instrument and return its number; the units are lots and ticks, None is no limit.

        Raises ValueError for terms that contradict each other.
        """

    def change(
        self,
        instrument: int,
        lot: int = 1,
        min_quantity: int = 1,
        max_quantity: int = 2**63 - 1,
        low: int | None = None,
        high: int | None = None,
        protection: int | None = None,
        *,
        algorithm: int = 0,
        top_order: bool = False,
        pro_rata_minimum: int = 0,
        trigger: int = 0,
        tick_table: int = 0,
    ) -> tuple[Report, ...]:
        """Give an instrument the terms that `define` would give it, all of them anew; orders that rest stay."""

    def delist(self, instrument: int) -> tuple[Report, ...]:
        """End an instrument for good, its orders with it; its terms stay. Raises ValueError when there is none."""

    def submit(
        self,
        instrument: int,
        side: int,
        quantity: int,
        price: int | None = None,
        *,
        owner: int = 0,
        client_ref: int | None = None,
        order_type: int | None = None,
        time_in_force: int = 1,
        post_only: bool = False,
        slide: bool = False,
        hidden: bool = False,
        all_or_none: bool = False,
        display: int = 0,
        min_quantity: int = 0,
        stop: int | None = None,
        trail: int = 0,
        peg: int = 0,
        offset: int = 0,
        peg_limit: int | None = None,
        expire_ns: int = 0,
        account: int = 0,
        self_match_group: int = 0,
        self_match_mode: int = 0,
    ) -> tuple[Report, ...]:
        """Enter an order and return what came of it.

        Without an order type it is what its terms make it: pegged, a trailing stop, a stop, a market or a limit order.
        Without a client_ref the next order id is taken for it, or the first number from there on that no live order of
        the owner has.
        """

    def cancel(
        self, order_id: int = 0, *, owner: int = 0, client_ref: int | None = None
    ) -> tuple[Report, ...]:
        """Cancel an order, named by its order_id or, when that is 0, by owner and client_ref."""

    def reduce(
        self, order_id: int = 0, quantity: int = 0, *, owner: int = 0, client_ref: int | None = None
    ) -> tuple[Report, ...]:
        """Take an amount off an order; it keeps its place."""

    def replace(
        self,
        order_id: int = 0,
        quantity: int | None = None,
        price: int | None = None,
        *,
        owner: int = 0,
        client_ref: int | None = None,
        time_in_force: int | None = None,
        display: int | None = None,
        stop: int | None = None,
        trail: int | None = None,
        offset: int | None = None,
        peg_limit: int | None = None,
        expire_ns: int | None = None,
    ) -> tuple[Report, ...]:
        """Give an order new terms; quantity is its total, fills included. What is not given stays as it is.

        A stop or a peg_limit of EMPTY_PRICE is none. An order that is not good till a date any more has no expire_ns.
        """

    def reenter(
        self,
        order_id: int = 0,
        quantity: int = 0,
        price: int | None = None,
        *,
        owner: int = 0,
        client_ref: int | None = None,
    ) -> tuple[Report, ...]:
        """Cancel an order and enter it again under the same ids with these leaves; None keeps the price."""

    def apply(self, commands: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
        """Run an array of COMMAND; return a new array of REPORT that the caller owns.

        The GIL is released while matching. The commands are read in place when they are contiguous.
        Raises TypeError for another dtype and ValueError for more than one dimension; nothing has run then.
        """

    def begin(self, command: npt.NDArray[np.void], steps: int) -> npt.NDArray[np.void]:
        """Begin a command, an array of one, and do at most so many steps of what it leaves; return its reports so far.

        Until it `is_done` by `go_on`, the machine takes no other command and tells no state. The reports and the state
        are those of `apply`, however it is cut. A step is a trade, an order that is cancelled, a stop, a peg.
        """

    def go_on(self, steps: int) -> npt.NDArray[np.void]:
        """Do at most so many more steps of the command that was begun; return their reports."""

    @property
    def is_done(self) -> bool:
        """Whether no command is under way."""

    def mass_cancel(
        self,
        *,
        owner: int | None = None,
        account: int | None = None,
        instrument: int | None = None,
        side: int | None = None,
        prices: tuple[int, int] | None = None,
    ) -> tuple[Report, ...]:
        """Cancel every order that matches all that is given; nothing given, every order there is."""

    def set_phase(
        self,
        instrument: int,
        phase: int,
        *,
        until_ns: int = 0,
        next_phase: int = 0,
        random: int = 0,
        window_ns: int = 0,
    ) -> tuple[Report, ...]:
        """Begin a phase; with until_ns it ends then, and by random modulo window_ns + 1 later, and the next begins."""

    def tick_table(self, table: int, rows: dict[int | None, int]) -> tuple[Report, ...]:
        """Set a table of increments by the price each range begins at; the first begins at None, below all prices."""

    def protect(
        self,
        instrument: int,
        *,
        reference: int | None = None,
        static: int | None = None,
        dynamic: int | None = None,
        distance: int | None = None,
        max_notional: int | None = None,
        breaker_bp: int = 0,
        halt_ns: int = 0,
        auction_ns: int = 0,
    ) -> tuple[Report, ...]:
        """Set all protections of an instrument; None is none of the kind, but the reference is kept then."""

    def advance(self, time_ns: int) -> tuple[Report, ...]:
        """Step the simulated clock; what comes due happens. Raises ValueError when it would go back."""

    @property
    def time_ns(self) -> int: ...
    @property
    def rules(self) -> int:
        """The version of the rules that commands are judged by."""

    @property
    def commands(self) -> int:
        """How many commands were handed in, refused ones included."""

    @property
    def trades(self) -> int:
        """How many trades there were; the last one's trade_id."""

    @property
    def live_orders(self) -> int: ...
    @property
    def memory_bytes(self) -> int:
        """Bytes that the machine's records, indexes and report buffer take."""

    def best(self, instrument: int) -> tuple[int | None, int | None]:
        """The best bid and the best ask; None for a side that is empty."""

    def depth(self, instrument: int, n: int) -> tuple[npt.NDArray[np.void], npt.NDArray[np.void]]:
        """Up to n levels of bids and of asks, best first, as new arrays of DEPTH."""

    def phase(self, instrument: int) -> Phase:
        """What an instrument is doing."""

    def indicative(self, instrument: int) -> tuple[int, int, int] | None:
        """What an auction now would come out as: price, volume, surplus of buyers; None: nothing would trade."""

    def queue_ahead(self, order_id: int) -> int:
        """The shown lots before this order at its price. Raises ValueError when it is not live, or shown in no book."""

    def order(self, order_id: int) -> Order | None:
        """The live order with this id, or None."""

    def orders(self, owner: int) -> tuple[Order, ...]:
        """The owner's live orders in order of order_id. Looks at every order of the machine."""

    def copy(self) -> Machine:
        """A machine with the same state that goes its own way from here."""

    def __copy__(self) -> Machine: ...
    def __deepcopy__(self, memo: dict[int, Any]) -> Machine: ...
    def snapshot(self) -> bytes:
        """The logical state as bytes, the same for every history that led to it."""

    @staticmethod
    def restore(snapshot: bytes) -> Machine:
        """The machine a snapshot was taken of. Raises ValueError with the byte offset of what is wrong."""

    def state_hash(self) -> str:
        """SHA-256 of the snapshot, in hexadecimal."""
