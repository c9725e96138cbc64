"""Messages built from Egress records, read back by simplefix: every field is there, with the right value."""

import datetime
from decimal import Decimal
from typing import Any

import pytest
import simplefix
from fix_records import INT64_MIN, make_egress, make_text
from hypothesis import given
from hypothesis import strategies as st

from gateway import fix

TIME = 1_767_323_045_678_901_234  # 2026-01-02 03:04:05.678901234 UTC
STAMP = "20260102-03:04:05.678"
HEAD = {"msg_seq_num": 42, "sending_time_ns": TIME, "input_number": 1234567890123}


def parsed(data: bytes) -> list[tuple[int, str]]:
    """The fields as simplefix reads them; it must take all of it for exactly one message."""
    parser = simplefix.FixParser()
    parser.append_buffer(data)
    message = parser.get_message()
    assert message is not None
    assert not parser.get_buffer()
    pairs = [(int(tag), value.decode("latin-1")) for tag, value in message.pairs]
    body = data[data.index(b"35=") : -7]
    assert pairs[:2] == [(8, "FIX.4.4"), (9, str(len(body)))]
    assert pairs[-1] == (10, f"{sum(data[:-7]) % 256:03d}")
    assert fix.frame_message(data) == (0, len(data))
    return pairs[2:-1]


def built(msg_type: str, body: dict[str, int], strings: dict[str, bytes], **head: int) -> dict[int, str]:
    """The fields after the header of the message built from this record."""
    record = make_egress(msg_type, body, strings, **(HEAD | head))
    pairs = parsed(fix.encode_record(record, "QUORUMBOOK", "CLIENT"))
    assert pairs[:5] == [(35, msg_type), (49, "QUORUMBOOK"), (56, "CLIENT"), (34, "42"), (52, STAMP)]
    fields = dict(pairs[5:])
    assert len(fields) == len(pairs) - 5
    return fields


def execution(**changes: Any) -> dict[str, int]:
    values = {
        "order_id": 77, "exec_id": 991, "trade_id": 0, "transact_time_ns": TIME, "price": 10150,
        "quantity": 100, "leaves": 60, "cumulative": 40, "last_price": INT64_MIN, "last_quantity": 0,
        "average_price": 1014975,
        "price_exponent": -2, "quantity_exponent": 0, "exec_type": ord("0"), "ord_status": ord("1"),
        "side": ord("1"), "ord_type": ord("2"), "time_in_force": ord("0"), "fix_reason": 255,
    }  # fmt: skip
    return values | changes


STRINGS = {
    "cl_ord_id": b"1.1", "orig_cl_ord_id": b"", "account": b"", "symbol": b"AAPL", "text": b"",
    "request_id": b"",
}  # fmt: skip
ALWAYS = {
    37: "77", 11: "1.1", 17: "991", 150: "0", 39: "1", 55: "AAPL", 54: "1", 38: "100", 40: "2", 44: "101.50",
    59: "0", 151: "60", 14: "40", 6: "101.4975", 60: STAMP, 20001: "1234567890123",
}  # fmt: skip


def test_an_execution_report_has_its_fields_and_no_others() -> None:
    assert built("8", execution(), STRINGS) == ALWAYS


def test_a_fill_adds_what_happened() -> None:
    fill = execution(
        exec_type=ord("F"), last_price=10149, last_quantity=40, maker_taker=ord("2"), trade_id=5, post_only=1
    )
    strings = STRINGS | {"orig_cl_ord_id": b"1.0", "account": b"desk 7"}
    expected = {150: "F", 31: "101.49", 32: "40", 851: "2", 880: "5", 18: "6", 41: "1.0", 1: "desk 7"}
    assert built("8", fill, strings) == ALWAYS | expected


TERMS = "99=101|453=1|448=DESK|447=D|452=24|126=20260105-10:00:00|20012=7|211=-0.5"


