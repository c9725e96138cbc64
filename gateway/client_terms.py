"""What an order may say besides symbol, side, quantity and price: keywords as fields of FIX, and read back. No I/O.

The exchange judges what makes sense; refused here is what no order could say in FIX, or what would be left unsaid.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, TypedDict, cast

from engine.records import SelfMatchMode
from engine.records import TimeInForce as EngineTimeInForce
from gateway.client_arguments import Number, choice, exact, flag, known, parts, whole
from gateway.client_types import OrdType, Side, TimeInForce

LONGEST = 128
"""Bytes of the terms of a REQUEST."""
SOH = "\x01"
EXEC_INST, STOP_PX, MIN_QTY, MAX_FLOOR, EXPIRE_TIME, PEG_OFFSET, EXPIRE_DATE = 18, 99, 110, 111, 126, 211, 432
SELF_MATCH_GROUP, SELF_MATCH_MODE, POST_ONLY_MODE = 20012, 20013, 20014
LOW_LIMIT_PRICE, HIGH_LIMIT_PRICE = 20009, 20010
TAGS = {
    str(tag): tag
    for tag in (
        EXEC_INST, STOP_PX, MIN_QTY, MAX_FLOOR, EXPIRE_TIME, PEG_OFFSET, EXPIRE_DATE,
        SELF_MATCH_GROUP, SELF_MATCH_MODE, POST_ONLY_MODE,
    )
}  # fmt: skip
POST_ONLY, ALL_OR_NONE, TRAILING = "6", "G", "a"
PEGS: Mapping[str, str] = {"primary": "R", "mid": "M", "market": "P"}
POST_ONLY_MODES: Mapping[str, str] = {"reject": "R", "slide": "S"}
SELF_MATCH_MODES: Mapping[str, str] = {
    "cancel_resting": "1", "cancel_incoming": "2", "cancel_both": "3", "decrement_both": "4",
}  # fmt: skip

Fields = dict[int, str]


class Changes(TypedDict, total=False):
    """What else a replace may change."""

    time_in_force: TimeInForce | EngineTimeInForce | str  # or "day", "gtc", "ioc", ...; GTC when not given
    display_quantity: Number  # how much of it is shown at a time
    stop_price: Number  # where it comes in; of a trailing stop, where it begins
    trail: Number  # distance of a trailing stop from the last trade
    peg_offset: Number  # added to what a peg follows
    expire_time: datetime | date  # of a GTD order; a date lasts to its end, by UTC


class Narrowed(TypedDict, total=False):
    """Which orders a mass cancel means. All of it may be left out."""

    side: Side | None
    account: str | None
    low: Number | None  # at this price of the symbol, or above
    high: Number | None  # at this price of the symbol, or below


class Terms(Changes, total=False):
    """What an order may have besides symbol, quantity and price. All of it may be left out."""

    post_only: (
        bool | Literal["reject", "slide"]
    )  # when it would trade on entry: refused, or one increment behind
    hidden: bool  # nothing of it is shown
    min_quantity: Number  # so much trades on entry, or it is cancelled
    all_or_none: bool  # all of it trades on entry, or it is cancelled
    market_to_limit: bool  # takes the best price, and rests there
    peg: Literal[
        "primary", "mid", "market"
    ]  # follows its own side's best price, the middle, the other side's
    self_match_group: int  # it does not trade with orders of its group, 1 to 4294967295
    self_match_mode: (
        SelfMatchMode | str
    )  # "cancel_resting", "cancel_incoming", "cancel_both", "decrement_both"
    account: str
    cl_ord_id: str  # unique in the session; made when not given


@dataclass(frozen=True, slots=True)
class Stated:
    """The terms of a request as it carries them."""

    ord_type: OrdType
    time_in_force: TimeInForce | None
    post_only: bool
    """ExecInst is 6, and not among the fields."""
    fields: Fields

    @property
    def text(self) -> bytes:
        """Raises ValueError when there is too much of it."""
        text = SOH.join(f"{tag}={value}" for tag, value in self.fields.items()).encode()
        if len(text) > LONGEST:
            raise ValueError(f"the terms of the order take {len(text)} bytes; at most {LONGEST} can be sent")
        return text

    @property
    def terms(self) -> Terms:
        """As reports would tell them."""
        return told({EXEC_INST: POST_ONLY, **self.fields} if self.post_only else self.fields)


# ---------------------------------------------------------------- a request


def of_order(price: Number | None, given: Terms) -> Stated:
    """The terms of a new order. Raises TypeError, ValueError: what is wrong, and what is allowed."""
    known(given, Terms, "order term")
    together(price, given)
    lasts = time_in_force(
        given.get("time_in_force", TimeInForce.GTD if "expire_time" in given else TimeInForce.GTC)
    )
    if (lasts is TimeInForce.GTD) != ("expire_time" in given):
        raise ValueError(
            "expire_time goes with time_in_force GTD, and GTD with it: give both, or expire_time alone"
        )
    instructions = exec_inst(given)
    fields = amounts(given)
    if "min_quantity" in given:
        fields[MIN_QTY] = number("min_quantity", given["min_quantity"])
    if flag("hidden", given.get("hidden", False)):
        fields[MAX_FLOOR] = "0"
    if instructions not in ("", POST_ONLY):
        fields[EXEC_INST] = instructions
    if post_only_mode(given) == "slide":
        fields[POST_ONLY_MODE] = POST_ONLY_MODES["slide"]
    if "self_match_group" in given:
        fields[SELF_MATCH_GROUP] = str(whole("self_match_group", given["self_match_group"], 1, 2**32 - 1))
        fields[SELF_MATCH_MODE] = choice("self_match_mode", given["self_match_mode"], SELF_MATCH_MODES)
    return Stated(ord_type(price, given), lasts, instructions == POST_ONLY, fields)


def price_range(given: Narrowed) -> bytes:
    """The prices of a mass cancel, as fields. Raises as `exact` does."""
    bounds = ((LOW_LIMIT_PRICE, "low", given.get("low")), (HIGH_LIMIT_PRICE, "high", given.get("high")))
    prices = [(tag, exact(name, price)) for tag, name, price in bounds if price is not None]
    return SOH.join(f"{tag}={price:f}" for tag, price in prices).encode()


def of_replace(kind: OrdType, lasted: TimeInForce | None, had: Terms, given: Changes) -> Stated:
    """The terms that a replace changes, of an order that is, lasts and says so. Raises TypeError, ValueError."""
    known(given, Changes, "term to change")
    for name, what, others in (
        ("trail", "a trailing stop", "peg"),
        ("peg_offset", "a pegged order", "trail"),
    ):
        if name in given and (kind is not OrdType.PEGGED or others in had):
            raise ValueError(f"{name} is a term of {what}, which this order is not")
    lasts = time_in_force(given["time_in_force"]) if "time_in_force" in given else lasted
    if "expire_time" in given:
        if "time_in_force" in given and lasts is not TimeInForce.GTD:
            raise ValueError("expire_time goes with time_in_force GTD")
        lasts = TimeInForce.GTD
    elif lasts is TimeInForce.GTD and lasted is not TimeInForce.GTD:
        raise ValueError("GTD needs an expire_time")
    return Stated(kind, lasts, False, amounts(given))


def together(price: Number | None, given: Terms) -> None:
    """ValueError for terms that one order cannot have, since FIX says them by the same field, or needs another."""
    said: Mapping[str, object] = given
    kinds = [
        name
        for name in ("trail", "peg", "market_to_limit", "stop_price")
        if said.get(name, False) is not False
    ]
    if "trail" in kinds and "stop_price" in kinds:
        kinds.remove("stop_price")
    if len(kinds) > 1:
        raise ValueError(f"{' and '.join(kinds)} are different types of orders; give one of them")
    if kinds in (["trail"], ["market_to_limit"]) and price is not None:
        raise ValueError(f"an order with {kinds[0]} has no price")
    if "peg_offset" in given and "peg" not in given:
        raise ValueError('peg_offset needs peg; allowed: "primary", "mid", "market"')
    if given.get("hidden") and "display_quantity" in given:
        raise ValueError("hidden shows nothing of the order and display_quantity a part; give one of them")
    if ("self_match_group" in given) != ("self_match_mode" in given):
        raise ValueError("self_match_group and self_match_mode go together")


def ord_type(price: Number | None, given: Terms) -> OrdType:
    if "peg" in given or "trail" in given:
        return OrdType.PEGGED
    if flag("market_to_limit", given.get("market_to_limit", False)):
        return OrdType.MARKET_TO_LIMIT
    if "stop_price" in given:
        return OrdType.STOP if price is None else OrdType.STOP_LIMIT
    return OrdType.MARKET if price is None else OrdType.LIMIT


def time_in_force(value: TimeInForce | EngineTimeInForce | str) -> TimeInForce:
    """FIX's member of it, given as that, as the engine's (quorumbook.IOC) or by name."""
    name = value.name if isinstance(value, TimeInForce | EngineTimeInForce) else value
    found = TimeInForce.__members__.get(name.upper()) if isinstance(name, str) else None
    if found is None:
        allowed = ", ".join(f'TimeInForce.{one} or "{one.lower()}"' for one in TimeInForce.__members__)
        raise ValueError(f"time_in_force is {value!r}; allowed: {allowed}")
    return found


def exec_inst(given: Terms) -> str:
    """ExecInst (18), empty for none."""
    instructions = []
    if post_only_mode(given):
        instructions.append(POST_ONLY)
    if flag("all_or_none", given.get("all_or_none", False)):
        instructions.append(ALL_OR_NONE)
    if "peg" in given:
        instructions.append(choice("peg", given["peg"], PEGS))
    if "trail" in given:
        instructions.append(TRAILING)
    return " ".join(instructions)


def post_only_mode(given: Terms) -> str:
    """ "reject", "slide", or empty for none."""
    value = given.get("post_only", False)
    if value is False or value is True:
        return "reject" if value else ""
    if value not in ("reject", "slide"):
        raise TypeError(f'post_only is {value!r}; allowed: True, False, "reject", "slide"')
    return value


def amounts(given: Changes) -> Fields:
    """What a new order and a replace say alike."""
    fields = {}
    if "stop_price" in given:
        fields[STOP_PX] = number("stop_price", given["stop_price"])
    if "display_quantity" in given:
        if exact("display_quantity", given["display_quantity"]) == 0:
            raise ValueError(
                "display_quantity is 0; an order of which nothing is shown is hidden from the start"
            )
        fields[MAX_FLOOR] = number("display_quantity", given["display_quantity"])
    if "trail" in given:
        fields[PEG_OFFSET] = number("trail", given["trail"])
    if "peg_offset" in given:
        fields[PEG_OFFSET] = number("peg_offset", given["peg_offset"])
    if "expire_time" in given:
        tag, text = expiry(given["expire_time"])
        fields[tag] = text
    return fields


def number(name: str, value: Number) -> str:
    parts(name, value)
    return f"{exact(name, value):f}"


def expiry(value: datetime | date) -> tuple[int, str]:
    """ExpireTime, or ExpireDate."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(
                f"expire_time is {value}, without a time zone; give one, such as tzinfo=datetime.UTC"
            )
        return EXPIRE_TIME, value.astimezone(UTC).strftime("%Y%m%d-%H:%M:%S.%f")
    if isinstance(value, date):
        return EXPIRE_DATE, value.strftime("%Y%m%d")
    raise TypeError(f"expire_time is {value!r}; allowed: a datetime with a time zone, a date")


