"""What an operator's session asks for, and what it is answered: OperatorRequest (UQ), OperatorReport (UR). No I/O."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.client_arguments import exact, identifier
from gateway.client_decoder import Report
from gateway.client_types import MsgType

NAMED = re.compile(rb"\x0120020=([^\x01]*)")
OPERATIONS = (
    "PHASE", "INSTRUMENT", "TERMS", "TICKS", "PROTECT", "DELIST", "KILL", "RESTORE", "CANCEL", "LIMITS", "BUST",
)  # fmt: skip
LONGEST = 1024  # bytes of a field's value
LENGTHS = {1: 64, 55: 32, 58: 128, 20028: 32, 20048: 64}
"""Those of Account, Symbol, Text, ScheduleName and SessionCompID."""
OPERATION_ID, OPERATION, STATUS, AFFECTED, REFUSED = 20020, 20021, 20024, 20049, 20050
TOTAL_AFFECTED_ORDERS = 533

Fields = Iterable[tuple[int, object]]


@dataclass(frozen=True)
class OperatorAnswer:
    """What became of a request."""

    operation: str
    done: bool
    """By all that were meant."""
    text: str
    """Why it was refused, or, where several instruments were meant, why the first of those was that refused it; else
    what the request said of why it was made."""
    reason_code: int | None
    orders: int | None
    """How many were cancelled, of a KILL or CANCEL."""
    instruments: int | None
    """How many did it, of what is about instruments."""
    refused_instruments: int
    input_number: int | None


def request(operation_id: str, operation: str, fields: Fields) -> list[tuple[str, str]]:
    """The fields of a request, in their order. TypeError, ValueError say what one may be."""
    if operation not in OPERATIONS:
        raise ValueError(f"operation is {operation!r}; allowed: {', '.join(OPERATIONS)}")
    if isinstance(fields, Mapping):
        raise TypeError(
            "the fields are a mapping; allowed: pairs of a tag and its value, in the order of the message"
        )
    pairs = [(OPERATION_ID, operation_id), (OPERATION, operation), *map(pair, fields)]
    return [(str(int(tag)), written(int(tag), value)) for tag, value in pairs]


def pair(field: tuple[int, object]) -> tuple[int, object]:
    """TypeError for anything else."""
    if not isinstance(field, tuple | list) or len(field) != 2:
        raise TypeError(f"{field!r} is no field; allowed: a pair of a tag and its value")
    tag, value = field
    if not isinstance(tag, int):
        raise TypeError(f"{tag!r} is no tag; allowed: a member of OperationTag, such as OperationTag.SYMBOL")
    return tag, value


def written(tag: int, value: object) -> str:
    """The value as FIX has it. TypeError, ValueError."""
    name = f"field {tag}"
    text = value if isinstance(value, str) else f"{exact(name, value):f}"  # type: ignore[arg-type]
    return identifier(name, text, LENGTHS.get(tag, LONGEST)).decode()


def request_named(report: Report) -> str | None:
    """The request that an OperatorReport answers; None: it is none."""
    found = NAMED.search(report.raw) if report.msg_type is MsgType.OTHER else None
    return found[1].decode("ascii", "replace") if found else None


def answer_of(operation: str, report: Report) -> OperatorAnswer:
    """report: an OperatorReport, or the Reject or BusinessMessageReject that came in its place."""
    told = {}
    if report.msg_type is MsgType.OTHER:
        told = dict(part.partition(b"=")[::2] for part in report.raw.split(b"\x01"))

    def count(tag: int) -> int | None:
        text = told.get(b"%d" % tag)
        return None if text is None else int(text)

    return OperatorAnswer(
        operation=operation,
        done=count(STATUS) == 0 and not count(REFUSED),
        text=report.text or "",
        reason_code=report.reason_code,
        orders=count(TOTAL_AFFECTED_ORDERS),
        instruments=count(AFFECTED),
        refused_instruments=count(REFUSED) or 0,
        input_number=report.input_number,
    )