def reported(terms: str, standard: bool = False, **changes: int) -> list[tuple[int, str]]:
    """The fields behind the header of a report that carries them."""
    strings = {
        "cl_ord_id": b"1.1", "account": b"desk 7", "parties": terms.replace("|", "\x01").encode(), "symbol": b"AAPL",
    }  # fmt: skip
    record = make_egress("8", execution(**changes), strings, **HEAD)
    return parsed(fix.encode_record(record, "QUORUMBOOK", "CLIENT", standard=standard))[5:]


def test_what_was_carried_comes_back_as_it_came() -> None:
    carried = [(int(tag), value) for tag, _, value in (field.partition("=") for field in TERMS.split("|"))]
    fields = reported(TERMS)
    at = fields.index(carried[0])
    assert fields[at : at + len(carried)] == carried
    assert dict(fields[:at] + fields[at + len(carried) :]) == ALWAYS | {1: "desk 7"}


@pytest.mark.parametrize("terms", ["18=6 G", "99=1|18=6", "18=a|211=1"])
def test_instructions_are_written_once(terms: str) -> None:
    stated = [value for tag, value in reported(terms, post_only=1) if tag == 18]
    assert stated == [terms.partition("18=")[2].partition("|")[0]]


@pytest.mark.parametrize("terms", ["", "118=6|99=18", "99=18=6"])
def test_what_only_looks_like_instructions_is_none(terms: str) -> None:
    assert (18, "6") in reported(terms, post_only=1)


@pytest.mark.parametrize(
    ("terms", "left"),
    [
        (TERMS, TERMS.replace("|20012=7", "")),
        ("20012=7|20013=1", ""),
        ("20014=S|18=6", "18=6"),
        ("110=5|20014=S", "110=5"),
    ],
)
def test_who_wants_standard_fields_gets_no_terms_of_ours(terms: str, left: str) -> None:
    carried = [
        (int(tag), value) for tag, _, value in (field.partition("=") for field in left.split("|") if field)
    ]
    fields = reported(terms, standard=True)
    kept = {tag: value for tag, value in ALWAYS.items() if tag != 20001} | {1: "desk 7"}
    assert dict(fields) == kept | dict(carried)
    assert [field for field in fields if field in carried] == carried


@pytest.mark.parametrize(
    ("exec_type", "ord_status", "restatement"), [("L", "0", 0), ("C", "C", 0), ("D", "0", 3), ("D", "1", 8)]
)
def test_what_happens_to_an_order_by_itself(exec_type: str, ord_status: str, restatement: int) -> None:
    changes = {"exec_type": ord(exec_type), "ord_status": ord(ord_status), "restatement": restatement}
    expected = {150: exec_type, 39: ord_status} | ({378: str(restatement)} if restatement else {})
    assert dict(reported("", **changes)) == ALWAYS | expected | {1: "desk 7"}


def test_a_triggered_order_is_restated_to_who_wants_fix_4_4_alone() -> None:
    fields = dict(reported("99=101", standard=True, exec_type=ord("L")))
    assert (fields[150], fields[378], fields[99]) == ("D", "99", "101")


def test_who_wants_standard_fields_gets_no_others() -> None:
    fill = execution(exec_type=ord("F"), trade_id=5, reason_code=11)
    record = make_egress("8", fill, STRINGS, **HEAD)
    fields = dict(parsed(fix.encode_record(record, "QUORUMBOOK", "CLIENT", standard=True))[5:])
    expected = {150: "F", 527: "5"} | {tag: value for tag, value in ALWAYS.items() if tag not in (150, 20001)}
    assert fields == expected
    refused = make_egress("j", {"ref_seq_num": 9, "reject_reason": 3, "reason_code": 116}, {}, **HEAD)
    assert b"\x0120002=" not in fix.encode_record(refused, "QUORUMBOOK", "CLIENT", standard=True)


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ("146=1|55=A|20005=0.01|58=20001=x|20001=7|", "146=1|55=A|58=20001=x|"),
        ("20001=7|55=A|", "55=A|"),
        ("55=A|9999=1|", "55=A|9999=1|"),
        ("20001=7|", ""),
        ("", ""),
    ],
)
def test_a_text_body_without_our_own_tags(body: str, sent: str) -> None:
    record = make_text("y", body.replace("|", "\x01").encode(), **HEAD)
    message = fix.encode_record(record, "QUORUMBOOK", "CLIENT", standard=True)
    assert message[message.index(STAMP.encode()) + len(STAMP) + 1 : -7].decode() == sent.replace("|", "\x01")


