"""The rule book as a page of Markdown: what the stories tell, and tables of what a machine answers.

cd tests/engine && PYTHONPATH=../.. python rulebook.py > ../../docs/rulebook.md
"""

import re
from pathlib import Path

from engine_commands import command_of
from engine_scenario import FILES, Story, stories

from engine import machine
from engine.records import EMPTY_PRICE, RULES_VERSION, Phase, Reason, ReportKind
from engine.reference_state import COLLECTING

ENGINE_PAGE = Path(__file__).parents[2] / "docs" / "engine.md"
CHAPTERS = {
    "define": "Instruments",
    "change": "Instruments that change",
    "tick_tables": "Tick-size tables",
    "new_order": "Limit orders",
    "market": "Market orders",
    "market_to_limit": "Market-to-limit orders",
    "stops": "Stop orders",
    "iceberg": "Icebergs",
    "hidden": "Hidden orders",
    "post_only": "Post-only, rejected",
    "slide": "Post-only, sliding",
    "pegs": "Pegged orders",
    "minimum": "Minimum quantity and all-or-none",
    "time_in_force": "Immediate-or-cancel and fill-or-kill",
    "lasting": "How long orders last",
    "cancel_reduce": "Cancel and reduce",
    "replace": "Replace",
    "amend": "Amend",
    "reenter": "Reenter",
    "mass_cancel": "Mass cancel and kill switch",
    "self_match": "Self-match prevention",
    "pro_rata": "Pro-rata",
    "phases": "Phases",
    "auctions": "Auctions",
    "protections": "Protections",
    "refusals": "Refusals",
    "bad_input": "Orders that make no sense",
    "extremes": "The ends of the range",
}
INTRODUCTION = """\
# The rule book: version {version}

Every rule that the engine trades by, each a sentence and an example of it. The examples are the engine's tests
(`tests/engine/scenarios/`), played over the compiled engine and its specification; this page is printed from them and
from what a machine answers. [The engine](engine.md) says how it is used from Python.

A line with `>` is a command or a question; what follows is the answer. `buy 5 @ 100` enters an order with a limit,
`buy 5 market` one without. Words behind it say how long it lasts (else until it is cancelled): `day`, `ioc`, `fok`,
`gtd=90`, `open`, `close`, `auction`; and what it is: `stop 103`, `trail 3`, `peg primary`, `display 5`, `hidden`,
`post`, `slide`, `min 5`, `aon`, `group=7 mode=cancel_both`. Prices count the price increment and quantities the
quantity increment; owner and client_ref are told when they are not 0 and the order id. Order ids are 1, 2, 3, ... Of a
trade, taker is the order that came in and maker the one that was there; in an auction, the buyer and the seller.
`book` is what others see, `book all` every order in the order of its turn. A time is a number of nanoseconds;
`advance` says what time it is. A line with `--` is a remark.
"""
ORDERS = {
    "limit": "buy 5 @ 99",
    "market": "buy 5 market",
    "market-to-limit": "buy 5 market-to-limit",
    "stop": "buy 5 stop 105",
    "stop limit": "buy 5 stop 105 @ 106",
    "trailing stop": "buy 5 trail 3",
    "pegged": "buy 5 peg primary",
}
TIMES = {
    "DAY": "day",
    "GTC": "gtc",
    "GTD": "gtd=90",
    "IOC": "ioc",
    "FOK": "fok",
    "at open": "open",
    "at close": "close",
    "good for auction": "auction",
}
INSTRUCTIONS = {
    "display": "display 2",
    "hidden": "hidden",
    "post-only": "post",
    "slide": "slide",
    "minimum": "min 2",
    "all-or-none": "aon",
    "offset": "offset 1",
    "peg limit": "limit 99",
    "self-match": "group=7 mode=cancel_both",
}
CHANGES = {
    "replace, reenter": "replace 1 4",
    "reduce": "reduce 1 1",
    "cancel": "cancel 1",
    "mass cancel": "mass-cancel instrument=0",
}


def asked(*lines: str) -> tuple[Reason, int]:
    """What a machine says to the last of these lines: why not, and at which price there was an auction."""
    one = machine.Machine()
    for line in lines:
        report = one.apply(command_of(line, one.commands, 0))[0]
    price = report["price_ticks"] if report["kind"] == ReportKind.PHASE_CHANGED else EMPTY_PRICE
    return Reason(report["reason"]) if report["kind"] == ReportKind.REJECTED else Reason.NONE, int(price)


OF_PHASES = (
    Reason.NOT_IN_THIS_PHASE,
    Reason.AT_ONCE_IN_AUCTION,
    Reason.POST_ONLY_IN_AUCTION,
    Reason.OPENING_IS_OVER,
)


def verdict(*lines: str) -> str:
    reason, _ = asked(*lines)
    return str(reason.value) if reason else "yes"


def table(corner: str, across: list[str], rows: dict[str, list[str]]) -> str:
    lines = [f"| {corner} | {' | '.join(across)} |", f"|---|{'---|' * len(across)}"]
    return "\n".join([*lines, *(f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items())]) + "\n"


def spelled(phase: Phase) -> str:
    return phase.name.lower().replace("_", "-")


# ---------------------------------------------------------------- what a machine answers


