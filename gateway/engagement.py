"""Rules of engagement as a page: every message, field, value and reason code, as a data dictionary has them. Pure.

What the dictionary cannot know stands here: what the exchange does with a message, which of its fields matter, what it
sends. tests/gateway/test_engagement.py holds that to the stories and to docs/fix.md.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from engine.records import Reason
from gateway.dictionary import Dictionary, Group, Layout
from gateway.reasons import GatewayReason, reason_text

FIRST_PRIVATE = 5000
REASON_CODE = 20002

ORDER_TERMS = frozenset([99, 110, 111, 126, 211, 432, 20012, 20013, 20014])
"""What an order may say besides its side, price and quantity; from rules 3 on."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that a client may send."""

    done: str
    """What the exchange does, in a line."""
    matter: frozenset[int] = frozenset()
    """The fields of the body that it acts on."""
    required: frozenset[int] = frozenset()
    """Besides those that the dictionary requires: an order may state a field that is not served instead."""


TAKEN = {
    "A": Taken(
        "begins a connection of the session, or is refused",
        frozenset([98, 108, 141, 383, 553, 554, 20003, 20004, 20006]),
    ),
    "0": Taken("shows that the client is there", frozenset([112])),
    "1": Taken("is answered with a Heartbeat", frozenset([112])),
    "2": Taken("what is asked for is sent again; session messages as a gap fill", frozenset([7, 16])),
    "3": Taken("is noted, no answer", frozenset([45])),
    "4": Taken("the next number expected is NewSeqNo", frozenset([36, 123])),
    "5": Taken("is answered with a Logout, or confirms one", frozenset([58])),
    "D": Taken(
        "an order: traded and booked, or refused; ExecutionReports",
        frozenset([11, 55, 54, 38, 40, 44, 59, 18, 1, 453, 60]) | ORDER_TERMS,
        frozenset([38]),
    ),
    "F": Taken("cancels an order: ExecutionReport or OrderCancelReject", frozenset([41, 11, 55, 54, 60, 37])),
    "G": Taken(
        "changes price, quantity, terms or parties of an order: ExecutionReport or OrderCancelReject",
        frozenset([41, 11, 55, 54, 38, 40, 44, 59, 18, 1, 453, 60, 37]) | ORDER_TERMS,
        frozenset([38]),
    ),
    "H": Taken("ExecutionReport of the order as it stands", frozenset([11, 55, 54, 37, 790])),
    "q": Taken(
        "cancels the session's orders, all or those it narrows down to: ExecutionReports, then OrderMassCancelReport",
        frozenset([11, 530, 55, 54, 1, 20009, 20010, 60]),
    ),
    "AF": Taken("ExecutionReport of each open order", frozenset([584, 585, 55, 54, 1])),
    "x": Taken("SecurityList of one instrument or of all", frozenset([320, 559, 55, 263])),
    "e": Taken("SecurityStatus, once", frozenset([324, 55, 263])),
    "g": Taken("TradingSessionStatus, once", frozenset([335, 263, 336])),
    "AD": Taken(
        "TradeCaptureReportRequestAck; then a TradeCaptureReport of each trade", frozenset([568, 569, 263])
    ),
    "V": Taken(
        "MarketDataSnapshotFullRefresh of each symbol, then updates where they are wanted, or MarketDataRequestReject",
        frozenset([262, 263, 264, 265, 266, 267, 269, 146, 55, 286, 386, 546, 547]),
    ),
    "AR": Taken("is noted, no answer", frozenset([571, 150])),
    "UQ": Taken(
        "an operator's: what is asked for is done, and told by an OperatorReport (UR)",
        frozenset(
            [20020, 20021, 55, 20048, 1, 58, 54, 20005, *range(20007, 20012), 561, 562, *range(20022, 20024)]
        )
        | frozenset([*range(20025, 20029), *range(20030, 20045), 20047, 880]),
    ),
    "j": Taken("is noted, no answer", frozenset([372, 380])),
}
REFUSED = "is judged, then refused: BusinessMessageReject (380=3)"
UNKNOWN = Taken(REFUSED)
"""A message that neither side of an exchange has to do with, such as a private one."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that the exchange sends."""

    why: str
    tags: frozenset[int]
    """Of the body, those in groups among them."""


