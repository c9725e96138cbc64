"""Stories of the engine as text: a sentence, commands, and the reports they must give.

    # A reduce keeps the place.
    > define
    defined 0
    > buy 10 @ 100
    accepted 1: buy 10 @ 100, leaves 10

A line with `>` is a command, the lines below it what comes of it; a line with `#` begins the next story.
Each story has a machine of its own. Commands: `define lot=1 min=1 max=9 low=-5 high=5 protection=2`;
`buy|sell QTY @ PRICE` or `buy|sell QTY market`, with the words day, gtc, ioc, fok, post;
`cancel|reduce|replace|reenter ID [QTY] [@ PRICE]`; `raw`; behind each any field of COMMAND as `name=value`.
`max` is the largest int64, `min` the least price, `empty` the absent price. Questions: `book`, `best`,
`ahead ID`, `orders OWNER`.
"""

import re
from typing import Any

import numpy as np

from engine.records import (
    COMMAND,
    DEFINITION,
    EMPTY_PRICE,
    INT64_MAX,
    CommandFlag,
    CommandKind,
    OrderType,
    Reason,
    ReportKind,
    Side,
    TimeInForce,
)

NUMBERS = {"max": INT64_MAX, "min": EMPTY_PRICE + 1, "empty": EMPTY_PRICE}
DEFINE_WORDS = {
    "lot": "lot_lots",
    "min": "min_lots",
    "max": "max_lots",
    "low": "low_ticks",
    "high": "high_ticks",
    "protection": "protection_ticks",
}
WORDS = {
    "owner": "owner",
    "ref": "client_ref",
    "id": "order_id",
    "qty": "quantity_lots",
    "price": "price_ticks",
}
CHANGES = {kind.name.lower(): kind for kind in CommandKind if kind > CommandKind.NEW}


def number(text: str) -> int:
    """`12`, `-3`, `max`, `max-5`, `min+1`, `empty`."""
    match = re.fullmatch(r"(max|min|empty)?([+-]?\d+)?", text)
    assert match, f"{text!r} is no number"
    return NUMBERS.get(match[1], 0) + int(match[2] or 0)


def command_of(text: str, next_ref: int, instruments: int) -> Any:
    """The record of one command line."""
    verb, *words = text.split()
    command = np.zeros(1, COMMAND)
    pairs = dict(word.split("=") for word in words if "=" in word)
    words = [word for word in words if "=" not in word]
    fields: dict[str, int] = {}
    if verb == "define":
        definition = command.view(DEFINITION)
        terms = {"instrument": instruments, "lot_lots": 1, "min_lots": 1, "max_lots": INT64_MAX}
        terms |= {"low_ticks": EMPTY_PRICE, "high_ticks": EMPTY_PRICE, "protection_ticks": -1}
        terms |= {DEFINE_WORDS.get(name, name): number(value) for name, value in pairs.items()}
        definition["kind"] = CommandKind.DEFINE
        for name, value in terms.items():
            definition[name] = value
        return command
    if verb in ("buy", "sell"):
        fields = {"kind": CommandKind.NEW, "side": Side[verb.upper()], "quantity_lots": number(words.pop(0))}
        fields |= {"order_type": OrderType.LIMIT, "time_in_force": TimeInForce.GTC, "client_ref": next_ref}
    elif verb in CHANGES:
        fields = {"kind": CHANGES[verb], "price_ticks": EMPTY_PRICE}
        fields |= {
            name: number(words.pop(0)) for name in ("order_id", "quantity_lots") if words and words[0] != "@"
        }
    else:
        assert verb == "raw", f"unknown command {text!r}"
    while words:
        match words.pop(0):
            case "@":
                fields["price_ticks"] = number(words.pop(0))
            case "market":
                fields |= {"order_type": OrderType.MARKET, "price_ticks": EMPTY_PRICE}
            case "post":
                fields["flags"] = CommandFlag.POST_ONLY
            case word:
                fields["time_in_force"] = TimeInForce[word.upper()]
    fields |= {WORDS.get(name, name): number(value) for name, value in pairs.items()}
    for name, value in fields.items():
        command[name] = value
    return command


def price(ticks: int) -> str:
    return "market" if ticks == EMPTY_PRICE else f"@ {ticks}"


def name_of(enumeration: Any, value: int) -> str:
    return enumeration(value).name.lower() if value in [*enumeration] else str(value)


