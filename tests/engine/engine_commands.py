"""A command as a trader would say it, as a record.

    buy|sell QTY WORDS      an order. `@ 100` its limit, `market`, `market-to-limit`, `stop 101` or `stop 101 @ 102`,
                            `trail 3`, `peg primary|mid|market` with `offset -1` and `limit 105`; `display 5`, `hidden`,
                            `post`, `slide`, `min 5`, `aon`; day, gtc (understood), gtd=TIME, ioc, fok, open, close,
                            auction; `group=7 mode=cancel_resting|cancel_incoming|cancel_both|decrement_both`
    cancel ID, reduce ID QTY, replace ID QTY [WORDS], reenter ID QTY [@ PRICE]
                            a replace with more than a price gives all terms anew (EXTENDED)
    mass-cancel             with any of owner= account= instrument= side=buy prices=99..101
    define                  with any of lot= min= max= low= high= protection= phase=pre_open algorithm=pro_rata top=1
                            share=2 (the least share) trigger=opposite_best ticks=1
    change [N], delist [N]  the same words: all terms anew
    ticks TABLE             tick=5, from=100 but in the first row
    protect [N]             with any of reference= static= dynamic= distance= notional= halt= auction=, and breaker= in
                            hundredths of a percent
    phase NAME [N]          with until= next= random= window=
    advance TIME
    raw                     nothing but the fields given

Behind each any field of its record as `name=value`. `max` is the largest int64, `min` the least price, `empty` the
absent price.
"""

import re
from typing import Any

import numpy as np

from engine.records import (
    COMMAND,
    DEFINITION,
    EMPTY_PRICE,
    INT64_MAX,
    PHASE_CHANGE,
    PROTECTION,
    TICK_ROW,
    Algorithm,
    CancelFilter,
    CommandFlag,
    CommandKind,
    OrderType,
    PegKind,
    Phase,
    SelfMatchMode,
    Side,
    TimeInForce,
    Trigger,
)

NUMBERS = {"max": INT64_MAX, "min": EMPTY_PRICE + 1, "empty": EMPTY_PRICE}
CHANGES = {
    kind.name.lower(): kind
    for kind in (CommandKind.CANCEL, CommandKind.REDUCE, CommandKind.REPLACE, CommandKind.REENTER)
}
FIELDS = {
    "owner": "owner",
    "ref": "client_ref",
    "id": "order_id",
    "qty": "quantity_lots",
    "price": "price_ticks",
    "group": "self_match_group",
    "mode": "self_match_mode",
    "gtd": "expire_ns",
}
DEFINE_FIELDS = {
    "lot": "lot_lots",
    "min": "min_lots",
    "max": "max_lots",
    "low": "low_ticks",
    "high": "high_ticks",
    "protection": "protection_ticks",
    "top": "top_order",
    "share": "pro_rata_minimum_lots",
    "ticks": "tick_table",
    "reserved_64": "algorithm",  # as versions 1 and 2 know it
}
PROTECT_FIELDS = {
    "reference": "reference_ticks",
    "static": "static_ticks",
    "dynamic": "dynamic_ticks",
    "distance": "distance_ticks",
    "notional": "max_notional",
    "breaker": "breaker_bp",
    "halt": "halt_ns",
    "auction": "auction_ns",
}
PHASE_FIELDS = {"until": "until_ns", "next": "next_phase", "window": "window_ns"}
TICK_FIELDS = {"from": "from_ticks", "tick": "tick_ticks"}
CANCEL_FILTERS = {
    "owner": CancelFilter.BY_OWNER,
    "account": CancelFilter.BY_ACCOUNT,
    "instrument": CancelFilter.BY_INSTRUMENT,
    "side": CancelFilter.BY_SIDE,
    "prices": CancelFilter.BY_PRICES,
}
MEMBERS: dict[str, int] = {
    member.name.lower(): member.value
    for enumeration in (Algorithm, Phase, SelfMatchMode, Side, Trigger)
    for member in enumeration
}
FLAGS = {
    "post": CommandFlag.POST_ONLY,
    "slide": CommandFlag.POST_ONLY_SLIDE,
    "hidden": CommandFlag.HIDDEN,
    "aon": CommandFlag.ALL_OR_NONE,
}
TIMES = {member.name.lower(): member for member in TimeInForce} | {
    "open": TimeInForce.AT_OPEN,
    "close": TimeInForce.AT_CLOSE,
    "auction": TimeInForce.GOOD_FOR_AUCTION,
}
SECOND_LINE = {
    "display": "display_lots",
    "min": "min_quantity_lots",
    "stop": "stop_price_ticks",
    "trail": "offset_ticks",
    "offset": "offset_ticks",
    "limit": "peg_limit_ticks",
}


