"""A flow as FIX requests, and the exchange's reports as fills and latencies. No I/O.

The k-th NEW of flow id N gets the ClOrdID `N.k`, the j-th change of that order `N.k.j`. A REDUCE is a
replace with a lower total; over FIX that needs to be exact, so it is built only when all earlier requests
are answered: then the filled quantity is known, and a REDUCE of all that is left is sent as a cancel.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gateway.client_types import ABSENT, REQUEST
from gateway.flow import Fill, FlowRow

INT64_MAX = 2**63 - 1
NEW, CANCEL, REPLACE = ord("D"), ord("F"), ord("G")
MARKET, LIMIT = ord("1"), ord("2")
TIMES_IN_FORCE = {"DAY": ord("0"), "GTC": ord("1"), "POST": ord("1"), "IOC": ord("3"), "FOK": ord("4"), "": 0}
SIDES = {"B": ord("1"), "S": ord("2"), "": ord("1")}
TRADE, REJECTED, MAKER = ord("F"), ord("8"), ord("1")

Array = npt.NDArray[np.void]


class Entered:
    """One NEW of the flow, as far as the player must know it."""

    __slots__ = ("changes", "cl_ord_id", "filled", "name", "price", "seq", "side", "time_ns", "total")

    def __init__(self, row: FlowRow, name: str) -> None:
        self.name = self.cl_ord_id = name  # cl_ord_id: the newest of the chain
        self.seq, self.time_ns, self.side = row.seq, row.time_ns, row.side
        self.price, self.total = row.price_ticks, row.qty
        self.filled = 0
        self.changes = 0

    def change(self) -> str:
        self.changes += 1
        return f"{self.name}.{self.changes}"


class FlowRequests:
    """Rows of a flow into arrays of REQUEST. Increments are (mantissa, exponent)."""

    def __init__(
        self, symbol: str, price_increment: tuple[int, int], quantity_increment: tuple[int, int]
    ) -> None:
        self.symbol = symbol.encode()
        self.price_mantissa, self.price_exponent = price_increment
        self.quantity_mantissa, self.quantity_exponent = quantity_increment
        self.latest: dict[int, tuple[int, Entered]] = {}
        self.entries: dict[tuple[int, int], Entered] = {}

    def build(self, rows: Sequence[FlowRow]) -> Array:
        """The requests of these rows. A REDUCE must come alone, when all before it are answered.

        ValueError names the row whose price or quantity is beyond 64 bits in the symbol's decimals.
        """
        kinds, names, origins, sides, types, tifs, posts, prices, quantities = zip(
            *map(self._one, rows), strict=True
        )
        requests = np.zeros(len(rows), REQUEST)
        requests["symbol"] = self.symbol
        requests["kind"], requests["side"], requests["ord_type"] = kinds, sides, types
        requests["time_in_force"], requests["post_only"] = tifs, posts
        requests["cl_ord_id"], requests["orig_cl_ord_id"] = names, origins
        requests["price"], requests["price_exponent"] = prices, self.price_exponent
        requests["quantity"], requests["quantity_exponent"] = quantities, self.quantity_exponent
        return requests

    def _one(self, row: FlowRow) -> tuple[int, str, str, int, int, int, int, int, int]:
        if row.action == "NEW":
            k = self.latest[row.order_id][0] + 1 if row.order_id in self.latest else 1
            entered = Entered(row, f"{row.order_id}.{k}")
            self.latest[row.order_id] = (k, entered)
            self.entries[row.order_id, k] = entered
            kind = LIMIT if row.price_ticks is not None else MARKET
            terms = (SIDES[row.side], kind, TIMES_IN_FORCE[row.tif], int(row.tif == "POST"))
            return (
                NEW,
                entered.name,
                "",
                *terms,
                self._price(row, row.price_ticks),
                self._quantity(row, row.qty),
            )
        found = self.latest.get(row.order_id)
        if found is None:
            entered = Entered(row, f"{row.order_id}.0")  # never entered: the exchange refuses the change
            self.latest[row.order_id] = (0, entered)
        else:
            entered = found[1]
        origin, name, side = entered.cl_ord_id, entered.change(), SIDES[entered.side]
        if row.action == "CANCEL" or row.qty >= entered.total - entered.filled:
            return CANCEL, name, origin, side, 0, 0, 0, ABSENT, ABSENT
        entered.cl_ord_id = name
        entered.total -= row.qty
        terms = (side, LIMIT if entered.price is not None else MARKET, 0, 0)
        return (
            REPLACE,
            name,
            origin,
            *terms,
            self._price(row, entered.price),
            self._quantity(row, entered.total),
        )

    def _price(self, row: FlowRow, ticks: int | None) -> int:
        return ABSENT if ticks is None else self._scaled(row, "price", ticks * self.price_mantissa)

    def _quantity(self, row: FlowRow, lots: int) -> int:
        return self._scaled(row, "quantity", lots * self.quantity_mantissa)

    @staticmethod
    def _scaled(row: FlowRow, what: str, mantissa: int) -> int:
        if not -INT64_MAX <= mantissa <= INT64_MAX:
            raise ValueError(f"flow row {row.seq}: its {what} does not fit 64 bits in the symbol's decimals")
        return mantissa

    def ticks(self, mantissa: int, exponent: int) -> int:
        """A price of a report in price increments."""
        return _steps(mantissa, exponent, self.price_mantissa, self.price_exponent)

    def lots(self, mantissa: int, exponent: int) -> int:
        """A quantity of a report in quantity increments."""
        return _steps(mantissa, exponent, self.quantity_mantissa, self.quantity_exponent)


def _steps(mantissa: int, exponent: int, step: int, step_exponent: int) -> int:
    shift = exponent - step_exponent
    return mantissa * int(10**shift) // step if shift >= 0 else mantissa // (step * int(10**-shift))


class Answers:
    """Follows what the exchange says about requests that were sent in order.

    Reports that our own requests caused carry the request's input number (20001); those numbers rise in
    the order the requests were sent, so the i-th new one answers the i-th request. A maker's fill may have
    been caused by somebody else.
    """

    def __init__(self, requests: FlowRequests) -> None:
        self.requests = requests
        self.answered = 0
        self.refused: Counter[int] = Counter()  # orders, reduces and cancels by reason code (20002)
        self.rejected = 0  # refused on the session or application layer: nothing the engine saw
        self._last_input = 0
        self._trades: dict[int, list[int]] = {}  # trade id -> taker id, taker k, maker id, price ticks, lots

    def take(self, reports: npt.NDArray[np.void]) -> int:
        """Reports in order; returns how many requests they answer."""
        kinds, numbers = reports["msg_type"], reports["input_number"]
        trades = (reports["exec_type"] == TRADE) & (kinds == ord("8"))
        ours = ~(trades & (reports["maker_taker"] == MAKER)) & (numbers > 0)
        inputs = numbers[ours]
        fresh = 0
        if len(inputs):
            fresh = int(np.count_nonzero(np.diff(inputs, prepend=np.uint64(self._last_input))))
            self._last_input = int(inputs[-1])
        unnumbered = int(np.count_nonzero(((kinds == ord("j")) | (kinds == ord("3"))) & (numbers == 0)))
        self.rejected += int(np.count_nonzero((kinds == ord("j")) | (kinds == ord("3"))))
        refused = ((kinds == ord("8")) & (reports["exec_type"] == REJECTED)) | (kinds == ord("9"))
        self.refused.update(reports["reason_code"][refused].tolist())
        for report in reports[trades]:
            self._trade(report)
        self.answered += fresh + unnumbered
        return fresh + unnumbered

    def _trade(self, report: np.void) -> None:
        number, entry = int(report["cl_ord_id_number"]), int(report["cl_ord_id_entry"])
        lots = self.requests.lots(int(report["last_quantity"]), int(report["last_quantity_exponent"]))
        entered = self.requests.entries.get((number, entry))
        if entered is not None:
            entered.filled += lots
        trade = self._trades.setdefault(int(report["trade_id"]), [0, 0, 0, 0, 0])
        trade[3] = self.requests.ticks(int(report["last_price"]), int(report["last_price_exponent"]))
        trade[4] = lots
        if report["maker_taker"] == MAKER:
            trade[2] = number
        else:
            trade[0], trade[1] = number, entry

    def fills(self) -> list[Fill]:
        """All fills in the order they happened; id 0 is somebody else's order."""
        fills = []
        for number, trade_id in enumerate(sorted(self._trades), 1):
            taker, entry, maker, price, lots = self._trades[trade_id]
            entered = self.requests.entries.get((taker, entry))
            seq, time_ns = (entered.seq, entered.time_ns) if entered else (0, 0)
            fills.append(Fill(number, seq, time_ns, taker, maker, price, lots))
        return fills
