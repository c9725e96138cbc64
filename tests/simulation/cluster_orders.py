"""What the clients of a simulated cluster enter: orders of every type and time in force, other terms for those that
rest, cancels of one and of all. Now and then something is wrong with it: a refusal has to be the right one, too.
"""

import random
from collections.abc import Sequence

from cluster_fix import MS, time_text

MIDDLE = 100
DAY_NS = 86_400_000 * MS
# Limit, market, market-to-limit, stop and stop-limit first.
TYPES = {"2": 60, "1": 5, "K": 4, "3": 5, "4": 6, "trailing": 5, "pegged": 8}
LASTING = {
    "2": {"0": 20, "1": 28, "3": 14, "4": 4, "6": 10, "2": 2, "7": 3, "B": 3},
    "1": {"0": 3, "3": 5, "4": 2, "2": 1, "7": 2, "B": 3},
    "K": {"0": 4, "1": 4, "6": 2, "B": 1},
}
RESTING = {"0": 3, "1": 4, "6": 3}  # of stops and pegs

Terms = dict[str, str]  # fields of a message


class Trader:
    """open: what is known of the orders that may rest, by ClOrdID."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.open: dict[str, Terms] = {}

    def next(self, id: str, symbols: Sequence[str], now_ns: int) -> tuple[str, Terms]:
        """The type and the fields of a request. now_ns: log time, as far as the client has heard."""
        kind = self._chance.random()
        if kind > 0.994:
            return "q", self._mass_cancel(id, symbols)
        if self.open and kind < 0.22:
            return "F", self._cancel(id)
        if self.open and kind < 0.36:
            return "G", self._replace(id, now_ns)
        order = self._order(symbols, now_ns)
        self.open[id] = order
        return "D", {"11": id, **order}

    def heard(self, report: Terms, asked: Terms) -> None:
        """An ExecutionReport of its own. asked: by the request of its ClOrdID."""
        if report["39"] in ("2", "4", "8", "C"):
            self.open.pop(report["11"], None)
        if report["150"] == "5" and (before := self.open.pop(report["41"], None)) is not None:
            self.open[report["11"]] = before | {tag: asked[tag] for tag in asked if tag not in ("11", "41")}

    # ---------------------------------------------------------------- drawing

    def _happens(self, percent: float) -> bool:
        return self._chance.random() * 100 < percent

    def _pick(self, weights: dict[str, int]) -> str:
        return self._chance.choices(list(weights), list(weights.values()))[0]

    def _lots(self, most: int = 50) -> str:
        return str(self._chance.randrange(1, most))

    def _price(self) -> str:
        return str(MIDDLE + self._chance.randrange(-5, 6))

    def _beyond(self, side: str) -> str:
        """A stop price: mostly one that is not reached."""
        away = self._chance.randrange(-1, 6)
        return str(MIDDLE + away if side == "1" else MIDDLE - away)

    def _date(self, now_ns: int) -> Terms:
        """Mostly soon, now and then past."""
        if self._happens(10):
            return {"432": time_text(now_ns + DAY_NS)[:8]}
        return {"126": time_text(now_ns + self._chance.randrange(-50, 3_000) * MS)}

    # ---------------------------------------------------------------- orders

    def _order(self, symbols: Sequence[str], now_ns: int) -> Terms:
        chance = self._chance
        symbol = chance.choice(symbols[:2] if self._happens(80) else symbols)
        order = {"55": symbol, "54": chance.choice("12"), "38": self._lots()}
        kind = self._pick(TYPES)
        order["40"] = kind if len(kind) == 1 else "P"
        order["59"] = self._pick(LASTING.get(kind, RESTING))
        if kind in ("2", "4"):
            order["44"] = self._price()
        if kind in ("3", "4"):
            order["99"] = self._beyond(order["54"])
        if kind == "trailing":
            order |= {"18": "a", "211": self._lots(4)}
            if self._happens(40):
                order["99"] = self._beyond(order["54"])
        if kind == "pegged":
            order |= self._peg()
        if kind == "2":
            order |= self._more(int(order["38"]))
        if order["59"] == "6":
            order |= self._date(now_ns)
        if self._happens(20):
            order |= {"20012": chance.choice("12"), "20013": chance.choice("1234")}
        return order

    def _peg(self) -> Terms:
        peg = {"18": self._chance.choice("RPM")}
        if self._happens(40):
            peg["211"] = str(self._chance.randrange(-3, 3))
        if self._happens(30):
            peg["44"] = self._price()
        if self._happens(15):
            peg["111"] = "0"
        return peg

    def _more(self, lots: int) -> Terms:
        """What only an order with a limit of its own may have."""
        return self._chance.choices(
            (
                {},
                {"111": str(max(1, lots // self._chance.randrange(1, 7)))},  # an iceberg
                {"111": "0"},  # hidden
                {"18": "6"},  # post-only
                {"18": "6", "20014": "S"},
                {"110": self._lots(lots + 2)},  # a minimum
                {"18": "G"},  # all or none
            ),
            (60, 12, 6, 5, 5, 5, 4),
        )[0]

    # ---------------------------------------------------------------- changes

    def _cancel(self, id: str) -> Terms:
        old = self._chance.choice(sorted(self.open))
        order = self.open[old]
        return {"41": old, "11": id, "55": order["55"], "54": order["54"]}

    def _replace(self, id: str, now_ns: int) -> Terms:
        """What it leaves out stays as it was."""
        old = self._chance.choice(sorted(self.open))
        order = self.open[old]
        terms = {tag: order[tag] for tag in ("55", "54", "40")} | {"38": self._lots()}
        if self._happens(10):
            terms["54"] = "1" if terms["54"] == "2" else "2"  # it is refused
        if order["40"] in "24" or (order["40"] in "PK" and self._happens(25)):
            terms["44"] = self._price()
        if order["40"] in "34" and self._happens(40):
            terms["99"] = self._beyond(order["54"])
        if order["40"] == "P" and self._happens(40):
            terms["211"] = self._lots(4) if order["18"] == "a" else str(self._chance.randrange(-3, 3))
        if order.get("111", "0") != "0" and self._happens(50):
            terms["111"] = self._lots(20)
        if self._happens(20):
            terms["59"] = self._chance.choice("01676")
            terms |= self._date(now_ns) if terms["59"] == "6" else {}
        if self._happens(5):
            terms |= self._chance.choice(({"18": "G"}, {"18": "6"}, {"110": "3"}, {"111": "0"}, {"40": "1"}))
        return {"41": old, "11": id, **terms}

    def _mass_cancel(self, id: str, symbols: Sequence[str]) -> Terms:
        if self._happens(50):
            return {"11": id, "530": "7"}
        terms = {"11": id, "530": "1", "55": self._chance.choice(symbols)}
        return terms | ({"54": self._chance.choice("12")} if self._happens(30) else {})
