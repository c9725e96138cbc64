"""Follows orders by the messages about them and nothing else: every report is judged against those before it."""

from decimal import Decimal
from fractions import Fraction

STATUS_AFTER = {
    ("", "0"): "0",
    ("0", "5"): "0",
    ("1", "5"): "1",
    ("0", "F"): "12",
    ("1", "F"): "12",
    ("0", "4"): "4",
    ("1", "4"): "4",
    ("0", "L"): "0",
    ("0", "D"): "0",
    ("1", "D"): "1",
    ("0", "C"): "C",
    ("1", "C"): "C",
    **{(status, "I"): status for status in "0124C"},
    **{(status, "8"): status for status in "0124C"},  # another order came under its ClOrdID
}
"""What OrdStatus (39) may be after which one and which ExecType (150); "" is the status of no order."""

KEPT = ("1", "18", "37", "40", "54", "55", "56", "110", "20012", "20013", "20014")
"""What is an order's for ever: its account, OrderID, type, side, symbol, session, and the terms that bind on entry."""
GIVEN = ("38", "44", "59", "99", "111", "126", "211", "453", "448")
"""What a replace may change."""
RESTATED = ("59", "99", "111", "126", "211", "453", "448")
"""What of that the exchange itself does not change."""


def fields(message: bytes) -> dict[str, str]:
    """A message without repeating groups as its fields."""
    return dict(part.split("=", 1) for part in message.decode().rstrip("\x01").split("\x01"))


class Checker:
    """The last report about every order, and what all of them must add up to."""

    def __init__(self) -> None:
        self.orders: dict[str, dict[str, str]] = {}
        self.fills: dict[str, list[tuple[Decimal, Decimal]]] = {}
        self.exec_ids: set[str] = set()
        self.trades: dict[str, list[dict[str, str]]] = {}
        self.times: dict[str, str] = {}
        self.input_number = 0
        self.transitions: set[tuple[str, str, str]] = set()

    def see(self, m: dict[str, str]) -> None:
        """Judges one ExecutionReport against those before it."""
        assert m["17"] not in self.exec_ids
        self.exec_ids.add(m["17"])
        assert self.times.get(m["56"], "") <= m["60"]
        self.times[m["56"]] = m["60"]
        assert self.input_number <= int(m["20001"])
        self.input_number = int(m["20001"])
        if m["37"] == "NONE":
            assert (m["150"], m["39"]) in {("8", "8"), ("I", "8")}
            assert Decimal(m["151"]) == Decimal(m["14"]) == Decimal(m["6"]) == 0
            return
        before = self.orders.get(m["37"], {"39": ""})
        self.transitions.add((before["39"], m["150"], m["39"]))
        assert m["39"] in STATUS_AFTER.get((before["39"], m["150"]), ""), f"{m} after {before}"
        if before["39"] and m["150"] == "8":
            self._repeated(m, before)
            return
        if before["39"]:
            self._goes_on(m, before)
        else:
            assert "41" not in m
        self._adds_up(m)
        self.orders[m["37"]] = m

    def _repeated(self, m: dict[str, str], before: dict[str, str]) -> None:
        """The refusal of a new order under a ClOrdID that this one has or had: the order as it stands."""
        same = (*KEPT, *GIVEN, "14", "151", "6", "39")
        assert [m.get(tag) for tag in same] == [before.get(tag) for tag in same]
        assert "41" not in m

    def _goes_on(self, m: dict[str, str], before: dict[str, str]) -> None:
        """What stays, and the chain of ClOrdIDs: a request that was accepted names the one accepted before it."""
        assert [m.get(tag) for tag in KEPT] == [before.get(tag) for tag in KEPT]
        if m["150"] == "5" or (m["150"] == "4" and "20002" not in m):
            assert m["41"] == before["11"] != m["11"]
        else:
            assert [m.get(tag) for tag in ("11", "41")] == [before.get(tag) for tag in ("11", "41")]
        if m["150"] != "5":
            fixed = RESTATED if m["150"] == "D" else GIVEN
            assert [m.get(tag) for tag in fixed] == [before.get(tag) for tag in fixed]

    def _adds_up(self, m: dict[str, str]) -> None:
        """The quantities are those of the fills, and so is the average price."""
        quantity, leaves, done = Decimal(m["38"]), Decimal(m["151"]), Decimal(m["14"])
        fills = self.fills.setdefault(m["37"], [])
        if m["150"] == "F":
            assert Decimal(m["32"]) > 0
            fills.append((Decimal(m["31"]), Decimal(m["32"])))
            self.trades.setdefault(m["880"], []).append(m)
        else:
            assert not {"31", "32", "851", "880"} & set(m)
        assert done == sum((size for _, size in fills), Decimal(0))
        assert leaves == (quantity - done if m["39"] in "01" else 0)
        assert (m["39"] == "2") == (done == quantity)
        assert m["39"] != "0" or done == 0
        digits = 2 if m["55"] == "BTC/USD" else 4
        exact = sum((Fraction(p) * Fraction(s) for p, s in fills), Fraction(0)) / Fraction(done or 1)
        assert Fraction(m["6"]) == Fraction(round(exact * 10**digits), 10**digits)
