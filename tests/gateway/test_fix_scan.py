"""Messages scanned into Input records: stories, simplefix as the other side, and bytes that are no messages."""

import shlex
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
import simplefix
from fix_records import header, message, read_input
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import fix
from gateway.fix44 import FIX44

OK, INCOMPLETE, GARBLED, TOO_LONG = 0, 1, 2, 3
TIME = "20260102-03:04:05.678"
TIME_NS = 1_767_323_045_678_000_000
NOT_REJECTED = 255
ORDER = "11=a|55=AAPL|54=1|38=1|40=1|60=20260102-03:04:05|"


def scanned(data: bytes, version: int = 1) -> dict[str, object]:
    assert fix.frame_message(data) == (OK, len(data))
    return read_input(fix.scan_message(data, "QUORUMBOOK", "CLIENT", version))


# ---------------------------------------------------------------- stories


def expanded(text: str) -> str:
    for length in (33, 64, 65, 128, 129, 200):
        text = text.replace(f"{{x*{length}}}", "x" * length)
    return text.replace("{H}", f"49=CLIENT|56=QUORUMBOOK|34=7|52={TIME}").replace("{T}", TIME)


def stories() -> Iterator[tuple[str, str, dict[str, str]]]:
    text = (Path(__file__).parent / "fix_verdicts.txt").read_text()
    for block in text.split("\n\n"):
        lines = [line for line in block.splitlines() if not line.startswith("#")]
        if lines:
            title, sent, expected = lines
            pairs = (pair.partition("=") for pair in shlex.split(expanded(expected)))
            yield title, expanded(sent), {name: value for name, _, value in pairs}


@pytest.mark.parametrize(
    ("title", "sent", "expected"), list(stories()), ids=[story[0] for story in stories()]
)
def test_story(title: str, sent: str, expected: dict[str, str]) -> None:
    record = scanned(message(sent), 3 if title.startswith("rules 3: ") else 1)
    record["parties"] = str(record.get("parties", "")).replace("\x01", "|")
    record["verdict"] = "none" if record["verdict"] == NOT_REJECTED else record["verdict"]
    assert {name: str(record[name]) for name in expected} == expected
    if record["verdict"] == "none":
        assert record["ref_tag"] == 0


def test_another_begin_string_is_marked() -> None:
    assert scanned(message(header("0"), begin="FIX.4.2"))["flags"] == 64
    assert scanned(message(header("0"), begin="FIXT.1.1"))["flags"] == 64


@pytest.mark.parametrize("begin", ["FIX", "FIX4"])
def test_the_shortest_message_that_is_framed_is_scanned(begin: str) -> None:
    assert scanned(message("35=0|", begin))["verdict"] == 1


def test_comp_ids_are_not_checked_before_they_are_known() -> None:
    assert read_input(fix.scan_message(message(header("A") + "98=0|108=1|")))["flags"] == 0


@pytest.mark.parametrize(("number", "verdict"), [(1, 13), (64, 13), (65, NOT_REJECTED)])
def test_of_private_fields_the_first_64_are_found_again(number: int, verdict: int) -> None:
    """docs/fix.md states the bound: what a message of thousands may cost."""
    private = "".join(f"{5000 + n}=x|" for n in range(100))
    record = scanned(message(header("D") + ORDER + private + f"{4999 + number}=y|"))
    assert record["verdict"] == verdict


# ---------------------------------------------------------------- framing

