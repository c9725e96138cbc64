from typing import Any

import numpy as np
import numpy.typing as npt

from engine.report import Order as Order
from engine.report import Report as Report

class Machine:
    """A matching engine: instruments, their books, and the rules.

    Nothing but commands and `advance` changes it, and the same commands give the same reports, always.
    One thread at a time may use a machine: RuntimeError otherwise. Integers that do not fit their field
    raise OverflowError.
    """

    def __init__(self) -> None: ...
    def define(
        self,
        lot: int = 1,
        min_quantity: int = 1,
        max_quantity: int = 2**63 - 1,
        low: int | None = None,
        high: int | None = None,
        protection: int | None = None,
    ) -> int:
        """Define the next instrument and return its number; the units are lots and ticks, None is no limit.

        Raises ValueError for terms that contradict each other.
        """

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
    ) -> tuple[Report, ...]:
        """Enter an order and return what came of it.

        Without a price it is a market order. Without a client_ref the next order id is taken for it, or the first
        number from there on that no live order of the owner has.
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
        quantity: int = 0,
        price: int | None = None,
        *,
        owner: int = 0,
        client_ref: int | None = None,
    ) -> tuple[Report, ...]:
        """Give an order a new total (fills included) and, unless None, a new price."""

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

    def advance(self, time_ns: int) -> None:
        """Step the simulated clock. Raises ValueError when it would go back."""

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

    def queue_ahead(self, order_id: int) -> int:
        """The lots that trade before this order at its price. Raises ValueError when it is not live."""

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