def number(text: str) -> int:
    """`12`, `-3`, `max`, `max-5`, `min+1`, `empty`, or a name such as `pre_open`."""
    if text in MEMBERS:
        return MEMBERS[text]
    match = re.fullmatch(r"(max|min|empty)?([+-]?\d+)?", text)
    assert match, f"{text!r} is no number"
    return NUMBERS.get(match[1], 0) + int(match[2] or 0)


def command_of(text: str, next_ref: int, instruments: int) -> Any:
    """The record of one command line."""
    verb, *words = text.split()
    pairs = dict(word.split("=") for word in words if "=" in word)
    words = [word for word in words if "=" not in word]
    about_instrument = {"define": define, "change": define, "delist": define, "ticks": ticks}
    about_instrument |= {"protect": protect, "phase": phase}
    if verb in about_instrument:
        return about_instrument[verb](verb, words, pairs, instruments)
    if verb == "advance":
        return record(COMMAND, kind=CommandKind.ADVANCE, expire_ns=number(words[0]))
    if verb == "mass-cancel":
        return mass_cancel(pairs)
    fields: dict[str, int] = {}
    if verb in ("buy", "sell"):
        fields = {"kind": CommandKind.NEW, "side": Side[verb.upper()], "quantity_lots": number(words.pop(0))}
        fields |= {"time_in_force": TimeInForce.GTC, "client_ref": next_ref}
        fields |= order_words(words)
    elif verb in CHANGES:
        fields = {"kind": CHANGES[verb]}
        fields |= {name: number(words.pop(0)) for name in ("order_id", "quantity_lots") if is_number(words)}
        fields |= changed_words(words)
    else:
        assert verb == "raw", f"unknown command {text!r}"
    if "gtd" in pairs:
        fields = extended(fields) | {"time_in_force": TimeInForce.GTD}
    fields |= {FIELDS.get(name, name): number(value) for name, value in pairs.items()}
    return record(COMMAND, **fields)


def is_number(words: list[str]) -> bool:
    return bool(words) and bool(re.fullmatch(r"-?\d+|(max|empty)([+-]\d+)?", words[0]))


def record(layout: Any, **fields: int) -> Any:
    command = np.zeros(1, COMMAND)
    for name, value in fields.items():
        command.view(layout)[name] = value
    return command


# ---------------------------------------------------------------- orders


def extended(fields: dict[str, int]) -> dict[str, int]:
    """With EXTENDED among the flags, and prices of the second line that are absent rather than 0."""
    absent = {"stop_price_ticks": EMPTY_PRICE, "peg_limit_ticks": EMPTY_PRICE}
    return absent | fields | {"flags": fields.get("flags", 0) | CommandFlag.EXTENDED}


def order_words(words: list[str]) -> dict[str, int]:
    """The words behind the quantity of an order. Its type is what they make it."""
    said = set(words)
    fields = spoken(words)
    kind = fields.pop("order_type", OrderType.LIMIT)
    if "peg" in said:
        kind = OrderType.PEGGED
    elif "trail" in said:
        kind = OrderType.TRAILING_STOP
    elif "stop" in said:
        kind = OrderType.STOP_LIMIT if "@" in said else OrderType.STOP
    if kind != OrderType.LIMIT:
        fields.setdefault("price_ticks", EMPTY_PRICE)
    return fields | {"order_type": kind}


