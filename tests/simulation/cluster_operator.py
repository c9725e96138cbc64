"""The operator of a simulated cluster: a session that changes phases, terms and protections, stops and restores
sessions, cancels orders, makes instruments. Most of what it does ends soon: a market that is closed is tested little.
"""

from typing import TYPE_CHECKING

from cluster_client import Client
from cluster_fix import MS, Fields, time_text

if TYPE_CHECKING:
    from cluster_world import World

NAME = "OPS"
KINDS = {
    "PHASE": 40, "PROTECT": 20, "TERMS": 12, "TICKS": 3, "KILL": 4, "CANCEL": 6, "LIMITS": 5, "INSTRUMENT": 3,
    "DELIST": 1, "BUST": 3,
}  # fmt: skip
COLLECTING = ("OPENING_AUCTION", "VOLATILITY_AUCTION", "CLOSING_AUCTION", "PRE_OPEN")
BREAKER = ("20041", "20042", "20043")
LIMITS = {  # of a price or an amount: how far from nothing or the middle it is drawn
    "20037": (2, 9), "20038": (1, 6), "20039": (3, 9), "20040": (3_000, 5_500), "20036": (98, 103), "20008": (30, 60),
    "20009": (90, 97), "20010": (104, 110), "20011": (0, 4),
}  # fmt: skip


class Operator(Client):
    def __init__(self, world: "World") -> None:
        self._killed: list[str] = []  # to be restored soon
        self._made: list[str] = []  # instruments
        super().__init__(world, NAME)

    def request(self) -> None:
        """Less often than others: one request moves all of them."""
        if self._happens(25):
            super().request()

    def _next(self, id: str) -> tuple[str, Fields]:
        chance = self.world.chance
        kind = chance.choices(list(KINDS), list(KINDS.values()))[0]
        if self._killed and self._happens(60):
            kind = "RESTORE"
        draw = {
            "PHASE": self._phase,
            "PROTECT": self._protect,
            "TERMS": self._terms,
            "TICKS": self._ticks,
            "KILL": self._kill,
            "RESTORE": lambda: [("20048", self._killed.pop())],
            "CANCEL": self._cancel,
            "LIMITS": lambda: [("20048", self._session()), ("20047", chance.choice(("0", "5", "20", "40")))],
            "INSTRUMENT": self._make,
            "BUST": lambda: [("880", str(chance.randrange(1, self.world.last_trade + 2)))],
            "DELIST": lambda: [("55", self._made.pop() if self._made else "NONE")],
        }[kind]
        return "UQ", [("20020", id), ("20021", kind), *draw()]

    # ---------------------------------------------------------------- drawing

    def _happens(self, percent: float) -> bool:
        return self.world.chance.random() * 100 < percent

    def _from_to(self, tag: str) -> tuple[str, str]:
        return tag, str(self.world.chance.randrange(*LIMITS[tag]))

    def _symbol(self) -> str:
        return "*" if self._happens(25) else self.world.chance.choice(self.world.symbols)

    def _session(self) -> str:
        """One that has logged on; now and then all, or one that there is not."""
        names = [client.name for client in self.world.clients if client.got]
        return self.world.chance.choice((*names, *names, "*", "NOBODY"))

    def _ending(self, following: str) -> Fields:
        """Mostly it is still to come."""
        chance = self.world.chance
        end = self.world.log_time_ns + chance.randrange(20, 1_500) * MS
        fields = [("20025", time_text(end)), ("20023", following)]
        if self._happens(50):
            fields += [("20026", str(chance.randrange(500))), ("20027", str(chance.randrange(1 << 31)))]
        return fields

    def _phase(self) -> Fields:
        chance = self.world.chance
        where, kind = ("55", self._symbol()), chance.random()
        if kind < 0.55:
            phase = chance.choice(COLLECTING)
            following = "CLOSED" if phase == "CLOSING_AUCTION" and self._happens(20) else "CONTINUOUS"
            return [where, ("20022", phase), *self._ending(following)]
        if kind < 0.75:
            return [where, ("20022", "CONTINUOUS")]
        if kind < 0.85:
            return [where, ("20022", "HALT"), *self._ending("VOLATILITY_AUCTION")]
        if kind < 0.9:
            return [where, ("20022", "CLOSED"), *self._ending("PRE_OPEN")]
        return [where, ("20022", chance.choice((*COLLECTING, "HALT")))]

    def _protect(self) -> Fields:
        tags = self.world.chance.sample(("20036", "20037", "20038", "20039", "20040"), 2)
        fields = [("55", self._symbol()), self._from_to(tags[0])]
        if self._happens(40):
            ms = str(self.world.chance.randrange(200, 2_000))
            fields += [("20041", "0.03"), ("20042", ms), ("20043", ms)]
        if self._happens(60):
            lifted = [tag for tag in (*tags[1:], "20041") if tag != "20036" and tag not in dict(fields)]
            fields += [("20035", " ".join(lifted))] if lifted else []
        return fields

    def _terms(self) -> Fields:
        """Some of them may be wrong: a tick table that there is not."""
        chance = self.world.chance
        fields = (
            ("20030", chance.choice(("PRICE_TIME", "PRO_RATA"))),
            ("20031", chance.choice("YN")),
            ("20032", self._lots()),
            ("20033", chance.choice(("LAST_TRADE", "OPPOSITE_BEST"))),
            ("20034", chance.choice("0012")),
            self._from_to(chance.choice(("20008", "20009", "20010", "20011"))),
            ("20035", "20008 20009 20010 20011"),
        )
        return [("55", self._symbol()), chance.choice(fields)]

    def _lots(self) -> str:
        return str(self.world.chance.randrange(5))

    def _ticks(self) -> Fields:
        """The table is there, or the next one. Increments are counted in hundredths."""
        rows = [("20045", "50")]
        if self._happens(50):
            rows += [("20045", "100"), ("20046", "10000")]
        count = sum(tag == "20045" for tag, _ in rows)
        return [("20034", self.world.chance.choice("112")), ("20044", str(count)), *rows]

    def _kill(self) -> Fields:
        name = self._session()
        self._killed.append(name)
        return [("20048", name)]

    def _cancel(self) -> Fields:
        chance = self.world.chance
        if self._happens(30):
            return [("20048", self._session())]
        fields = [("55", chance.choice(self.world.symbols))]
        if self._happens(40):
            fields.append(("54", chance.choice("12")))
        if self._happens(40):
            fields.append((chance.choice(("20009", "20010")), str(chance.randrange(96, 105))))
        return fields

    def _make(self) -> Fields:
        """Now and then one that there is."""
        name = "AAPL"
        if self._happens(80):
            name = f"NEW{self.requests}"
            self._made.append(name)
            self.world.symbols.append(name)
        phase = [("20022", "PRE_OPEN")] if self._happens(50) else []
        ticks = [("20034", "1")] if self._happens(20) else []
        return [("55", name), *phase, *ticks]