# ---------------------------------------------------------------- a report


def read_terms(message: bytes) -> Terms:
    """What a report tells of its order. Fields that cannot be read are left out."""
    pairs = (field.split("=", 1) for field in message.decode("ascii", "replace").split(SOH) if "=" in field)
    return told({TAGS[tag]: value for tag, value in pairs if tag in TAGS})


def told(fields: Fields) -> Terms:
    """The keywords that these fields were made of."""
    instructions = fields.get(EXEC_INST, "").split(" ")
    terms: dict[str, Any] = {}
    for tag, name in ((STOP_PX, "stop_price"), (MIN_QTY, "min_quantity"), (MAX_FLOOR, "display_quantity")):
        if tag in fields:
            terms[name] = decimal(fields[tag])
    if terms.get("display_quantity") == 0:
        del terms["display_quantity"]
        terms["hidden"] = True
    if PEG_OFFSET in fields:
        terms["trail" if TRAILING in instructions else "peg_offset"] = decimal(fields[PEG_OFFSET])
    if POST_ONLY in instructions:
        terms["post_only"] = word(POST_ONLY_MODES, fields.get(POST_ONLY_MODE, "R"))
    if ALL_OR_NONE in instructions:
        terms["all_or_none"] = True
    terms["peg"] = next((name for name, code in PEGS.items() if code in instructions), None)
    if EXPIRE_TIME in fields or EXPIRE_DATE in fields:
        terms["expire_time"] = moment(fields)
    if fields.get(SELF_MATCH_GROUP, "").isdigit():
        terms["self_match_group"] = int(fields[SELF_MATCH_GROUP])
        terms["self_match_mode"] = word(SELF_MATCH_MODES, fields.get(SELF_MATCH_MODE, ""))
    return cast(Terms, {name: value for name, value in terms.items() if value is not None})


def decimal(text: str) -> Decimal | None:
    try:
        return exact("a field", text)
    except ValueError:
        return None


def word(words: Mapping[str, str], code: str) -> str | None:
    return next((name for name, one in words.items() if one == code), None)


def moment(fields: Fields) -> datetime | date | None:
    """Of a time without a fraction, or with one of up to nine digits, of which a datetime has six."""
    text = fields.get(EXPIRE_TIME)
    try:
        if text is None:
            return datetime.strptime(fields[EXPIRE_DATE], "%Y%m%d").date()
        whole, _, fraction = text.partition(".")
        micros = timedelta(microseconds=int((fraction + "000000")[:6]))
        return datetime.strptime(whole, "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC) + micros
    except ValueError:
        return None