def accepted_in_each_phase() -> str:
    limit = ORDERS["limit"]
    requests = (
        {f"{name} order": line for name, line in ORDERS.items()}
        | {name: f"{limit} {word}" for name, word in TIMES.items() if name not in ("DAY", "GTC", "GTD")}
        | {name: f"{limit} {INSTRUCTIONS[name]}" for name in ("post-only", "slide", "minimum", "all-or-none")}
        | CHANGES
    )
    begun = ("define", "protect reference=100", limit)
    rows = {}
    for name, line in requests.items():
        reasons = [asked(*begun, f"phase {phase.name.lower()}", line)[0] for phase in Phase]
        assert set(reasons) <= {Reason.NONE, *OF_PHASES}, (name, reasons)
        rows[name] = ["no" if reason else "yes" for reason in reasons]
    return table("", [spelled(phase) for phase in Phase], rows)


def led_to_by_each_phase() -> str:
    rows = {}
    for before in Phase:
        begun = ["define", f"phase {before.name.lower()}"]
        begun += ["buy 5 @ 100", "sell 5 @ 100"] if before in COLLECTING else []
        answers = [asked(*begun, f"phase {phase.name.lower()}") for phase in Phase]
        rows[spelled(before)] = [
            "no" if reason else "yes" if price == EMPTY_PRICE else "by an auction"
            for reason, price in answers
        ]
    return table("from", [spelled(phase) for phase in Phase], rows)


def in_its_phase(words: str) -> str:
    """At-open orders are accepted in opening only."""
    return "define phase=pre_open" if "open" in words.split() else "define"


def combined() -> str:
    """Order types, times in force and instructions, each with each."""
    reference = "protect reference=100"
    limit = ORDERS["limit"]
    types = {
        name: [
            verdict(in_its_phase(words), reference, f"{line} {words}")
            for words in (*TIMES.values(), *INSTRUCTIONS.values())
        ]
        for name, line in ORDERS.items()
    }
    limits = {
        name: [
            verdict(in_its_phase(lasts), reference, f"{limit} {lasts} {words}")
            for words in INSTRUCTIONS.values()
        ]
        for name, lasts in TIMES.items()
    } | {
        name: [
            "" if words == other else verdict("define", reference, f"{limit} {words} {other}")
            for other in INSTRUCTIONS.values()
        ]
        for name, words in INSTRUCTIONS.items()
    }
    return (
        table("order", [*TIMES, *INSTRUCTIONS], types)
        + "\nA limit order with two of these:\n\n"
        + table("", [*INSTRUCTIONS], limits)
    )


# ---------------------------------------------------------------- reasons and stories


def newest(path: Path) -> list[Story]:
    return [story for story in stories(path.read_text()) if RULES_VERSION in story.rules]


def slug(title: str) -> str:
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def reasons() -> str:
    """The meanings of docs/engine.md, and the chapters that tell of them."""
    meanings = re.findall(r"^\| (\d+) \| (\w+) \| (.+) \|$", ENGINE_PAGE.read_text(), re.MULTILINE)
    told = {path.stem: "\n".join(story.text for story in newest(path)) for path in FILES}
    rows = {}
    for number, name, meaning in sorted(meanings, key=lambda row: int(row[0])):
        pattern = re.compile(rf"^\w+ {name.lower()}\b", re.MULTILINE)
        chapters = [title for stem, title in CHAPTERS.items() if pattern.search(told[stem])]
        rows[number] = [name, meaning, ", ".join(f"[{title}](#{slug(title)})" for title in chapters)]
    return table("number", ["reason", "meaning", "told in"], rows)


def chapter(path: Path) -> str:
    parts = [f"## {CHAPTERS[path.stem]}\n"]
    for story in newest(path):
        lines = [line for line in story.text.splitlines()[1:] if not line.startswith("Rules ")]
        parts.append(f"### {story.sentence}\n\n```text\n" + "\n".join(lines).strip() + "\n```\n")
    return "\n".join(parts)


def page() -> str:
    files = {path.stem: path for path in FILES}
    parts = [
        INTRODUCTION.format(version=RULES_VERSION),
        "## What each phase accepts\n",
        "An order that says no more is GTC. What is not accepted is refused as 18 NOT_IN_THIS_PHASE in a halt and\n"
        "when the day is closed; while orders collect as 49 AT_ONCE_IN_AUCTION or 50 POST_ONLY_IN_AUCTION; an order\n"
        "for the opening as 51 OPENING_IS_OVER. An instrument that was delisted accepts nothing (19 DELISTED).\n",
        accepted_in_each_phase(),
        "Which phase leads to which; another change is refused as 35 INVALID_PHASE. A breaker leads from continuous\n"
        "trading to a halt, and from there to a volatility auction.\n",
        led_to_by_each_phase(),
        "## What goes together\n",
        "What makes no sense is refused; a number is the [reason](#reasons).\n",
        combined(),
        "## Reasons\n",
        "Numbers never change; FIX reports carry them in tag 20002. Those from 64 on tell why an order was cancelled.\n"
        "What is judged before an order meets an instrument's rules has numbers from 100 on in the same tag:\n"
        "[reason codes of FIX](fix.md#reason-codes-20002).\n"
        "The order in which the checks are made is that of [the engine's table](engine.md#reasons).\n",
        reasons(),
        *(chapter(files[stem]) for stem in CHAPTERS),
    ]
    return "\n".join(parts)


if __name__ == "__main__":
    print(page(), end="")