LOGON = message(header("A") + "98=0|108=30|95=8|96=|10=000||")
HAS_TERMS = 8
TERMS = "18=6 G|99=1.5|110=1|111=0|126=20260102-03:04:05.678|211=-2|432=20260102|20012=7|20013=3|20014=S|"
TERM_TAGS = {field.partition("=")[0] for field in TERMS.split("|")[:-1]}
SAMPLES = [
    LOGON,
    message(header("0")),
    message(header("1") + "112=t|"),
    message(header("2") + "7=1|16=0|"),
    message(header("3") + "45=1|371=44|372=D|373=5|58=no|"),
    message(header("4") + "123=Y|36=9|"),
    message(header("5") + "58=bye|"),
    message(header("D") + "44=1.5|453=1|448=X|802=1|523=y|803=4|" + ORDER + "354=3|355=a|b|"),
    message(header("D") + ORDER + TERMS),
    message(header("F") + "41=b|37=12|11=a|55=AAPL|54=1|60=20260102-03:04:05|"),
    message(header("G") + "41=b|44=12.25|" + ORDER),
    message(header("G") + "41=b|453=1|448=X|447=D|452=1|" + TERMS + ORDER),
    message(header("H") + "11=a|55=AAPL|54=1|"),
    message(header("j") + "45=1|372=8|380=0|"),
    message(header("q") + "11=a|530=7|60=20260102-03:04:05|"),
    message(header("AF") + "584=a|585=7|"),
    message(header("V") + "262=a|263=1|264=0|267=1|269=0|146=1|55=AAPL|"),
    message(header("C") + "164=a|94=1|"),
]


@pytest.mark.parametrize("data", SAMPLES)
def test_every_beginning_of_a_message_is_incomplete(data: bytes) -> None:
    assert scanned(data)["verdict"] == NOT_REJECTED
    for size in range(len(data)):
        assert fix.frame_message(data[:size]) == (INCOMPLETE, 0), size
        assert fix.scan_message(data[:size]) == b"" or data[:size].endswith(b"10=000\x01")


GARBLED_MESSAGES = {
    "wrong checksum": b"8=FIX.4.4\x019=5\x0135=0\x0110=000\x01",
    "checksum of two digits": b"8=FIX.4.4\x019=5\x0135=0\x0110=63\x01",
    "length too small": b"8=FIX.4.4\x019=4\x0135=0\x0110=162\x01",
    "length too large": b"8=FIX.4.4\x019=6\x0135=0\x0110=164\x01XXXX",
    "length below zero": b"8=FIX.4.4\x019=-5\x0135=0\x0110=208\x01",
    "length that overflows": b"8=FIX.4.4\x019=18446744073709551621\x0135=0\x0110=163\x01",
    "length of nine digits": b"8=FIX.4.4\x019=000000005\x0135=0\x0110=163\x01",
    "no length": b"8=FIX.4.4\x019=\x0135=0\x0110=110\x01",
    "length beyond the limit": b"8=FIX.4.4\x019=65536\x0135=0\x01",
    "type not third": message("49=A|35=0|"),
    "length not second": b"8=FIX.4.4\x0135=0\x019=5\x0110=163\x01",
    "no begin string": b"9=5\x0135=0\x0110=163\x01",
    "begin string too long": b"8=FIX.4.4.4.4.4.4.4.4\x019=5\x0135=0\x0110=163\x01",
    "not FIX": b"GET / HTTP/1.1\r\n\r\n",
    "separator missing before the trailer": b"8=FIX.4.4\x019=5\x0135=0010=210\x01",
}


@pytest.mark.parametrize("name", GARBLED_MESSAGES)
def test_after_garbled_bytes_comes_the_next_message(name: str) -> None:
    garbled = GARBLED_MESSAGES[name]
    result, length = fix.frame_message(garbled + LOGON)
    assert result == (TOO_LONG if name == "length beyond the limit" else GARBLED)
    assert 1 <= length <= len(garbled)
    records, used = fix.scan_stream(garbled + LOGON + garbled + LOGON)
    assert used == 2 * (len(garbled) + len(LOGON))
    assert records == fix.scan_message(LOGON) * 2


def test_a_message_inside_a_garbled_one_is_not_taken() -> None:
    inner = message(header("5"))
    text = inner.decode().replace("\x01", "|")
    outer = bytearray(message(header("A") + f"98=0|108=30|95={len(inner)}|96={text}|"))
    outer[-2] ^= 1  # the checksum is wrong, the length is right
    assert fix.frame_message(bytes(outer)) == (GARBLED, len(outer))


