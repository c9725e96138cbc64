"""What the client writes can be read; what the exchange writes, the client reads."""

from decimal import Decimal

import numpy as np
import pytest
import simplefix
from hypothesis import given
from hypothesis import strategies as st

from gateway.client_decoder import Decoder
from gateway.client_encoder import Encoder
from gateway.client_types import ABSENT, MESSAGE, REQUEST, ExecType
from gateway.fix import frame_message
from tests.client.acceptor import message, split

NOW = 1_795_417_200_123_456_789


def request(**fields: object) -> np.ndarray:
    row = np.zeros(1, REQUEST)
    row["price"] = row["quantity"] = ABSENT
    row["kind"], row["cl_ord_id"] = ord("D"), b"c"
    for name, value in fields.items():
        row[name] = value
    return row


def test_the_dtypes_are_the_structs() -> None:
    assert (REQUEST.itemsize, MESSAGE.itemsize) == (384, 240)
    assert MESSAGE.itemsize % 8 == REQUEST.itemsize % 8 == 0


@given(
    st.sampled_from("DFGHq"),
    st.integers(-(2**63) + 1, 2**63 - 1),
    st.integers(-18, 3),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64),
    st.integers(1, 2**63),
)
def test_every_request_reads_back(kind: str, mantissa: int, exponent: int, name: str, number: int) -> None:
    row = request(kind=ord(kind), price=mantissa, price_exponent=exponent, quantity=5, side=ord("1"))
    row["cl_ord_id"], row["orig_cl_ord_id"], row["symbol"] = name.encode(), name.encode(), b"BTC/USD"
    [(data, count)] = Encoder("ME", "QUORUMBOOK").requests(row, number, NOW)
    assert count == 1
    assert frame_message(data)[1] == len(data)
    [fields], rest = split(data)
    assert rest == b""
    assert (fields[35], fields[49], fields[56], fields[34]) == (kind, "ME", "QUORUMBOOK", str(number))
    assert fields[52] == "20261123-07:00:00.123"
    assert (fields[11], fields[41], fields[55], fields[38]) == (name, name, "BTC/USD", "5")
    assert Decimal(fields[44]) == Decimal(mantissa).scaleb(exponent)
    parser = simplefix.FixParser()
    parser.append_buffer(data)
    assert parser.get_message() is not None


def test_a_piece_holds_at_most_so_many_messages_and_64_kib() -> None:
    rows = np.repeat(request(side=ord("1")), 1000)
    pieces = Encoder("ME", "X").requests(rows, 1, NOW, per_frame=300)
    assert [count for _, count in pieces] == [300, 300, 300, 100]
    rows["cl_ord_id"] = b"x" * 64
    pieces = Encoder("ME", "X").requests(rows, 1, NOW, per_frame=1000)
    assert sum(count for _, count in pieces) == 1000
    assert all(len(data) < 70_000 for data, _ in pieces)
    numbers = [int(fields[34]) for data, _ in pieces for fields in split(data)[0]]
    assert numbers == list(range(1, 1001))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"kind": ord("Z")}, "request 0: kind must be"),
        ({"cl_ord_id": b""}, "ClOrdID is empty"),
        ({"cl_ord_id": b"a\x01b"}, "control character"),
        ({"terms": b"99=1\x02"}, "control character"),
        ({"price": 1, "price_exponent": 19}, "exponent"),
    ],
)
def test_a_request_that_cannot_be_written_is_named(fields: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Encoder("ME", "X").requests(request(**fields), 1, NOW)


def test_terms_are_fields_of_the_message() -> None:
    rows = np.repeat(request(kind=ord("D")), 3)
    rows["terms"] = [b"99=101.25\x01111=10", b"", b"9" * 125 + b"=1"]
    messages, _ = split(Encoder("ME", "X").requests(rows, 1, NOW)[0][0])
    assert [(one.get(99), one.get(111)) for one in messages] == [("101.25", "10"), (None, None), (None, None)]
    assert messages[2][int("9" * 125)] == "1"


HEAD = [(35, "8"), (49, "QUORUMBOOK"), (56, "ME"), (34, "7"), (52, "20261123-07:00:00.123")]


def test_an_execution_report_is_read_in_full() -> None:
    body = [
        (37, "12"),
        (11, "200000000000000001.3"),
        (41, "a.1"),
        (17, "E9"),
        (150, "F"),
        (39, "1"),
        (1, "acc"),
    ]
    body += [
        (55, "BTC/USD"),
        (54, "2"),
        (38, "1.50000000"),
        (40, "2"),
        (44, "78319"),
        (59, "1"),
        (151, "1.0"),
    ]
    body += [
        (14, "0.5"),
        (6, "78319.00"),
        (60, "20261123-07:00:00.123456789"),
        (31, "78319"),
        (32, "0.50000000"),
    ]
    body += [(851, "1"), (880, "77"), (20001, "123456"), (58, "näh")]
    data = message(HEAD + body)
    batch = Decoder("QUORUMBOOK", "ME").feed(data)
    report = batch.report(0)
    assert (report.msg_seq_num, report.order_id, report.cl_ord_id) == (7, 12, "200000000000000001.3")
    assert (report.exec_type, report.exec_id, report.symbol) == (ExecType.TRADE, "E9", "BTC/USD")
    assert (report.quantity, report.leaves, report.last_quantity) == (
        Decimal("1.5"),
        Decimal(1),
        Decimal("0.5"),
    )
    assert (report.maker, report.trade_id, report.input_number, report.text) == (True, 77, 123456, "näh")
    assert report.transact_time_ns == 1_795_417_200_123_456_789
    assert report.raw == data
    row = batch.array[0]
    assert (row["cl_ord_id_number"], row["cl_ord_id_entry"]) == (200000000000000001, 3)
    with pytest.raises(AttributeError):
        report.text = "other"  # type: ignore[misc]
    with pytest.raises(IndexError):
        batch.report(1)


@given(st.lists(st.integers(1, 60), max_size=40), st.integers(0, 3))
def test_messages_cut_anywhere_come_out_whole(cuts: list[int], noise: int) -> None:
    data = b"".join(message([*HEAD[:3], (34, str(i)), HEAD[4], (11, f"c{i}")]) for i in range(1, 6))
    data = b"8=FI" * noise + data
    decoder = Decoder("QUORUMBOOK", "ME")
    seen = []
    for cut in [*cuts, len(data)]:
        piece, data = data[:cut], data[cut:]
        seen += decoder.feed(piece).array["msg_seq_num"].tolist()
    assert seen == [1, 2, 3, 4, 5]


@given(st.binary(max_size=400))
def test_no_bytes_hurt_the_decoder(data: bytes) -> None:
    Decoder("QUORUMBOOK", "ME").feed(data + message(HEAD)[: len(data) % 60])


@given(st.binary(max_size=40), st.integers(0, 300), st.integers(1, 30))
def test_damage_inside_a_message_hurts_nobody(damage: bytes, at: int, width: int) -> None:
    fields = [*HEAD, (11, "c"), (44, "1.5"), (60, "20261123-07:00:00")]
    body = b"".join(b"%d=%s\x01" % (tag, value.encode()) for tag, value in fields)
    body = body[:at] + damage.replace(b"8=FIX", b"") + body[at + width :] + b"\x01"
    head = b"8=FIX.4.4\x019=%d\x01" % len(body) + body
    batch = Decoder("QUORUMBOOK", "ME").feed(head + b"10=%03d\x01" % (sum(head) & 255))
    for i in range(len(batch)):
        repr(batch.report(i))