def test_a_refusal_adds_why() -> None:
    refused = execution(order_id=0, exec_type=ord("8"), ord_status=ord("8"), fix_reason=99, reason_code=11)
    expected = {37: "NONE", 150: "8", 39: "8", 103: "99", 58: "no", 20002: "11"}
    assert built("8", refused, STRINGS | {"text": b"no"}) == ALWAYS | expected


def test_an_answer_to_a_mass_status_request() -> None:
    answer = execution(
        exec_type=ord("I"), mass_total=12, last_fragment=ord("Y"), price=INT64_MIN, ord_type=ord("1")
    )
    expected = ALWAYS | {150: "I", 911: "12", 912: "Y", 584: "ask", 40: "1"}
    del expected[44]
    assert built("8", answer, STRINGS | {"request_id": b"ask"}) == expected


def test_a_cancel_reject() -> None:
    body = execution(order_id=0, ord_status=ord("8"), response_to=ord("1"), fix_reason=1, reason_code=4)
    strings = STRINGS | {"orig_cl_ord_id": b"1.0", "text": b"unknown order"}
    assert built("9", body, strings) == {
        37: "NONE", 11: "1.1", 41: "1.0", 39: "8", 434: "1", 102: "1", 60: STAMP, 58: "unknown order",
        20001: "1234567890123", 20002: "4",
    }  # fmt: skip


def test_a_mass_cancel_report() -> None:
    body = execution(response_to=ord("7"), mass_response=ord("7"), affected=3, side=0)
    assert built("r", body, STRINGS | {"symbol": b""}) == {
        37: "77", 11: "1.1", 530: "7", 531: "7", 533: "3", 60: STAMP, 20001: "1234567890123",
    }  # fmt: skip


SESSION_CASES: list[tuple[str, dict[str, int], dict[str, bytes], dict[str, int], dict[int, str]]] = [
    ("0", {}, {}, {}, {}),
    ("0", {}, {"text": b"are you there"}, {}, {112: "are you there"}),
    ("1", {}, {"text": b"t1"}, {}, {112: "t1"}),
    ("2", {"begin_seq_no": 3, "end_seq_no": 0}, {}, {}, {7: "3", 16: "0"}),
    ("3", {"ref_seq_num": 9, "ref_tag": 54, "reject_reason": 5, "ref_msg_type": ord("D")},
     {"text": b"bad side"}, {}, {45: "9", 371: "54", 372: "D", 373: "5", 58: "bad side"}),
    ("3", {"ref_seq_num": 9, "reject_reason": 11, "ref_msg_type": 255}, {"text": b"", "ref_type": b"ZZ"}, {},
     {45: "9", 372: "ZZ", 373: "11"}),
    ("3", {"ref_seq_num": 9, "reject_reason": 255, "ref_msg_type": 1}, {}, {}, {45: "9", 372: "AF"}),
    ("4", {"begin_seq_no": 10}, {}, {"flags": 4}, {123: "Y", 36: "10"}),
    ("4", {"begin_seq_no": 10}, {}, {}, {36: "10"}),
    ("5", {}, {"text": b"bye"}, {}, {58: "bye"}),
    ("A", {"heartbeat_seconds": 30}, {}, {"flags": 8}, {98: "0", 108: "30", 141: "Y"}),
    ("A", {"heartbeat_seconds": 30}, {}, {}, {98: "0", 108: "30"}),
    ("j", {"ref_seq_num": 9, "reject_reason": 3, "ref_msg_type": 255, "reason_code": 101},
     {"text": b"not served", "ref_type": b"V", "ref_id": b"q1"}, {},
     {45: "9", 372: "V", 379: "q1", 380: "3", 58: "not served", 20002: "101"}),
]  # fmt: skip