TEST_REQUEST = message(header("1") + "112=t|")
WRONG_LENGTHS = {  # BodyLength too large by so many bytes, of a TEST_REQUEST in front of others: what is lost
    "up to its last separator": (6, 1),
    "by its trailer, and the separator before it": (8, 1),
    "into the next one": (9, 2),
    "to the next one's last byte": (len(TEST_REQUEST), 2),
    "beyond the next one": (len(TEST_REQUEST) + 9, 3),
}


@pytest.mark.parametrize("name", WRONG_LENGTHS)
def test_with_a_length_that_is_too_large_goes_what_lies_there(name: str) -> None:
    more, lost = WRONG_LENGTHS[name]
    heartbeat = message(header("0"))
    body = body_of(TEST_REQUEST)
    wrong = b"8=FIX.4.4\x019=%d\x01" % (len(body) + more) + body + TEST_REQUEST[-7:]
    stream = wrong + TEST_REQUEST * 2 + heartbeat
    records, used = fix.scan_stream(stream)
    assert used == len(stream)
    assert records == fix.scan_message(TEST_REQUEST) * (3 - lost) + fix.scan_message(heartbeat)


def test_a_trailer_is_looked_for_within_the_greatest_length() -> None:
    begun = b"8=FIX.4.4\x019=40\x0135=0\x01" + b"x" * 70_000
    for size in (100, 65_536, 65_539):
        assert fix.frame_message(begun[:size]) == (INCOMPLETE, 0)
    assert fix.frame_message(begun[:65_540]) == (GARBLED, 65_536)
    cut = begun[:65_534] + LOGON
    assert fix.frame_message(cut[:65_539]) == fix.frame_message(cut) == (GARBLED, 65_534)


def test_a_leading_zero_in_the_length_is_read() -> None:
    data = b"8=FIX.4.4\x019=0005\x0135=0\x01"
    assert fix.frame_message(data + b"10=%03d\x01" % (sum(data) % 256))[0] == OK


def test_a_message_of_the_greatest_length() -> None:
    padding = 65536 - len(message(header("5") + "58=|")) - 3  # the length has five digits, not two
    data = message(header("5") + f"58={'x' * padding}|")
    assert len(data) == 65536
    assert scanned(data)["verdict"] == NOT_REJECTED
    assert fix.frame_message(message(header("5") + f"58={'x' * (padding + 1)}|"))[0] == TOO_LONG


@given(st.lists(st.sampled_from([*SAMPLES, *GARBLED_MESSAGES.values()]), max_size=6), st.data())
def test_a_stream_gives_the_same_records_wherever_it_is_cut(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(parts)
    whole, _ = fix.scan_stream(stream)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    records, kept, begin = b"", b"", 0
    for end in [*cuts, len(stream)]:
        kept += stream[begin:end]
        begin = end
        got, used = fix.scan_stream(kept)
        records += got
        kept = kept[used:]
    assert records == whole


# ---------------------------------------------------------------- the other side is simplefix

TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=32)
PLACES = st.integers(0, 8)


@given(
    cl_ord_id=st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=64),
    account=TEXT, symbol=TEXT, side=st.sampled_from("12"), price=st.integers(-(10**12), 10**12),
    price_places=PLACES, quantity=st.integers(0, 10**17), quantity_places=PLACES, seq=st.integers(1,
    2**64 - 1),
)  # fmt: skip
def test_orders_encoded_by_simplefix(
    *, cl_ord_id: str, account: str, symbol: str, side: str, price: int, price_places: int, quantity: int,
    quantity_places: int, seq: int,
) -> None:  # fmt: skip
    order = simplefix.FixMessage()
    price_text = f"{Decimal(price).scaleb(-price_places):f}"
    quantity_text = f"{Decimal(quantity).scaleb(-quantity_places):f}"
    for tag, value in (
        (8, "FIX.4.4"), (35, "D"), (49, "CLIENT"), (56, "QUORUMBOOK"), (34, seq), (52, TIME),
        (11, cl_ord_id.encode("latin-1")), (1, account), (55, symbol), (54, side), (38, quantity_text), (40,
        "2"),
        (44, price_text), (59, "0"), (60, TIME),
    ):  # fmt: skip
        order.append_pair(tag, value)
    record = scanned(order.encode())
    expected = {
        "verdict": NOT_REJECTED, "msg_seq_num": seq, "cl_ord_id": cl_ord_id, "account": account,
        "symbol": symbol,
        "side": ord(side), "price_mantissa": price, "price_exponent": -price_places,
        "quantity_mantissa": quantity,
        "quantity_exponent": -quantity_places, "flags": 0, "sending_time_ns": TIME_NS, "text": "",
    }  # fmt: skip
    assert {name: record[name] for name in expected} == expected