def changed_words(words: list[str]) -> dict[str, int]:
    """The words behind a change: without a price it stays; with a time in force all terms are given."""
    fields = {"price_ticks": EMPTY_PRICE} | spoken(words)
    if "time_in_force" in fields:
        fields = extended(fields)
    if fields.get("flags", 0) & CommandFlag.EXTENDED:
        fields.setdefault("time_in_force", TimeInForce.GTC)
    return fields


def spoken(words: list[str]) -> dict[str, int]:
    """What the words say, field by field."""
    fields: dict[str, int] = {}
    while words:
        match words.pop(0):
            case "@":
                fields["price_ticks"] = number(words.pop(0))
            case "market":
                fields |= {"order_type": OrderType.MARKET, "price_ticks": EMPTY_PRICE}
            case "market-to-limit":
                fields |= {"order_type": OrderType.MARKET_TO_LIMIT, "price_ticks": EMPTY_PRICE}
            case "peg":
                fields["peg_kind"] = PegKind[f"{words.pop(0).upper()}_PEG"]
            case word if word in SECOND_LINE:
                fields[SECOND_LINE[word]] = number(words.pop(0))
            case word if word in FLAGS:
                fields["flags"] = fields.get("flags", 0) | FLAGS[word]
            case word:
                fields["time_in_force"] = TIMES[word]
    has_more = "peg_kind" in fields or any(name in fields for name in SECOND_LINE.values())
    return extended(fields) if has_more else fields


def mass_cancel(pairs: dict[str, str]) -> Any:
    """What is given is a filter; `flags=` asks for anything else."""
    fields = {"kind": int(CommandKind.MASS_CANCEL)}
    for name, text in pairs.items():
        if name == "prices":
            low, high = text.split("..")
            fields |= {"price_ticks": number(low), "stop_price_ticks": number(high)}
        else:
            fields[FIELDS.get(name, name)] = number(text)
        if name in CANCEL_FILTERS:
            fields["flags"] = fields.get("flags", 0) | CANCEL_FILTERS[name]
    return record(COMMAND, **fields)


# ---------------------------------------------------------------- instruments


def define(verb: str, words: list[str], pairs: dict[str, str], instruments: int) -> Any:
    terms = {"lot_lots": 1, "min_lots": 1, "max_lots": INT64_MAX}
    terms |= {"low_ticks": EMPTY_PRICE, "high_ticks": EMPTY_PRICE, "protection_ticks": -1}
    terms["kind"] = CommandKind.DEFINE if verb == "define" else CommandKind.CHANGE
    terms["instrument"] = instruments if verb == "define" else number((words or ["0"])[0])
    terms["delist"] = verb == "delist"
    terms |= {DEFINE_FIELDS.get(name, name): number(value) for name, value in pairs.items()}
    return record(DEFINITION, **terms)


def ticks(_: str, words: list[str], pairs: dict[str, str], __: int) -> Any:
    row = {"kind": CommandKind.TICK, "table": number(words[0]), "from_ticks": EMPTY_PRICE}
    return record(
        TICK_ROW, **row | {TICK_FIELDS.get(name, name): number(value) for name, value in pairs.items()}
    )


def protect(_: str, words: list[str], pairs: dict[str, str], __: int) -> Any:
    limits = {"kind": CommandKind.PROTECT, "instrument": number((words or ["0"])[0])}
    limits |= {"reference_ticks": EMPTY_PRICE, "static_ticks": -1, "dynamic_ticks": -1}
    limits |= {"distance_ticks": -1, "max_notional": -1}
    limits |= {PROTECT_FIELDS.get(name, name): number(value) for name, value in pairs.items()}
    return record(PROTECTION, **limits)


def phase(_: str, words: list[str], pairs: dict[str, str], __: int) -> Any:
    change = {"kind": CommandKind.PHASE, "phase": number(words[0]), "instrument": number((*words, "0")[1])}
    change |= {PHASE_FIELDS.get(name, name): number(value) for name, value in pairs.items()}
    return record(PHASE_CHANGE, **change)