SENT = {
    "A": Sent("answers a Logon", frozenset([98, 108, 141, 383])),
    "0": Sent("nothing was sent for HeartBtInt, or answers a TestRequest", frozenset([112])),
    "1": Sent("nothing came for longer than HeartBtInt", frozenset([112])),
    "2": Sent("messages are missing", frozenset([7, 16])),
    "3": Sent("a message is wrong by its bytes or its number", frozenset([45, 371, 372, 373, 58])),
    "4": Sent("stands for session messages in a resend", frozenset([36, 123])),
    "5": Sent("ends the session's connection, or confirms that", frozenset([58])),
    "8": Sent(
        "an order was accepted, refused, filled, changed or cancelled, or was asked for",
        frozenset([37, 11, 41, 17, 19, 150, 39, 1, 55, 54, 38, 40, 44, 59, 18, 151, 14, 6, 60, 20001, 20002])
        | ORDER_TERMS
        | frozenset([31, 32, 851, 880, 103, 58, 378, 584, 911, 912, 790])
        | frozenset([453, 448, 447, 452, 802, 523, 803]),
    ),
    "9": Sent(
        "a cancel or replace was refused", frozenset([37, 11, 41, 39, 1, 434, 102, 60, 58, 20001, 20002])
    ),
    "r": Sent(
        "answers an OrderMassCancelRequest",
        frozenset([37, 11, 530, 531, 532, 533, 1, 20009, 20010, 55, 54, 60, 58, 20001, 20002]),
    ),
    "y": Sent(
        "answers a SecurityListRequest, a message for each instrument",
        frozenset([320, 322, 560, 393, 893, 146, 55, 561, 562, 20001, 20005, *range(20007, 20012)])
        | frozenset([20022, *range(20030, 20035), 20060]),
    ),
    "f": Sent(
        "answers a SecurityStatusRequest, or another phase of its instrument has begun",
        frozenset([324, 55, 325, 326, 60, 20001, 20022, 20025]),
    ),
    "h": Sent(
        "answers a TradingSessionStatusRequest, or the status has become another",
        frozenset([335, 336, 325, 340, 567, 20001]),
    ),
    "AQ": Sent(
        "answers a TradeCaptureReportRequest", frozenset([568, 569, 263, 748, 749, 750, 55, 58, 20001])
    ),
    "AE": Sent(
        "a trade of a session that asked for trade capture",
        frozenset([571, 487, 572, 568, 150, 325, 880, 17, 570, 55, 32, 31, 75, 60, 552, 54, 37, 11, 1, 20001])
        | frozenset([453, 448, 447, 452, 802, 523, 803]),
    ),
    "W": Sent(
        "the levels of a book, as asked for by a MarketDataRequest",
        frozenset([262, 55, 268, 269, 270, 271, 272, 273, 277, 286, 346, 290, 20001]),
    ),
    "X": Sent(
        "what an entry of the log has changed in the books of a subscription",
        frozenset([262, 268, 279, 269, 278, 55, 270, 271, 272, 273, 277, 286, 346, 290, 20001]),
    ),
    "Y": Sent("a MarketDataRequest was refused", frozenset([262, 281, 58, 20001])),
    "UR": Sent(
        "answers an OperatorRequest (UQ)",
        frozenset([20020, 20021, 20024, 55, 20028, 20048, 880, 533, 20049, 20050, 20002, 58, 60, 20001]),
    ),
    "j": Sent("an application message is not served", frozenset([45, 372, 379, 380, 58, 20002])),
}
VALUES = {
    277: "PQ", 279: "012", 281: "01256789ABC", 286: "15", 340: "123456", 560: "012", 567: "1",
    326: ("2", "3", "5", "17", "18", "19", "20", "21", "22"), 749: ("0", "4", "8", "99"), 750: "012",
    39: "01248C", 102: ("0", "1", "6", "99"), 103: ("1", "2", "3", "5", "6", "11", "13", "99"), 150: "0458CDFHIL",
    373: ("0", "1", "2", "4", "5", "6", "7", "8", "9", "10", "11", "13", "14", "15", "16", "17", "99"),
    380: "0356", 434: "12",
}  # fmt: skip
"""Of what only the exchange sends: the values that it does."""
SERVED = {
    18: "61245GRPMa", 40: "1234KP", 54: "12", 59: "0123467B", 98: "0", 269: "01245A", 423: "2", 530: "17", 559: "04",
    569: "0", 585: "17", 854: "0",
}  # fmt: skip
"""Of what the exchange reads: the values that are served, where that is not all."""
TERMS = "see [instruments](fix.md#instruments-and-trading-sessions)"
ORDER_TYPES = "see [order types](fix.md#order-types)"
OWN = {
    20001: "input number: puts the histories of all clients in one order",
    20002: "why: see [reason codes](#reason-codes-20002)",
    20003: "cancel-on-disconnect for this session",
    20004: "its grace, in milliseconds",
    20005: f"prices are multiples of it; {TERMS}",
    20006: "what was sent from this input number on is sent again: see [drop copies](fix.md#drop-copies)",
    20007: f"quantities are multiples of it; {TERMS}",
    20008: f"the largest quantity of an order; {TERMS}",
    20009: f"the lowest price; {TERMS}",
    20010: f"the highest price; {TERMS}",
    20011: f"how far a market order may go; {TERMS}",
    20012: f"orders of one group do not trade with each other; {ORDER_TYPES}",
    20013: f"what is done instead; {ORDER_TYPES}",
    20014: f"what is done with a post-only order that would trade; {ORDER_TYPES}",
    **dict.fromkeys([*range(20020, 20029), *range(20030, 20051)], "see [operators](fix.md#operators)"),
}
UNREACHED = frozenset([2, 4, 5, 6, 7, 8, 64, 118])
"""Reasons of the engine that the gateway finds before, and others that no message bears."""