def terms(report: Any) -> str:
    """The order's own words; who it belongs to only when that is not plain."""
    text = f"{name_of(Side, report['side'])} {report['quantity_lots']} {price(report['price_ticks'])}"
    if report["time_in_force"] != TimeInForce.GTC:
        text += f" {name_of(TimeInForce, report['time_in_force'])}"
    if report["flags"]:
        text += " post" if report["flags"] == CommandFlag.POST_ONLY else f" flags {report['flags']}"
    if report["order_type"] not in (OrderType.LIMIT, OrderType.MARKET):
        text += f" type {name_of(OrderType, report['order_type'])}"
    if report["instrument"]:
        text += f" of instrument {report['instrument']}"
    if (report["owner"], report["client_ref"]) != (0, report["order_id"]):
        text += f" of {report['owner']}/{report['client_ref']}"
    return text


def tell(report: Any) -> str:
    """One report in one line."""
    kind = ReportKind(report["kind"])
    reason = Reason(report["reason"]).name.lower()
    if report["command_kind"] == CommandKind.DEFINE:
        return f"defined {report['instrument']}" if kind == ReportKind.DEFINED else f"rejected {reason}"
    if kind == ReportKind.TRADE:
        maker = f"maker {report['maker_order_id']} leaves {report['maker_leaves_lots']}"
        if (report["maker_owner"], report["maker_client_ref"]) != (0, report["maker_order_id"]):
            maker += f" of {report['maker_owner']}/{report['maker_client_ref']}"
        return (
            f"trade {report['trade_id']}: {report['last_lots']} @ {report['last_price_ticks']}, "
            f"taker {report['order_id']} leaves {report['leaves_lots']} filled {report['cumulative_lots']}, "
            f"{maker}"
        )
    text = kind.name.lower()
    if report["reason"]:
        text += f" {reason}"
    text += f" {report['order_id']}: {terms(report)}, leaves {report['leaves_lots']}"
    if report["cumulative_lots"]:
        text += f" filled {report['cumulative_lots']}"
    if kind == ReportKind.REPLACED:
        text += f", was {report['last_lots']} @ {report['last_price_ticks']}"
        text += ", kept its place" if report["kept_priority"] else ", new arrival"
    elif report["last_lots"]:
        text += f" took off {report['last_lots']}"
    return text


def answer(machine: Any, text: str) -> list[str] | None:
    """What a question is answered; None when the line is a command."""
    match text.split():
        case ["book"]:
            sides = machine.depth(0, 100)
            return [
                f"{name} {level['price_ticks']}: {level['quantity_lots']} in {level['orders']}"
                for name, side in zip(("bid", "ask"), sides, strict=True)
                for level in side
            ] or ["empty"]
        case ["best"]:
            return [" ".join(map(str, machine.best(0)))]
        case ["ahead", order_id]:
            return [str(machine.queue_ahead(int(order_id)))]
        case ["orders", owner]:
            return [
                f"{order.order_id}: {order.side.name.lower()} {order.quantity_lots} @ {order.price_ticks}, "
                f"leaves {order.leaves_lots} filled {order.cumulative_lots}"
                for order in machine.orders(int(owner))
            ] or ["none"]
    return None


class Play:
    """One story on several machines that must agree in every byte."""

    def __init__(self, machines: list[Any]) -> None:
        self.machines = machines
        self.accepted = 0
        self.defined = 0

    def line(self, text: str) -> list[str]:
        """What comes of one line, as every machine tells it."""
        answers = [answer(machine, text) for machine in self.machines]
        if answers[0] is not None:
            assert answers == [answers[0]] * len(answers), text
            return answers[0]
        command = command_of(text, self.accepted + 1, self.defined)
        reports = [machine.apply(command) for machine in self.machines]
        for other in reports[1:]:
            assert list(map(tell, other)) == list(map(tell, reports[0])), text
            assert other.tobytes() == reports[0].tobytes(), text
        hashes = {machine.state_hash() for machine in self.machines}
        assert len(hashes) == 1, f"the states differ after {text!r}"
        self.accepted += int((reports[0]["kind"] == ReportKind.ACCEPTED).sum())
        self.defined += int((reports[0]["kind"] == ReportKind.DEFINED).sum())
        return list(map(tell, reports[0]))


def stories(text: str) -> list[str]:
    """The text cut before each sentence."""
    return [story for story in re.split(r"^(?=#)", text, flags=re.MULTILINE) if story.strip()]


def replay(story: str, machines: list[Any]) -> str:
    """The story with the reports that its commands give now."""
    play = Play(machines)
    lines = []
    for line in story.splitlines():
        if line.startswith(("#", ">")) or not line.strip():
            lines.append(line)
        if line.startswith(">"):
            lines += play.line(line.removeprefix(">").strip())
    return "\n".join(lines).rstrip() + "\n"