@pytest.mark.parametrize(("msg_type", "body", "strings", "head", "expected"), SESSION_CASES)
def test_session_messages(
    msg_type: str,
    body: dict[str, int],
    strings: dict[str, bytes],
    head: dict[str, int],
    expected: dict[int, str],
) -> None:
    assert built(msg_type, body, strings, **head) == expected


def test_a_resend_keeps_the_original_time() -> None:
    record = make_egress("8", execution(), STRINGS, **HEAD)
    pairs = parsed(fix.encode_record(record, "Q", "C", TIME + 61_000_000_000))
    assert pairs[3:7] == [(34, "42"), (43, "Y"), (52, "20260102-03:05:06.678"), (122, STAMP)]
    assert dict(pairs[7:]) == ALWAYS


def test_a_gap_fill() -> None:
    assert parsed(fix.gap_fill("Q", "C", 5, 2**64 - 1, TIME)) == [
        (35, "4"), (49, "Q"), (56, "C"), (34, "5"), (43, "Y"), (52, STAMP), (122, STAMP), (123, "Y"),
        (36, str(2**64 - 1)),
    ]  # fmt: skip


def test_a_record_whose_lengths_contradict_its_size_is_refused() -> None:
    strings = STRINGS | {"cl_ord_id": b"a" * 60}
    record = bytearray(make_egress("8", execution(), strings, **HEAD))
    at = record.index(bytes([60, 0, 0, 4, 0, 0]))  # the lengths of the tail
    record[at] = 90
    with pytest.raises(ValueError, match="contradict"):
        fix.encode_record(bytes(record), "Q", "C")


INT64 = st.integers(-(2**63) + 1, 2**63 - 1) | st.integers(-1000, 1000)


@given(
    price=INT64,
    quantity=INT64,
    average=INT64,
    exponents=st.tuples(st.integers(-20, 4), st.integers(-20, 4)),
    order_id=st.integers(1, 2**64 - 1),
    time=st.integers(0, 2**63 - 1),
)
def test_numbers_and_times_are_exact(
    *, price: int, quantity: int, average: int, exponents: tuple[int, int], order_id: int, time: int
) -> None:
    price_exponent, quantity_exponent = exponents
    body = execution(
        price=price,
        quantity=quantity,
        average_price=average,
        price_exponent=price_exponent,
        quantity_exponent=quantity_exponent,
        order_id=order_id,
        transact_time_ns=time,
    )
    fields = built("8", body, STRINGS)
    assert fields[37] == str(order_id)
    for tag, mantissa, exponent in (
        (44, price, price_exponent),
        (38, quantity, quantity_exponent),
        (6, average, price_exponent - 2),
    ):
        assert Decimal(fields[tag]) == Decimal(mantissa) * Decimal(10) ** exponent
        assert len(fields[tag].partition(".")[2]) == max(0, -exponent)
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=time // 1_000_000)
    assert fields[60] == moment.strftime("%Y%m%d-%H:%M:%S.") + f"{moment.microsecond // 1000:03d}"


@given(st.lists(st.binary(max_size=64), min_size=6, max_size=6))
def test_any_lengths_of_strings(texts: list[bytes]) -> None:
    strings = {name: text.replace(b"\x01", b".") for name, text in zip(STRINGS, texts, strict=True)}
    data = fix.encode_record(make_egress("8", execution(), strings, **HEAD), "QUORUMBOOK", "CLIENT")
    assert fix.frame_message(data) == (0, len(data))
    tags = {"cl_ord_id": 11, "orig_cl_ord_id": 41, "account": 1, "symbol": 55, "text": 58, "request_id": 584}
    values = dict(field.split(b"=", 1) for field in data.split(b"\x01")[:-1])
    for name, text in strings.items():
        assert values.get(b"%d" % tags[name], b"") == text
