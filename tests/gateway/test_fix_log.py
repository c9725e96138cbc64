"""FIX logs: what is written is read again, and messages are found in whatever lines others write."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stories import build

from gateway.fix_log import PIECE, Logged, Reader, written

WHEN = "20261128-09:30:00.123456"
ORDER = build([("35", "D"), ("49", "ALICE"), ("56", "QB"), ("34", "2"), ("11", "a|b"), ("54", "1")])
BEAT = build([("35", "0"), ("49", "QB"), ("56", "ALICE"), ("34", "3")])


def found(text: bytes) -> list[Logged]:
    return list(Reader(io.BytesIO(text).readline))


def messages(text: bytes) -> list[bytes]:
    return [logged.message for logged in found(text)]


@given(st.binary(min_size=1), st.sampled_from(["in", "out"]))
def test_what_is_written_is_one_line_and_read_as_it_was(message: bytes, direction: str) -> None:
    line = written(WHEN, direction, "tcp/4097", message)
    assert line.count(b"\n") == 1
    assert line.isascii()
    assert found(line) == [Logged(1, WHEN, direction, "tcp/4097", message)]


def test_passwords_are_not_written() -> None:
    logon = build([("35", "A"), ("554", "secret"), ("925", "newer"), ("108", "30")])
    line = written(WHEN, "in", "tcp/1", logon)
    assert b"554=***|925=***|108=30|" in line
    assert b"secret" not in line
    assert b"newer" not in line


@pytest.mark.parametrize("soh", [b"\x01", b"|", b"^A", b"<SOH>", rb"\x01", rb"\u0001", rb"\001"], ids=repr)
def test_messages_are_found_however_soh_is_written(soh: bytes) -> None:
    def text(message: bytes) -> bytes:
        return message.replace(b"\x01", soh)

    assert messages(text(ORDER) + b"\n" + text(BEAT) + b"\n") == [ORDER, BEAT]
    assert messages(b"2026 got " + text(ORDER) + text(BEAT) + b" and then " + text(BEAT)) == [
        ORDER,
        BEAT,
        BEAT,
    ]


def test_a_line_says_when_and_which_way() -> None:
    bars = ORDER.replace(b"\x01", b"|")
    lines = [
        b"20261128-09:30:00.123456 : " + ORDER,  # QuickFIX's FileLog
        b"<20261128-09:30:00, FIX.4.4:QB->ALICE, incoming> (" + bars + b")",  # QuickFIX/J's
        b"2026-11-28T09:30:00,5+0100 DEBUG sent " + bars,
        b"09:30:00 TX " + bars,
        bars,
    ]
    assert [(one.line, one.when, one.direction) for one in found(b"\n".join(lines))] == [
        (1, "20261128-09:30:00.123456", ""),
        (2, "20261128-09:30:00", "in"),
        (3, "2026-11-28T09:30:00,5+0100", "out"),
        (4, "09:30:00", "out"),
        (5, "", ""),
    ]


def test_lines_without_messages_are_passed_over() -> None:
    text = b"Created session\n\n18=FIX.4.4|\n" + BEAT + b"\r\nLogged out\n"
    assert [(one.line, one.message) for one in found(text)] == [(4, BEAT)]


def test_a_message_that_is_cut_off_is_shown_as_far_as_it_goes() -> None:
    assert messages(ORDER[:40] + b"\n" + BEAT) == [ORDER[:40], BEAT]


def test_a_body_may_have_what_looks_like_an_end() -> None:
    message = build([("35", "B"), ("95", "13"), ("96", "x\x0110=123\x01yyy"), ("58", "z")])
    assert messages(message + BEAT) == [message, BEAT]


def test_a_line_that_is_longer_than_what_is_looked_at_is_read_to_its_end() -> None:
    many = 3 * PIECE // len(BEAT)
    assert messages(BEAT * many) == [BEAT] * many


def test_a_line_without_end_or_message_takes_no_more_memory() -> None:
    pieces = iter([b"8=FIX.4.4|9=" + b"x" * PIECE] + [b"x" * PIECE] * 9)
    reader = Reader(lambda _: next(pieces, b""))
    assert len(list(reader)) == 1
    assert reader.lines == 1