@given(
    st.lists(st.integers(32, 126), min_size=1, max_size=64),
    st.integers(0, 63),
    st.integers(0, 255).filter(lambda n: n not in b"\x01"),
)
def test_text_that_is_echoed_is_printable_ascii(text: list[int], place: int, byte: int) -> None:
    text[place % len(text)] = byte
    order = simplefix.FixMessage()
    for pair in ((8, "FIX.4.4"), (35, "D"), (49, "CLIENT"), (56, "QUORUMBOOK"), (34, 2), (52, TIME), (11, bytes(text)),
                 (55, "AAPL"), (54, 1), (38, 1), (40, 1), (60, TIME)):  # fmt: skip
        order.append_pair(*pair)
    record = scanned(order.encode())
    if 32 <= byte <= 126:
        assert (record["verdict"], record["cl_ord_id"]) == (NOT_REJECTED, bytes(text).decode())
    else:
        assert (record["verdict"], record["ref_tag"], record["cl_ord_id"]) == (6, 11, "")


SAMPLE_VALUES = {
    "STRING": "x y", "EXCHANGE": "XNAS", "CHAR": "c", "INT": "-3", "LENGTH": "4", "SEQNUM": "5",
    "PRICE": "-1.25",
    "QTY": "10.", "AMT": ".5", "FLOAT": "0.125", "PERCENTAGE": "0.01", "PRICEOFFSET": "-2", "BOOLEAN": "Y",
    "UTCTIMESTAMP": TIME, "LOCALMKTDATE": "20240229", "MONTHYEAR": "202612w2", "CURRENCY": "USD",
    "COUNTRY": "US",
    "MULTIPLEVALUESTRING": "1 2", "UTCTIMEONLY": "23:59:60.5", "UTCDATEONLY": "20991231",
    "NUMINGROUP": "0",
}  # fmt: skip
BAD_VALUES = {
    "CHAR": "cc", "INT": "3x", "LENGTH": "-4", "SEQNUM": "1.0", "PRICE": "1,25", "QTY": "1 0", "AMT": "-",
    "FLOAT": "1e5",
    "PERCENTAGE": "1%", "PRICEOFFSET": "--1", "BOOLEAN": "y", "UTCTIMESTAMP": "20260102 03:04:05",
    "LOCALMKTDATE": "20230229", "MONTHYEAR": "202613", "CURRENCY": "usd", "COUNTRY": "USA",
    "MULTIPLEVALUESTRING": "1  2", "NUMINGROUP": "-1",
}  # fmt: skip
REQUIRED = {
    "D": {11: "a", 55: "AAPL", 54: "1", 38: "1", 40: "1", 60: TIME},
    "F": {41: "b", 11: "a", 55: "AAPL", 54: "1", 60: TIME},
    "G": {41: "b", 11: "a", 55: "AAPL", 54: "1", 38: "1", 40: "1", 60: TIME},
    "H": {11: "a", 55: "AAPL", 54: "1"},
    "q": {11: "a", 530: "7", 60: TIME},
    "AF": {584: "a", 585: "7"},
    "A": {98: "0", 108: "30"},
    "0": {}, "1": {112: "t"}, "2": {7: "1", 16: "0"}, "3": {45: "1"}, "4": {36: "5"}, "5": {},
    "j": {372: "D", 380: "0"},
}  # fmt: skip