def page(dictionary: Dictionary) -> str:
    """The whole page, in Markdown."""
    return "\n\n".join(
        [
            "# FIX messages",
            "What a client may send and what it gets, field by field: " + dictionary.begin_string + ", as\n"
            "`quorumbook fix rules` prints it from the dictionary. With `--dictionary FILE` it prints the page of an\n"
            "exchange that has a dictionary of its own. How sessions work, and what the fields mean here, is in\n"
            "[FIX](fix.md).",
            "## Messages",
            table(("MsgType", "message", "from a client", "from the exchange"), messages(dictionary)),
            "## Header and trailer",
            "What stands in front of a body and behind it. SecureData, OnBehalfOfCompID and DeliverToCompID are\n"
            "refused, and XmlData but in XMLnonFIX (n).",
            fields_table([*rows(dictionary, dictionary.header), *rows(dictionary, dictionary.trailer)]),
            "## From a client",
            "`required`: a message without the field is refused (373=1). `read`: the exchange acts on it.\n"
            "`not served`: an order that has it is refused by name (20002=109). All others are checked and ignored.\n"
            "· stands before the fields of a group, which are required where the group is there.",
            *from_client(dictionary),
            "## From the exchange",
            "What a message may have; which of it is there is in [FIX](fix.md#messages-to-a-client).",
            *from_exchange(dictionary),
            "## Values",
            "Of the fields above that have a list; any other value is refused (373=5). Of those that only the\n"
            "exchange sends: the values that it sends.",
            table(("tag", "field", "values"), values(dictionary)),
            "## Reason codes (20002)",
            table(("code", "text"), reasons()),
            "## Private tags",
            table(("tag", "field", "type", "in", "meaning"), private(dictionary)),
        ]
    ) + "\n"  # fmt: skip


def table(head: tuple[str, ...], lines: Iterable[tuple[str, ...]]) -> str:
    cells = ([cell.replace("|", "\\|") for cell in line] for line in [head, ("---",) * len(head), *lines])
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def messages(dictionary: Dictionary) -> Iterator[tuple[str, ...]]:
    for kind, message in dictionary.messages.items():
        taken, sent = TAKEN.get(kind), SENT.get(kind)
        link = f"[{message.name}]({anchor(dictionary, kind)})"
        yield kind, link, taken.done if taken else REFUSED, sent.why if sent else ""


def anchor(dictionary: Dictionary, kind: str) -> str:
    """Of the message's heading: the client's, where both send it."""
    words = heading(dictionary, kind, kind not in TAKEN).lower().replace(" ", "-")
    return f"#{words.replace('(', '').replace(')', '')}"


