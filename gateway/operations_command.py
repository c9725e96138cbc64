"""The command `operations`: what operators, and the exchange itself, asked for, as a log has it. Reads only."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.operation_fields import OperationTag as Tag
from gateway.order_commands import counted
from gateway.replay_command import apply, log_directory, opened, telling

if TYPE_CHECKING:
    from gateway.exchange import Operation

SHOWN_APART = (Tag.OPERATION_ID, Tag.OPERATION, Tag.TEXT)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@click.command()
@click.argument(
    "named", metavar="[DATA_DIR]", required=False, type=click.Path(file_okay=False, path_type=Path)
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def operations(named: Path | None, as_json: bool) -> None:
    """Show what was asked of an exchange by operators, by its schedules and by its configuration: when, who, what came
    of it, and why.

    The log is applied again, of a running or a stopped exchange; of a local cluster that of the first replica that
    runs.
    """
    from replication.disk import read_log_pieces

    directory = log_directory(named)
    with telling(directory):
        exchange, after = opened(directory)
        if after is not None:
            click.echo(
                f"note: the log begins with the snapshot at entry {after.index:,}: what came before is not in it",
                err=True,
            )
        exchange.record_operations = True
        for piece in read_log_pieces(str(directory), False, lambda what: None, after):
            apply(exchange, piece, directory)
            for one in exchange.take_operations():
                facts = facts_of(one)
                click.echo(json.dumps(facts) if as_json else line_of(facts))


def facts_of(operation: "Operation") -> dict[str, Any]:
    """What there is to be known of it; null = none."""
    from gateway.fix44 import FIX44

    number, time_ns, operator, text, done, instruments, refused, orders, reason, why = operation
    pairs = [field.partition("=") for field in text.decode("utf-8", "backslashreplace").split("\x01")[:-1]]
    fields = [(int(tag), value) for tag, _, value in pairs]
    values = dict(fields)
    itself = "schedule" if Tag.SCHEDULE_STEP in values else "configuration"
    return {
        "input_number": number,
        "time": f"{EPOCH + timedelta(microseconds=time_ns // 1000):%Y-%m-%dT%H:%M:%S.%fZ}",
        "operator": operator or None,
        "by": "operator" if operator else itself,
        "operation": values.get(Tag.OPERATION),
        "fields": [
            [FIX44.fields[tag].name if tag in FIX44.fields else str(tag), value]
            for tag, value in fields
            if tag not in SHOWN_APART
        ],
        "why": values.get(Tag.TEXT),
        "done": done,
        "instruments": instruments,
        "refused_instruments": refused,
        "orders": orders,
        "reason_code": reason or None,
        "refused": why or None,
    }


def line_of(facts: dict[str, Any]) -> str:
    """`2026-11-28 09:30:00.123456  9  OPS  PHASE Symbol=AAPL Phase=HALT: done, 1 instrument. Why: news pending`."""
    when = facts["time"].replace("T", " ").removesuffix("Z")
    what = " ".join([facts["operation"] or "?", *(f"{name}={value}" for name, value in facts["fields"])])
    came = "done" if facts["done"] else f"REFUSED: {facts['refused']}"
    if facts["done"] and facts["instruments"] is not None:
        came += f", {counted(facts['instruments'], 'instrument')}"
    if facts["done"] and facts["orders"] is not None:
        came += f", {counted(facts['orders'], 'order')} cancelled"
    if facts["done"] and facts["refused_instruments"]:
        came += (
            f"; REFUSED by {counted(facts['refused_instruments'], 'instrument')}, first {facts['refused']}"
        )
    why = f". Why: {facts['why']}" if facts["why"] else ""
    return f"{when}  {facts['input_number']}  {facts['operator'] or '(' + facts['by'] + ')'}  {what}: {came}{why}"
