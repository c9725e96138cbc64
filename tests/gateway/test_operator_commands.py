"""`quorumbook admin` without an exchange: what its options are as fields of a request, and what is no command."""

import re
from datetime import UTC, datetime
from decimal import Decimal

import click
import pytest
from click.testing import CliRunner
from console import told as printed
from hypothesis import given
from hypothesis import strategies as st

from gateway import operator_commands
from gateway.client_operations import OperatorAnswer
from gateway.operation_fields import OperationTag as Tag
from gateway.operator_commands import admin
from gateway.operator_options import Fields, Moment, Percent, Span, checked, ending
from gateway.operator_words import in_options, options, told


def fields_of(line: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, list[tuple[int, str]]]:
    """The operation that a line asks for, and its fields."""
    found: list[tuple[str, Fields]] = []
    monkeypatch.setattr(operator_commands, "ask", lambda name, fields, asking: found.append((name, fields)))
    done = CliRunner().invoke(admin, line.split(), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    ((name, fields),) = found
    return name, [(int(tag), str(value)) for tag, value in fields]


@pytest.mark.parametrize(
    ("line", "operation", "fields"),
    [
        ("halt AAPL", "PHASE", "55=AAPL 20022=HALT"),
        ("halt --all", "PHASE", "55=* 20022=HALT"),
        ("phase AAPL pre-open", "PHASE", "55=AAPL 20022=PRE_OPEN"),
        ("phase --all closed", "PHASE", "55=* 20022=CLOSED"),
        ("phase --schedule DAY halt", "PHASE", "20028=DAY 20022=HALT"),
        (
            "phase AAPL halt --until 2126-01-05T16:30 --then closed",
            "PHASE",
            "55=AAPL 20022=HALT 20025=21260105-16:30:00.000 20023=CLOSED",
        ),
        (
            "instrument NEW --price-increment 0.5 --phase halt --max-quantity 7 --schedule DAY",
            "INSTRUMENT",
            "55=NEW 20005=0.5 20007=1 20022=HALT 20008=7 20028=DAY",
        ),
        (
            "terms AAPL --algorithm pro-rata --no-top-order --stop-trigger opposite-best --tick-table 0",
            "TERMS",
            "55=AAPL 20034=0 20030=PRO_RATA 20031=N 20033=OPPOSITE_BEST",
        ),
        ("terms --all --lift high-price --lift schedule", "TERMS", "55=* 20035=20010_20028"),
        (
            "protect AAPL --breaker 7.5% --breaker-halt 1m --breaker-auction 250ms --low-price -1",
            "PROTECT",
            None,
        ),
        (
            "protect AAPL --breaker 7.5% --breaker-halt 1m --breaker-auction 250ms --reference-price -1",
            "PROTECT",
            "55=AAPL 20036=-1 20041=0.075 20042=60000 20043=250",
        ),
        (
            "ticks 2 0.5 10:1 100:2.5 --price-increment 0.5",
            "TICKS",
            "20034=2 20044=3 20045=1 20045=2 20046=20 20045=5 20046=200",
        ),
        ("delist AAPL", "DELIST", "55=AAPL"),
        ("kill ALICE", "KILL", "20048=ALICE"),
        ("kill --all", "KILL", "20048=*"),
        ("restore ALICE", "RESTORE", "20048=ALICE"),
        ("cancel --session A --symbol AAPL --side sell --from 1 --to 2", "CANCEL",
         "20048=A 55=AAPL 20009=1 20010=2 54=2"),
        ("cancel --session A --account fund", "CANCEL", "20048=A 1=fund"),
        ("cancel --all --side buy", "CANCEL", "20048=* 54=1"),
        ("limits ALICE --max-open-orders 5", "LIMITS", "20048=ALICE 20047=5"),
        ("bust 17", "BUST", "880=17"),
    ],
)  # fmt: skip
def test_a_command_is_a_request(
    line: str, operation: str, fields: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fields is None:  # an option of another command
        assert CliRunner().invoke(admin, line.split()).exit_code == 2
        return
    name, found = fields_of(line, monkeypatch)
    assert name == operation
    assert " ".join(f"{tag}={value}".replace(" ", "_") for tag, value in found) == fields


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("halt", "give a SYMBOL, or --all"),
        ("halt AAPL --all", "give a SYMBOL, or --all"),
        ("kill", "give a COMPID, or --all"),
        ("phase halt", "give a SYMBOL, --all or --schedule, and the PHASE"),
        ("phase AAPL trading", "'trading' is no phase; allowed: continuous, pre-open"),
        ("phase AAPL halt --for 5s", "--until and --for go with --then"),
        ("phase AAPL halt --then closed", "--then and --random-end go with --until or --for"),
        ("phase AAPL halt --for 5s --until 16:30 --then closed", "give --until or --for, not both"),
        ("phase AAPL halt --for 5 --then closed", "'5' is no time span; allowed: such as 90s"),
        ("phase AAPL halt --until 25:00 --then closed", "'25:00' is no time, UTC; allowed: 16:30"),
        ("protect AAPL --breaker five", "'five' is no percentage; allowed: such as 5 or 7.5%"),
        ("terms AAPL", "nothing is given to change"),
        ("cancel", "give --session, --symbol or both, or --all"),
        ("cancel --all --symbol AAPL", "give --session, --symbol or both, or --all"),
        ("cancel --symbol AAPL --account fund", "--account goes with --session"),
        ("cancel --side buy", "give --session, --symbol or both, or --all"),
        ("ticks 1 10:0.05", "the first is a tick, the others"),
        ("ticks 2 0.05 --price-increment 0", "'0' is no increment; allowed: a decimal above 0, such as 0.01"),
        ("instrument NEW --quantity-increment x", "'x' is no increment; allowed"),
        (
            "protect AAPL --lift breaker --breaker 10",
            "--breaker sets what --lift breaker ends: give one of them",
        ),
        ("terms AAPL --lift high-price --high-price 9", "--high-price sets what --lift high-price ends"),
    ],
)
def test_what_is_no_command_is_said_in_a_line(
    line: str, error: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = printed(monkeypatch, capsys, "admin", *line.split())
    assert code == (1 if line.startswith("ticks 1") else 2)
    assert error in said
    assert said.count("\n") == 1


def test_a_time_without_a_day_is_the_next_such_time() -> None:
    now = datetime.now(UTC)
    for text in ("00:00", "12:00:30", "23:59:59"):
        moment = datetime.fromtimestamp(Moment().convert(text, None, None) / 1e9, UTC)
        assert moment.strftime("%H:%M:%S") == (text if text.count(":") == 2 else f"{text}:00")
        assert 0 < (moment - now).total_seconds() <= 86_401


@given(st.integers(0, 9_999_999), st.sampled_from(["ms", "s", "m", "h"]))
def test_a_span_is_milliseconds(count: int, unit: str) -> None:
    assert (
        Span().convert(f"{count}{unit}", None, None)
        == count * {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}[unit]
    )


@given(st.integers(0, 10**6))
def test_a_percentage_is_exact(points: int) -> None:
    text = f"{points // 100}.{points % 100:02}"
    for written in (text, f"{text}%"):
        assert float(Percent().convert(written, None, None)) == pytest.approx(points / 10_000)


def test_a_random_end_has_a_number_that_nobody_knows() -> None:
    first, second = (dict(ending(10**18, None, "continuous", 5_000)) for _ in range(2))
    assert first[Tag.RANDOM_END] == 5_000
    assert 0 <= int(str(first[Tag.RANDOM_NUMBER])) < 2**63
    assert first[Tag.RANDOM_NUMBER] != second[Tag.RANDOM_NUMBER]


def answer(operation: str, **more: int) -> OperatorAnswer:
    told = {"orders": None, "instruments": None, "refused_instruments": 0, "input_number": 7, **more}
    return OperatorAnswer(operation=operation, done=True, text="", reason_code=None, **told)  # type: ignore[arg-type]


def test_what_was_done_is_a_sentence() -> None:
    assert (
        told(answer("PHASE", instruments=1), {Tag.SYMBOL: "A", Tag.PHASE_TAG: "PRE_OPEN"})
        == "A: pre-open (input 7)"
    )
    ending = {Tag.PHASE_END: "20261129-10:00:00.000", Tag.NEXT_PHASE: "CONTINUOUS"}
    asked = {Tag.SYMBOL: "A", Tag.PHASE_TAG: "CLOSING_AUCTION", **ending}
    assert told(answer("PHASE", instruments=1), asked) == (
        "A: closing-auction until 2026-11-29 10:00:00 UTC, then continuous (input 7)"
    )
    for milliseconds, text in ((5_000, "5s"), (250, "250ms"), (90_000, "90s"), (3_600_000, "1h")):
        later = told(answer("PHASE", instruments=1), asked | {Tag.RANDOM_END: milliseconds})
        assert f"10:00:00 UTC or up to {text} later, then continuous" in later
    assert told(answer("PHASE", instruments=12_345), {Tag.SCHEDULE_NAME: "DAY", Tag.PHASE_TAG: "HALT"}) == (
        "schedule DAY: halt, 12,345 instruments (input 7)"
    )
    assert told(answer("KILL", orders=1), {Tag.SESSION_COMP_ID: "*"}) == (
        "all sessions: stopped until restored, 1 order cancelled (input 7)"
    )


INCREMENTS = Decimal("0.01"), Decimal("1E-8")


@pytest.mark.parametrize(
    ("tag", "value", "expected"),
    [
        (Tag.MAX_NOTIONAL, "1e6", "1000000"),
        (Tag.MAX_NOTIONAL, "1,000,000", "--max-notional is '1,000,000', which is not a number; allowed"),
        (Tag.MAX_NOTIONAL, "-1", "--max-notional must be an amount"),
        (Tag.STATIC_BAND, "1E1", "10"),
        (Tag.STATIC_BAND, "0.005", "--static-band must be a multiple of 0.01, not '0.005'"),
        (Tag.STATIC_BAND, "-1", "--static-band must be 0.00 to "),
        (Tag.REFERENCE_PRICE, "-1", "-1"),
        (Tag.REFERENCE_PRICE, "NaN", "--reference-price is NaN; it must be finite"),
        (Tag.BREAKER_MOVE, "0.05", "0.05"),
    ],
)
def test_numbers_are_looked_at_before_they_are_sent(tag: Tag, value: str, expected: str) -> None:
    if expected.startswith("--"):
        with pytest.raises(ValueError, match=f"^{re.escape(expected)}"):
            checked([(tag, value)], options("PROTECT"), INCREMENTS)
    else:
        assert checked([(tag, value)], options("PROTECT"), INCREMENTS) == [(tag, expected)]
    lots = [(Tag.ROUND_LOT, "0.00000002"), (Tag.SYMBOL, "A")]
    assert checked(lots, options("TERMS"), INCREMENTS) == checked(lots, options("TERMS"), None) == lots


@pytest.mark.parametrize(
    ("operation", "text", "expected"),
    [
        ("PROTECT", "field 20037: allowed is a multiple of the price increment",
         "--static-band is 0.005; allowed is a multiple of the price increment"),
        ("PROTECT", "Incorrect data format for value: MaxNotional (20040)",
         "Incorrect data format for value: --max-notional"),
        ("PROTECT", "a breaker (20041) goes with its times (20042, 20043), they with it",
         "a breaker (--breaker) goes with its times (--breaker-halt, --breaker-auction), they with it"),
        ("CANCEL", "LowLimitPrice (20009) is above HighLimitPrice (20010)", "--from is above --to"),
        ("TERMS", "LowLimitPrice (20009) is above HighLimitPrice (20010)", "--low-price is above --high-price"),
        ("CANCEL", "field 58 is 'x'; it has 1 to 128 printable ASCII characters",
         "--why is 'x'; it has 1 to 128 printable ASCII characters"),
        ("KILL", "no session has this SessionCompID (20048)", "no session has this SessionCompID (20048)"),
    ],
)  # fmt: skip
def test_an_error_about_a_field_is_about_the_option(operation: str, text: str, expected: str) -> None:
    assert in_options(text, operation, [(Tag.STATIC_BAND, "0.005")]) == expected


def test_every_option_that_is_a_field_is_one_of_its_command() -> None:
    commands = {"PHASE": "phase", "INSTRUMENT": "instrument", "TERMS": "terms", "PROTECT": "protect",
                "CANCEL": "cancel", "LIMITS": "limits"}  # fmt: skip
    for operation, command in commands.items():
        there = {option for one in admin.commands[command].params for option in one.opts}
        assert set(options(operation).values()) - there <= {"--lift"}, command


def test_every_command_says_what_it_does() -> None:
    for name, command in admin.commands.items():
        assert isinstance(command, click.Command)
        assert command.help, name