@pytest.mark.parametrize("msg_type", ["\x02", "Z\x7f", "U\x1b[2J", "caf\xe9", "\t"])
def test_a_type_that_cannot_be_printed_is_unknown_and_not_kept(msg_type: str) -> None:
    record = scanned(message(header(msg_type)))
    assert (record["verdict"], record["msg_type_text"]) == (11, "")
    assert str(record["text"]).isprintable()


@pytest.mark.parametrize("tag", [115, 116, 144, 128, 129, 145])
def test_a_route_that_cannot_be_printed_is_refused_and_not_kept(tag: int) -> None:
    data = message(header("0") + f"{tag}=FUND\x1b|")
    record = scanned(data)
    assert (record["verdict"], record["ref_tag"]) == (6, tag)
    assert b"FUND" not in fix.scan_message(data, "QUORUMBOOK", "CLIENT", 2)


def plain_fields() -> Iterator[tuple[str, int]]:
    """Every field of every message we act on that is no length or data."""
    for msg_type in REQUIRED:
        for tag in FIX44.messages[msg_type].body.tags:
            if tag not in FIX44.lengths and FIX44.fields[tag].type != "DATA":
                yield msg_type, tag


def text_of(msg_type: str, fields: dict[int, str]) -> bytes:
    return message(header(msg_type) + "".join(f"{tag}={value}|" for tag, value in fields.items()))


@pytest.mark.parametrize(("msg_type", "tag"), list(plain_fields()))
def test_every_field_is_known_and_typed(msg_type: str, tag: int) -> None:
    field = FIX44.fields[tag]
    sample = (
        "3" if tag in (108, 20004, 20006, 20012) else SAMPLE_VALUES[field.type]
    )  # these are not below zero
    sample = "N" if tag == 464 else sample  # a session is not for tests
    for value in field.values or [sample]:
        record = scanned(text_of(msg_type, REQUIRED[msg_type] | {tag: value}))
        assert (record["verdict"], record["ref_tag"]) == (NOT_REJECTED, 0), record["text"]
    if field.values:
        record = scanned(text_of(msg_type, REQUIRED[msg_type] | {tag: "~" if field.type != "INT" else "777"}))
        assert (record["verdict"], record["ref_tag"]) == (5, tag)
    if field.type in BAD_VALUES:
        record = scanned(text_of(msg_type, REQUIRED[msg_type] | {tag: BAD_VALUES[field.type]}))
        assert record["verdict"] in (5, 6)
        assert record["ref_tag"] == tag


@pytest.mark.parametrize("msg_type", REQUIRED)
def test_every_required_field_is_missed(msg_type: str) -> None:
    for tag in REQUIRED[msg_type]:
        record = scanned(text_of(msg_type, {t: v for t, v in REQUIRED[msg_type].items() if t != tag}))
        assert (record["verdict"], record["ref_tag"]) == (1, tag)


# ---------------------------------------------------------------- bytes that are no messages


def reframed(body: bytes) -> bytes:
    start = b"8=FIX.4.4\x019=%d\x01" % len(body) + body
    return start + b"10=%03d\x01" % (sum(start) % 256)


def body_of(data: bytes) -> bytes:
    return data[data.index(b"35=") : -7]


def carries(data: bytes, version: int) -> None:
    """What is carried of a message are fields of it, in their order, and nothing of one that is refused."""
    record = read_input(fix.scan_message(data, "QUORUMBOOK", "CLIENT", version))
    carried = str(record.get("parties", ""))
    terms = {field.partition("=")[0] for field in carried.split("\x01")} & TERM_TAGS
    assert bool(record.get("present", 0) & HAS_TERMS) == bool(terms)
    if carried:
        assert record["verdict"] == NOT_REJECTED
        rest = iter(data.decode("latin-1").split("\x01"))
        assert all(field in rest for field in carried.split("\x01"))
        assert version == 3 or not terms


