"""What an operator asks for, and the exchange itself by its schedules, as the slow engine performs it."""

from typing import Any

from cluster_fix import MS, Fields, time_ns
from cluster_terms import SIDES, ticks

from engine.records import INT64_MAX, Phase, ReportKind
from engine.reference import Machine, Report
from engine.reference_book import Instrument, Protections

# Of ReasonCode (20002) what no engine says.
UNKNOWN_SYMBOL, INVALID_OPERATION, UNKNOWN_SESSION, INSTRUMENT_EXISTS = 100, 132, 133, 135
INVALID_DEFINITION = 3  # by the engine; the door for operators names the field first
OPERATION, PHASE, NEXT_PHASE = "20021", "20022", "20023"
PHASE_END, RANDOM_END, RANDOM = "20025", "20026", "20027"
FOLLOWED, STEP, TABLE, LIFTED, TICK_SIZE, TICK_FROM = "20028", "20029", "20034", "20035", "20045", "20046"
MOST_OPEN, SESSION, LOW, HIGH = "20047", "20048", "20009", "20010"
ABOUT_INSTRUMENTS = ("PHASE", "TERMS", "PROTECT", "DELIST")
NO_LIMIT = {"20008": INT64_MAX, "20009": None, "20010": None, "20011": None}
NO_PROTECTION = {"20037": None, "20038": None, "20039": None, "20040": None}
KEYWORDS = {  # of the calls of the slow engine, and how a value is read
    "561": ("lot", int), "562": ("min_quantity", int), "20008": ("max_quantity", int), "20009": ("low", ticks),
    "20010": ("high", ticks), "20011": ("protection", ticks), "20032": ("pro_rata_minimum", int),
    "20030": ("algorithm", ("PRICE_TIME", "PRO_RATA").index), "20031": ("top_order", "NY".index),
    "20033": ("trigger", ("LAST_TRADE", "OPPOSITE_BEST").index), "20034": ("tick_table", int),
    "20036": ("reference", ticks), "20037": ("static", ticks), "20038": ("dynamic", ticks),
    "20039": ("distance", ticks), "20040": ("max_notional", ticks),  # a lot is one
    "20041": ("breaker_bp", lambda value: round(float(value) * 10_000)),
    "20042": ("halt_ns", lambda value: int(value) * MS), "20043": ("auction_ns", lambda value: int(value) * MS),
}  # fmt: skip
TERMS = ("561", "562", "20008", "20009", "20010", "20011", "20030", "20031", "20032", "20033", TABLE)
PROTECTIONS = ("20036", "20037", "20038", "20039", "20040", "20041", "20042", "20043")


