"""What an order says in FIX, as the slow engine takes it."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from cluster_fix import SECOND, time_ns

from engine.records import EMPTY_PRICE, OrderType, PegKind, Side, TimeInForce

TICKS = 100  # a unit of price
SIDES = {"1": Side.BUY, "2": Side.SELL}
TYPES = {
    "1": OrderType.MARKET, "2": OrderType.LIMIT, "3": OrderType.STOP, "4": OrderType.STOP_LIMIT,
    "K": OrderType.MARKET_TO_LIMIT, "P": OrderType.PEGGED,
}  # fmt: skip
TIMES = {
    "0": TimeInForce.DAY, "1": TimeInForce.GTC, "2": TimeInForce.AT_OPEN, "3": TimeInForce.IOC, "4": TimeInForce.FOK,
    "6": TimeInForce.GTD, "7": TimeInForce.AT_CLOSE, "B": TimeInForce.GOOD_FOR_AUCTION,
}  # fmt: skip
PEGS = {"R": PegKind.PRIMARY_PEG, "P": PegKind.MARKET_PEG, "M": PegKind.MID_PEG}
BEFORE_3 = {"40": "12", "59": "0134"}  # of the values what rules 1 and 2 have
TERMS = {"18", "99", "110", "111", "126", "211", "432", "20012", "20013", "20014"}
FOR_LIFE = ("18", "110", "20012", "20013", "20014")

Fields = dict[str, str]


def ticks(price: str | None) -> int | None:
    return None if price is None else int(Decimal(price) * TICKS)


def price_text(price: int | None) -> str:
    return "" if price is None else f"{Decimal(price) / TICKS:.2f}"


def is_post_only(asked: Fields) -> bool:
    """And nothing else: then ExecInst says nothing that rules 1 and 2 do not know."""
    return asked.get("18") == "6"


def carried(asked: Fields) -> Fields:
    """What only rules 3 know of it."""
    return {tag: asked[tag] for tag in asked if tag in TERMS and not (tag == "18" and is_post_only(asked))}


def expiry(asked: Fields) -> int | None:
    """A date lasts to its end."""
    if "126" in asked:
        return time_ns(asked["126"])
    if "432" not in asked:
        return None
    date = datetime.strptime(asked["432"], "%Y%m%d").replace(tzinfo=UTC)
    return int(date.timestamp() + 86_400) * SECOND


def new_terms(asked: Fields) -> dict[str, Any]:
    """The arguments of `submit` for a NewOrderSingle, but for instrument and owner."""
    kind, price, inst = TYPES[asked["40"]], ticks(asked.get("44")), asked.get("18", "")
    pegged, trails = kind == OrderType.PEGGED, inst == "a"
    offset = ticks(asked.get("211")) or 0
    slides = asked.get("20014") == "S"
    return {
        "side": SIDES[asked["54"]],
        "quantity": int(asked["38"]),
        "price": None if pegged else price,
        "order_type": OrderType.TRAILING_STOP if trails else kind,
        "time_in_force": TIMES[asked["59"]],
        "post_only": inst == "6" and not slides,
        "slide": slides,
        "hidden": asked.get("111") == "0",
        "all_or_none": inst == "G",
        "display": int(asked.get("111", 0)),
        "min_quantity": int(asked.get("110", 0)),
        "stop": ticks(asked.get("99")),
        "trail": offset if trails else 0,
        "peg": PEGS.get(inst, PegKind.NO_PEG),
        "offset": 0 if trails else offset,
        "peg_limit": price if pegged and not trails else None,
        "expire_ns": expiry(asked) or 0,
        "self_match_group": int(asked.get("20012", 0)),
        "self_match_mode": int(asked.get("20013", 0)),
    }


def amended_terms(asked: Fields, order_type: OrderType) -> dict[str, Any]:
    """The arguments of `replace` for an OrderCancelReplaceRequest, but for the order and its time in
    force: what it states."""
    price = ticks(asked.get("44"))
    terms: dict[str, Any] = {"quantity": int(asked["38"])}
    if order_type == OrderType.PEGGED:
        terms["peg_limit"] = price
    else:
        terms["price"] = EMPTY_PRICE if price is None else price
    terms |= {"stop": ticks(asked.get("99")), "offset": ticks(asked.get("211")), "expire_ns": expiry(asked)}
    if "111" in asked:
        terms["display"] = int(asked["111"])
    return terms


def changes_for_life(own: Fields, asked: Fields) -> bool:
    """Whether it would change what an order has for its life. own: what it has of rules 3."""
    given = carried(asked)
    if "111" in given and (given["111"] == "0") != (own.get("111") == "0"):
        return True
    return any(tag in given and own.get(tag) != given[tag] for tag in FOR_LIFE)
