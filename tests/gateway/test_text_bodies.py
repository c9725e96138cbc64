"""Messages that go through the log as text: what is carried of them, and how they leave again."""

import struct

import pytest
from fix_records import EGRESS_HEAD, read
from stories import build

from gateway import fix
from gateway.fix44 import FIX44

HEAD = [("35", "D"), ("49", "CLIENT"), ("56", "QUORUMBOOK"), ("34", "7"), ("52", "20260102-03:04:05.678")]
ORDER = [("11", "a"), ("21", "3"), ("40", "1"), ("54", "1"), ("55", "INTC"), ("60", "20260102-03:04:05")]
NEWS = [("148", "news"), ("33", "1"), ("58", "x")]
TAIL = 80  # bytes of an Input before its strings, without a body of its own


def as_text(fields: list[tuple[str, str]]) -> bytes:
    return "".join(f"{tag}={value}\x01" for tag, value in fields).encode()


def carried(message: bytes) -> bytes:
    """The body that goes along with a scanned message."""
    record = fix.scan_message(message, version=2)
    text, type_length, _, route, size = struct.unpack_from("<BBBBI", record, 68)
    begin = TAIL + text + type_length + route
    assert len(record) == (begin + size + 7) // 8 * 8
    return record[begin : begin + size]


@pytest.fixture
def echo() -> object:
    """The tables of an echo, for one test."""
    fix.use(FIX44, True)
    yield None
    fix.use(FIX44)


@pytest.mark.usefixtures("echo")
@pytest.mark.parametrize(
    ("fields", "body"),
    [
        (HEAD + ORDER, ORDER),
        ([*HEAD, ("97", "Y"), *ORDER], ORDER),
        ([*HEAD, *ORDER, ("93", "3"), ("89", "abc")], ORDER),
        ([*HEAD, *ORDER, ("354", "3"), ("355", "a\x01b")], [*ORDER, ("354", "3"), ("355", "a\x01b")]),
        ([("35", "B"), *HEAD[1:], *NEWS], NEWS),
        ([("35", "d"), *HEAD[1:], ("320", "1"), ("9999", "x")], [("320", "1"), ("9999", "x")]),
        ([("35", "UQ"), *HEAD[1:]], []),
    ],
    ids=["an order", "a longer header", "a trailer", "data", "news", "a body that is not stated", "no body"],
)  # fmt: skip
def test_an_echo_gets_the_body_as_it_came(fields: list[tuple[str, str]], body: list[tuple[str, str]]) -> None:
    assert carried(build(fields)) == as_text(body)


@pytest.mark.usefixtures("echo")
def test_no_body_is_carried_of_what_is_rejected_or_too_long() -> None:
    assert carried(build([*HEAD, *ORDER, ("11", "again")])) == b""
    assert carried(build([*HEAD, *ORDER, ("58", "x" * 65_000)])) != b""
    long = fix.scan_message(build([*HEAD, *ORDER, ("58", "x" * 66_000)]), version=2)
    assert long[5] == 99
    assert b"A body has at most 65536 bytes" in long


@pytest.mark.usefixtures("echo")
@pytest.mark.parametrize("tag", ["999", "0", "-1", "5000", "007", "70000"])
def test_an_echo_names_the_tag_that_is_none(tag: str) -> None:
    record = fix.scan_message(build([("35", "0"), *HEAD[1:], (tag, "x")]), version=2)
    assert record[5] == 0
    stated = (
        struct.unpack_from("<i", record, 76)[0] if record[70] & 1 else struct.unpack_from("<H", record, 64)[0]
    )
    assert stated == int(tag)


def test_an_exchange_carries_nothing_of_an_order() -> None:
    assert fix.scan_message(build(HEAD + ORDER), version=2) == fix.scan_message(build(HEAD + ORDER))


def test_the_way_back_goes_along_when_bodies_may() -> None:
    message = build([*HEAD, ("115", "FUND"), ("144", "LDN"), ("128", ""), *ORDER])
    record = fix.scan_message(message, version=2)
    assert b"128=FUND\x01145=LDN\x01" in record
    assert b"128=" not in fix.scan_message(message)