def heading(dictionary: Dictionary, kind: str, by_exchange: bool) -> str:
    name = dictionary.messages[kind].name
    both = by_exchange and kind in TAKEN
    return f"{name} ({kind}){' from the exchange' if both else ''}"


def judged(dictionary: Dictionary) -> dict[str, Taken]:
    """What a client may send, but for what is shown as the exchange's own."""
    others = (kind for kind in dictionary.messages if kind not in TAKEN and kind not in SENT)
    return {**TAKEN, **dict.fromkeys(others, UNKNOWN)}


def from_client(dictionary: Dictionary) -> Iterator[str]:
    for kind, taken in judged(dictionary).items():
        body = dictionary.messages[kind].body
        unserved = dictionary.unserved if kind in ("D", "F", "G", "H", "q", "AF") else frozenset()
        yield f"### {heading(dictionary, kind, False)}"
        stated = Layout(body.tags, (*body.required, *taken.required), body.groups)
        yield fields_table(rows(dictionary, stated, taken.matter, unserved))


def from_exchange(dictionary: Dictionary) -> Iterator[str]:
    for kind, sent in SENT.items():
        yield f"### {heading(dictionary, kind, True)}"
        yield fields_table(rows(dictionary, only(dictionary.messages[kind].body, sent.tags)))


def only(layout: Layout, tags: frozenset[int]) -> Layout:
    """Of a layout what has one of the tags."""
    return Layout(
        tuple(tag for tag in layout.tags if tag in tags),
        tuple(tag for tag in layout.required if tag in tags),
        tuple(
            Group(group.counter, only(group.members, tags))
            for group in layout.groups
            if group.counter in tags
        ),
    )


def fields_table(lines: Iterable[tuple[str, ...]]) -> str:
    return table(("tag", "field", "type", ""), lines)


def rows(
    dictionary: Dictionary,
    layout: Layout,
    matter: frozenset[int] = frozenset(),
    unserved: frozenset[int] = frozenset(),
    depth: int = 0,
) -> Iterator[tuple[str, ...]]:
    for tag in layout.tags:
        field = dictionary.fields[tag]
        marks = [
            mark
            for mark, there in (
                ("required", tag in layout.required),
                ("read", tag in matter),
                ("not served", tag in unserved),
            )
            if there
        ]
        yield str(tag), "· " * depth + field.name, field.type, ", ".join(marks)
        if group := layout.group(tag):
            yield from rows(dictionary, group.members, frozenset(), unserved, depth + 1)


def shown(dictionary: Dictionary) -> Iterator[int]:
    """The tags of the tables."""

    def all_of(layout: Layout, tags: Iterable[int]) -> Iterator[int]:
        for tag in tags:
            yield tag
            if group := layout.group(tag):
                yield from all_of(group.members, group.members.tags)

    for layout in (dictionary.header, dictionary.trailer):
        yield from all_of(layout, layout.tags)
    for kind in judged(dictionary):
        yield from all_of(dictionary.messages[kind].body, dictionary.messages[kind].body.tags)
    for kind, sent in SENT.items():
        body = only(dictionary.messages[kind].body, sent.tags)
        yield from all_of(body, body.tags)


def values(dictionary: Dictionary) -> Iterator[tuple[str, ...]]:
    for tag in sorted(set(shown(dictionary))):
        field = dictionary.fields[tag]
        if field.values:
            told = VALUES.get(tag) or SERVED.get(tag) or tuple(field.values)
            listed = ", ".join(f"`{one}` {field.values[one]}".strip() for one in field.values if one in told)
            more = "; others are not served" if tag in SERVED else "" if field.closed else ", and others"
            yield str(tag), field.name, listed + more


def reasons() -> Iterator[tuple[str, ...]]:
    for code in [*Reason, *GatewayReason]:
        if (text := reason_text(code)) not in ("", "refused") and code not in UNREACHED:
            yield str(int(code)), text


def private(dictionary: Dictionary) -> Iterator[tuple[str, ...]]:
    for tag, field in sorted(dictionary.fields.items()):
        if tag >= FIRST_PRIVATE:
            inside = ", ".join(kind for kind, one in dictionary.messages.items() if tag in one.body.tags)
            yield str(tag), field.name, field.type, inside, OWN.get(tag, "")