class Operations:
    """The machine's instruments by name, what sessions may do, and what is asked for. reports: of what was performed
    last."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.operators: set[str] = set()
        self.symbols: list[str] = []
        self._owners: dict[str, int] = {}
        self._killed: set[str] = set()  # sessions, "*" for all
        self._most_open: dict[str, int] = {}
        self._steps: dict[str, int] = {}  # by schedule: when the last one that was taken was due
        self._follows: dict[int, str] = {}  # schedules by instrument
        self.reports: list[Report] = []
        self._asked: dict[str, str] = {}
        self._reason = 0  # why the first of what was refused was
        self._affected = self._refused = self._cancelled = 0

    # ------------------------------------------------------------ what others ask

    def list(self, symbol: str, phase: int = Phase.CONTINUOUS, **terms: Any) -> None:
        self.machine.define(phase=phase, **terms)
        self.symbols.append(symbol)

    def owner(self, client: str) -> int:
        return self._owners.setdefault(client, len(self._owners) + 1)

    def most_open(self, client: str) -> int | None:
        """Orders; None: no bound. 0: the kill switch holds."""
        if self._killed & {client, "*"}:
            return 0
        return self._most_open.get(client) or self._most_open.get("*") or None

    # ------------------------------------------------------------ performing

    def perform(self, fields: Fields, sessions: set[str] | None) -> None:
        """sessions: those that there are; None: it is the exchange that asks, and of a schedule's steps each is
        performed once."""
        asked = self._asked = dict(reversed(fields))
        kind = asked[OPERATION]
        self.reports = []
        self._reason = self._affected = self._refused = self._cancelled = 0
        if sessions is not None and SESSION in asked and asked[SESSION] not in sessions | {"*"}:
            return self._refuse(UNKNOWN_SESSION)
        if STEP in asked and not self._takes_step():
            return None
        if kind in ABOUT_INSTRUMENTS:
            return self._at_each(kind)
        perform = {
            "TICKS": lambda: self._set_ticks(fields),
            "KILL": self._kill,
            "RESTORE": lambda: self._killed.discard(asked[SESSION]),
            "CANCEL": self._cancel,
            "LIMITS": lambda: self._most_open.update({asked[SESSION]: int(asked[MOST_OPEN])}),
            "INSTRUMENT": self._make,
        }
        perform[kind]()
        return None

    def answer(self) -> tuple[str, ...]:
        """OperationStatus, TotalAffectedOrders, AffectedInstruments, RefusedInstruments, reason."""
        kind, refused = self._asked[OPERATION], bool(self._reason and not self._affected)
        orders = str(self._cancelled) if kind in ("KILL", "CANCEL") and not refused else ""
        counts = ["", ""]
        if kind in ABOUT_INSTRUMENTS and not refused:
            counts = [str(self._affected), str(self._refused or "")]
        return str(int(refused)), orders, *counts, str(self._reason or "")

    def _refuse(self, reason: int) -> None:
        self._refused += 1
        self._reason = self._reason or reason

    def _run(self, reports: tuple[Report, ...]) -> bool:
        """False: it was refused."""
        if reports and reports[0].kind == ReportKind.REJECTED:
            reason = reports[0].reason
            self._refuse(INVALID_OPERATION if reason == INVALID_DEFINITION else reason)
            return False
        self.reports += reports
        return True

    # ------------------------------------------------------------ instruments

    def _takes_step(self) -> bool:
        due_ns = time_ns(self._asked[STEP])
        if due_ns <= self._steps.get(self._asked[FOLLOWED], -1):
            return False
        self._steps[self._asked[FOLLOWED]] = due_ns
        return True

    def _at_each(self, kind: str) -> None:
        """The instrument that is named, or all that are there and follow the schedule that is named."""
        symbol, schedule = self._asked.get("55", "*"), self._asked.get(FOLLOWED)
        one = symbol != "*" or kind == "DELIST"
        if one and symbol not in self.symbols:
            return self._refuse(UNKNOWN_SYMBOL)
        if PHASE_END in self._asked and time_ns(self._asked[PHASE_END]) <= self.machine.time_ns:
            return self._refuse(INVALID_OPERATION)
        perform = {
            "PHASE": self._set_phase,
            "TERMS": self._set_terms,
            "PROTECT": self._protect,
            "DELIST": lambda number: self._run(self.machine.delist(number)),
        }[kind]
        for number in [self.symbols.index(symbol)] if one else range(len(self.symbols)):
            if kind == "PHASE" and schedule and self._follows.get(number) != schedule:
                continue
            if one or not self._book(number).is_delisted:
                self._affected += perform(number)
        return None

    def _book(self, number: int) -> Instrument:
        return self.machine._instruments[number]

    def _set_phase(self, number: int) -> bool:
        asked = self._asked
        ends: dict[str, Any] = {}
        if PHASE_END in asked:
            ends = {"until_ns": time_ns(asked[PHASE_END]), "next_phase": Phase[asked[NEXT_PHASE]]}
        if RANDOM_END in asked:
            ends |= {"window_ns": int(asked[RANDOM_END]) * MS, "random": int(asked[RANDOM])}
        return self._run(self.machine.set_phase(number, Phase[asked[PHASE]], **ends))

    def _given(self, tags: tuple[str, ...], none: dict[str, Any]) -> dict[str, Any]:
        """What is given, and what is to hold no longer."""
        asked = self._asked
        given = {KEYWORDS[tag][0]: none[tag] for tag in asked.get(LIFTED, "").split() if tag in none}
        return given | {KEYWORDS[tag][0]: KEYWORDS[tag][1](asked[tag]) for tag in tags if tag in asked}

    def _set_terms(self, number: int) -> bool:
        """What is not given stays as it is."""
        book = self._book(number)
        terms: dict[str, Any] = {
            "lot": book.lot, "min_quantity": book.minimum, "max_quantity": book.maximum, "low": book.low,
            "high": book.high, "protection": book.protection, "algorithm": book.algorithm,
            "top_order": book.top_order, "pro_rata_minimum": book.pro_rata_minimum, "trigger": book.trigger,
            "tick_table": book.tick_table,
        }  # fmt: skip
        given = self._given(TERMS, NO_LIMIT)
        if "algorithm" in given:
            terms["top_order"] &= given["algorithm"]  # which is of pro-rata only
        if given and not self._run(self.machine.change(number, **terms | given)):
            return False
        if FOLLOWED in self._asked:
            self._follows[number] = self._asked[FOLLOWED]
            self._steps.setdefault(self._asked[FOLLOWED], -1)
        return True

    def _protect(self, number: int) -> bool:
        """What is not given stays as it is."""
        book = self._book(number)
        now: Protections = book.protections
        present: dict[str, Any] = {
            "static": now.static_ticks, "dynamic": now.dynamic_ticks, "distance": now.distance_ticks,
            "max_notional": now.max_notional, "breaker_bp": now.breaker_bp, "halt_ns": now.halt_ns,
            "auction_ns": now.auction_ns,
        }  # fmt: skip
        if "20041" in self._asked.get(LIFTED, "").split():
            present |= dict.fromkeys(("breaker_bp", "halt_ns", "auction_ns"), 0)
        wanted = present | self._given(PROTECTIONS, NO_PROTECTION)
        measures = wanted["static"] is not None or wanted["breaker_bp"]
        if measures and wanted.get("reference", book.reference_ticks) is None and not book.is_delisted:
            self._refuse(INVALID_OPERATION)
            return False
        return self._run(self.machine.protect(number, **wanted))

    def _make(self) -> None:
        asked = self._asked
        symbol, schedule = asked["55"], asked.get(FOLLOWED)
        if symbol in self.symbols:
            return self._refuse(INSTRUMENT_EXISTS)
        phase = Phase[asked[PHASE]] if PHASE in asked else Phase.CLOSED if schedule else Phase.CONTINUOUS
        terms = self._given(TERMS, {})
        if terms.get("tick_table", 0) > len(self.machine._tables):
            return self._refuse(INVALID_OPERATION)
        if schedule:
            self._follows[len(self.symbols)] = schedule
        self.list(symbol, phase, **terms)
        return None

    def _set_ticks(self, fields: Fields) -> None:
        """Of each row the increment stands before the price that it begins at."""
        rows: dict[int | None, int] = {}
        for place, (tag, value) in enumerate(fields):
            if tag == TICK_SIZE:
                begins = place + 1 < len(fields) and fields[place + 1][0] == TICK_FROM
                rows[int(fields[place + 1][1]) if begins else None] = int(value)
        if not 1 <= int(self._asked[TABLE]) <= len(self.machine._tables) + 1:
            return self._refuse(INVALID_OPERATION)
        self._run(self.machine.tick_table(int(self._asked[TABLE]), rows))
        return None

    # ------------------------------------------------------------ sessions and orders

    def _kill(self) -> None:
        name = self._asked[SESSION]
        self._killed.add(name)
        self._mass_cancel({} if name == "*" else {"owner": self.owner(name)})

    def _cancel(self) -> None:
        asked = self._asked
        asks: dict[str, Any] = {}
        if asked.get(SESSION, "*") != "*":
            asks["owner"] = self.owner(asked[SESSION])
        if "55" in asked:
            if asked["55"] not in self.symbols:
                return self._refuse(UNKNOWN_SYMBOL)
            asks["instrument"] = self.symbols.index(asked["55"])
        if "54" in asked:
            asks["side"] = SIDES[asked["54"]]
        if LOW in asked or HIGH in asked:
            low, high = ticks(asked.get(LOW)), ticks(asked.get(HIGH))
            asks["prices"] = (-INT64_MAX if low is None else low, INT64_MAX if high is None else high)
        return self._mass_cancel(asks)

    def _mass_cancel(self, asks: dict[str, Any]) -> None:
        self._run(self.machine.mass_cancel(**asks))
        self._cancelled = sum(
            report.quantity_lots for report in self.reports if report.kind == ReportKind.MASS_CANCELLED
        )