@pytest.mark.parametrize("resend", [None, 1_767_323_045_678_000_000])
@pytest.mark.parametrize("length", [0, 1, 60, 900, 60_000])
def test_a_text_record_becomes_a_message(length: int, resend: int | None) -> None:
    body = as_text([("58", "x" * length)]) if length else b""
    content = struct.pack("<IB3x", len(body), 2) + b"AE" + body
    size = (64 + len(content) + 7) // 8 * 8
    head = struct.pack("<IBBBBIIQqQQIIQ", size, 1, 255, 2, 0, 1, 1, 5, 10**18, 3, 0, 0, 0, 0)
    record = (head + content).ljust(size, b"\0")
    assert read(EGRESS_HEAD, record, 0)[0]["msg_type"] == 255
    message = fix.encode_record(record, "QUORUMBOOK", "CLIENT", resend)
    assert fix.frame_message(message) == (0, len(message))
    assert message[message.index(b"\x0135=") + 1 :].startswith(
        b"35=AE\x0149=QUORUMBOOK\x0156=CLIENT\x0134=5\x01"
    )
    assert b"\x0197=Y\x01" + body in message
    assert (b"\x0143=Y\x01" in message) == (resend is not None)


@pytest.mark.parametrize("size", [64, 72, 80])
def test_a_text_record_whose_lengths_lie_is_none(size: int) -> None:
    head = struct.pack("<IBBBBIIQqQQIIQ", size, 1, 255, 0, 0, 1, 1, 5, 10**18, 3, 0, 0, 0, 0)
    record = (head + struct.pack("<IB3x", 1000, 1)).ljust(size, b"D")[:size]
    with pytest.raises(ValueError, match="contradict"):
        fix.encode_record(record, "QUORUMBOOK", "CLIENT")


def parties(count: int) -> list[tuple[str, str]]:
    """A group of so many bytes, its last separator not counted."""
    group = [("453", "1"), ("448", ""), ("447", "D"), ("452", "1")]
    group[1] = ("448", "x" * (count - len(as_text(group)) + 1))
    assert len(as_text(group)) == count + 1
    return group


def test_parties_go_along_as_long_as_they_are_served() -> None:
    most, more = (build([*HEAD, *ORDER, ("38", "1"), *parties(count), ("1", "ACC")]) for count in (512, 513))
    assert as_text(parties(512))[:-1] in fix.scan_message(most, version=2)
    assert fix.scan_message(most, version=2)[5] == 255
    refused = fix.scan_message(more, version=2)
    assert refused[5] == 5
    assert b"At most 512 bytes of parties are served: NoPartyIDs (453)" in refused
    assert b"xxx" not in refused
    assert fix.scan_message(more) == fix.scan_message(build([*HEAD, *ORDER, ("38", "1"), ("1", "ACC")]))


def test_terms_take_of_the_room_of_parties() -> None:
    order = [*HEAD, *ORDER, ("38", "1"), ("99", "10.5")]  # 7 bytes of it, and a separator
    most = fix.scan_message(build([*order, *parties(504)]), version=3)
    assert b"99=10.5\x01" + as_text(parties(504))[:-1] in most
    refused = fix.scan_message(build([*order, *parties(505)]), version=3)
    assert refused[5] == 5
    assert b"At most 512 bytes of parties and terms are served: NoPartyIDs (453)" in refused
    assert b"99=" not in refused
    without = fix.scan_message(build([*order, *parties(512)]), version=2)
    assert as_text(parties(512))[:-1] in without
    assert b"99=" not in without


@pytest.mark.parametrize("kind", ["F", "H"])
def test_parties_of_a_message_that_is_no_terms_of_an_order_stay_behind(kind: str) -> None:
    fields = [("35", kind), *HEAD[1:], ("41", "b"), ("790", "c"), *ORDER, *parties(60)]
    fields = [field for field in fields if field[0] != ("790" if kind == "F" else "41")]
    assert b"448=" not in fix.scan_message(build(fields), version=2)
