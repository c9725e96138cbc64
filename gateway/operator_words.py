"""What an operator is told: what was done, and what is wrong, in the words of the options of `quorumbook admin`."""

import re

from gateway.client_operations import OperatorAnswer
from gateway.operation_fields import OperationTag as Tag
from gateway.operator_options import PROTECTIONS, TERMS, UNITS, Fields
from gateway.order_commands import counted

OPTIONS: dict[str, dict[str, Tag]] = {
    "PHASE": {
        "until": Tag.PHASE_END, "then": Tag.NEXT_PHASE, "random-end": Tag.RANDOM_END, "schedule": Tag.SCHEDULE_NAME,
    },
    "INSTRUMENT": {
        "price-increment": Tag.PRICE_INCREMENT, "quantity-increment": Tag.QUANTITY_INCREMENT, "phase": Tag.PHASE_TAG,
        **TERMS,
    },
    "TERMS": TERMS,
    "PROTECT": PROTECTIONS,
    "CANCEL": {
        "session": Tag.SESSION_COMP_ID, "account": Tag.ACCOUNT, "symbol": Tag.SYMBOL, "side": Tag.SIDE,
        "from": Tag.LOW_LIMIT_PRICE, "to": Tag.HIGH_LIMIT_PRICE,
    },
    "LIMITS": {"max-open-orders": Tag.MAX_OPEN_ORDERS},
}  # fmt: skip
"""Of each operation, the options that are fields of it."""


def options(operation: str) -> dict[int, str]:
    """The option that says a field, by its tag."""
    named = OPTIONS.get(operation, {}) | {"lift": Tag.LIFTED, "why": Tag.TEXT}
    return {int(tag): f"--{name.replace('_', '-')}" for name, tag in named.items()}


def in_options(text: str, operation: str, fields: Fields) -> str:
    """An error about fields, about the options that were given instead, with their values."""
    names, values = options(operation), {int(tag): value for tag, value in fields}

    def with_value(found: re.Match[str]) -> str:
        tag = int(found[1])
        return f"{names[tag]} is {values.get(tag)}; " if tag in names else found[0]

    def named(found: re.Match[str]) -> str:
        return names.get(int(found[1] or found[2]), found[0])

    text = re.sub(r"\bfield (\d+): ", with_value, text)
    return re.sub(r"\b(?:field |[A-Z]\w+ \()(\d+)\b\)?|\b(200\d\d)\b", named, text)


def told(answer: OperatorAnswer, fields: dict[int, object]) -> str:
    """What was done, as a sentence."""
    symbol, comp_id, schedule = (
        fields.get(tag) for tag in (Tag.SYMBOL, Tag.SESSION_COMP_ID, Tag.SCHEDULE_NAME)
    )
    what = "all instruments" if symbol == "*" else symbol or f"schedule {schedule}"
    who = "all sessions" if comp_id == "*" else comp_id
    sentence = {
        "PHASE": f"{what}: {phase(fields.get(Tag.PHASE_TAG))}{ends(fields)}",
        "INSTRUMENT": f"{what} is there",
        "TERMS": f"{what}: the new terms hold",
        "PROTECT": f"{what}: the new protections hold",
        "TICKS": f"tick table {fields.get(Tag.TICK_TABLE)} holds",
        "DELIST": f"{what} is delisted",
        "KILL": f"{who}: stopped until restored",
        "RESTORE": f"{who}: restored",
        "CANCEL": "done",
        "LIMITS": f"{who}: the new limit holds",
        "BUST": f"trade {fields.get(Tag.TRADE_ID)} is busted",
    }[answer.operation]
    if answer.instruments is not None and symbol in (None, "*"):
        sentence += f", {counted(answer.instruments, 'instrument')}"
    if answer.orders is not None:
        sentence += f", {counted(answer.orders, 'order')} cancelled"
    return f"{sentence} (input {answer.input_number})"


def phase(name: object) -> str:
    """As an operator types it."""
    return str(name).lower().replace("_", "-")


def ends(fields: dict[int, object]) -> str:
    """When a phase ends, and what follows; empty when it has no end."""
    found = re.match(r"(\d{4})(\d\d)(\d\d)-(\d\d:\d\d:\d\d)", str(fields.get(Tag.PHASE_END)))
    if found is None:
        return ""
    later = f" or up to {span(fields[Tag.RANDOM_END])} later" if Tag.RANDOM_END in fields else ""
    return f" until {found[1]}-{found[2]}-{found[3]} {found[4]} UTC{later}, then {phase(fields.get(Tag.NEXT_PHASE))}"


def span(milliseconds: object) -> str:
    """As an operator types it."""
    count = int(str(milliseconds))
    unit = max((name for name, size in UNITS.items() if count % size == 0), key=UNITS.__getitem__)
    return f"{count // UNITS[unit]}{unit}"
