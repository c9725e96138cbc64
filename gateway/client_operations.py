"""What an operator's session asks for, and what it is answered: OperatorRequest (UQ), OperatorReport (UR). No I/O."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.client_arguments import identifier
from gateway.client_decoder import Report
from gateway.client_types import MsgType

NAMED = re.compile(rb"\x0120020=([^\x01]*)")
LONGEST = 1024  # bytes of a field's value
OPERATION_ID, OPERATION, STATUS, AFFECTED, REFUSED = 20020, 20021, 20024, 20049, 20050
TOTAL_AFFECTED_ORDERS = 533

Fields = Iterable[tuple[int, object]]


@dataclass(frozen=True)
class OperatorAnswer:
    """What became of a request."""

    operation: str
    done: bool
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
    pairs = [(OPERATION_ID, operation_id), (OPERATION, operation), *fields]
    return [
        (str(int(tag)), identifier(f"field {int(tag)}", str(value), LONGEST).decode()) for tag, value in pairs
    ]


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
        done=count(STATUS) == 0,
        text=report.text or "",
        reason_code=report.reason_code,
        orders=count(TOTAL_AFFECTED_ORDERS),
        instruments=count(AFFECTED),
        refused_instruments=count(REFUSED) or 0,
        input_number=report.input_number,
    )