@pytest.mark.parametrize(
    ("version", "prices", "unserved"), [(1, "", 1), (2, "", 1), (3, "20009=9|20010=10", 0)]
)
def test_a_mass_cancel_is_narrowed_from_rules_3_on(version: int, prices: str, unserved: int) -> None:
    """Before, it is refused as a whole: to cancel more than is meant would be wrong."""
    data = message(header("q") + f"11=a|530=1|55=AAPL|1=fund|20009=9|20010=10|60={TIME}|")
    record = scanned(data, version)
    assert str(record["parties"]).replace("\x01", "|") == prices
    assert (record["verdict"], record["unsupported_tag"]) == (NOT_REJECTED, unserved)


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("data", SAMPLES)
def test_every_single_wrong_byte(data: bytes, version: int) -> None:
    for at in range(len(data)):
        for value in (0, 1, ord("="), ord("8"), ord("9"), ord("A"), 255, data[at] ^ 1, data[at] ^ 128):
            wrong = data[:at] + bytes([value]) + data[at + 1 :]
            result, length = fix.frame_message(wrong)
            assert result != OK or wrong == data
            assert length <= len(data)
            if fix.scan_message(wrong):
                carries(wrong, version)
    body = body_of(data)
    for at in range(3, len(body) - 1):
        for value in (0, 1, ord("="), ord("-"), ord("."), ord("0"), 255):
            wrong = reframed(body[:at] + bytes([value]) + body[at + 1 :])
            assert fix.frame_message(wrong) == (OK, len(wrong))
            carries(wrong, version)


@pytest.mark.parametrize("data", SAMPLES)
def test_every_cut_message_that_is_framed_again(data: bytes) -> None:
    body = body_of(data)
    for size in range(5, len(body)):
        if body[size - 1] == 1:
            assert read_input(fix.scan_message(reframed(body[:size])))["verdict"] != 6
    for begin in range(5, len(body)):
        read_input(fix.scan_message(reframed(b"35=D\x01" + body[begin:])))


FIELD = st.tuples(
    st.one_of(st.sampled_from(sorted(FIX44.fields)), st.integers(0, 10**8)).map(str) | TEXT,
    TEXT | st.integers(-(2**65), 2**65).map(str) | st.sampled_from(["", TIME, "1.5", "Y", "0", "A"]),
)


@given(
    st.permutations([*TERMS.split("|")[:-1], "453=2|448=X|448=Y|452=1", "1=desk", "44=1", "9001=x"]),
    st.integers(0, 14),
)
def test_any_terms_are_carried_in_their_order(fields: list[str], count: int) -> None:
    sent = fields[:count]
    data = message(header("G") + ORDER + "41=b|" + "".join(field + "|" for field in sent))
    record = scanned(data, 3)
    kept = [field for field in sent if field.partition("=")[0] in TERM_TAGS | {"453"}]
    assert (record["verdict"], record["unsupported_tag"]) == (NOT_REJECTED, 0)
    assert str(record["parties"]).replace("\x01", "|") == "|".join(kept)
    assert bool(record["present"] & HAS_TERMS) == any(not field.startswith("453") for field in kept)
    assert record["post_only"] == 0


@settings(max_examples=200)
@given(st.sampled_from([*FIX44.messages, "C", "ZZ", ""]), st.lists(FIELD, max_size=30))
def test_any_fields(msg_type: str, fields: list[tuple[str, str]]) -> None:
    data = message(header(msg_type) + "".join(f"{tag}={value}|" for tag, value in fields))
    record = read_input(fix.scan_message(data, "QUORUMBOOK", "CLIENT", 3))
    assert record["msg_seq_num"] == 7  # whatever comes behind it


@settings(max_examples=200)
@given(
    st.lists(st.binary(max_size=200) | st.sampled_from([b"8=FIX", b"8=FIX.4.4\x019=", b"10=000\x01", LOGON]))
)
def test_any_bytes(parts: list[bytes]) -> None:
    stream = b"".join(parts)
    _, used = fix.scan_stream(stream)
    assert used <= len(stream)
    fix.scan_message(stream)
    fix.scan_message(b"8=FIX.4.4\x019=1\x0135=" + stream + b"\x0110=000\x01")
