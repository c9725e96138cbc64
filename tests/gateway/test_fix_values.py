"""The text of single values against Python's own numbers and dates, and the dictionary behind the scanner."""

import datetime
import re
from decimal import Decimal

from fix_records import header, message, read_input
from hypothesis import example, given
from hypothesis import strategies as st

from gateway import fix

INT64_MAX = 2**63 - 1
NOT_REJECTED = 255
DIGITS = st.text("0123456789", max_size=24)


def order(price: str) -> dict[str, object]:
    return read_input(
        fix.scan_message(message(header("D") + f"11=a|55=A|54=1|38=1|40=2|44={price}|60=20260102-03:04:05|"))
    )


def heartbeat(sending_time: str) -> dict[str, object]:
    return read_input(fix.scan_message(message(f"35=0|49=A|56=B|34=1|52={sending_time}|")))


def fits(value: Decimal) -> bool:
    """A mantissa of at most INT64_MAX and at most 18 places, once idle zeros are gone."""
    _, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits))
    while exponent < 0 and text.endswith("0"):
        text, exponent = text[:-1], exponent + 1
    return exponent >= -18 and int(text or "0") <= INT64_MAX


@given(
    st.from_regex(r"-?[0-9]{0,21}(\.[0-9]{0,21})?", fullmatch=True)
    | st.text("0123456789.-+eE ,", min_size=1, max_size=24)
    | st.integers(-(2**64), 2**64).map(str)
)
@example("9223372036854775807")
@example("-9223372036854775807")
@example("9223372036854775808")
@example("0.000000000000000001")
@example("0.0000000000000000001")
@example("000000000000000000000000000000.5")
@example("1.00000000000000000000000000000")
@example("99999999999999999999")
def test_decimals_are_exact_or_refused(text: str) -> None:
    record = order(text)
    if not re.fullmatch(r"-?(\d+\.?\d*|\.\d+)", text):
        assert record["verdict"] == (4 if text == "" else 6)
    elif not fits(Decimal(text)):
        assert (record["verdict"], record["ref_tag"]) == (6, 44)
    else:
        assert record["verdict"] == NOT_REJECTED
        mantissa, exponent = record["price_mantissa"], record["price_exponent"]
        assert isinstance(mantissa, int)
        assert isinstance(exponent, int)
        assert -18 <= exponent <= 0
        assert Decimal(mantissa).scaleb(exponent) == Decimal(text)


@given(
    st.datetimes(datetime.datetime(1970, 1, 1), datetime.datetime(2261, 12, 31)), st.integers(0, 9), DIGITS
)
def test_timestamps_of_any_precision(moment: datetime.datetime, places: int, digits: str) -> None:
    fraction = (digits + "0" * 9)[:places]
    text = moment.strftime("%Y%m%d-%H:%M:%S") + (f".{fraction}" if places else "")
    record = heartbeat(text)
    seconds = (moment.replace(microsecond=0) - datetime.datetime(1970, 1, 1)) // datetime.timedelta(seconds=1)
    assert record["verdict"] == NOT_REJECTED
    assert record["sending_time_ns"] == seconds * 10**9 + int((fraction + "0" * 9)[:9])


def is_timestamp(text: str) -> bool:
    if not re.fullmatch(r"(19[7-9]\d|20\d\d|21\d\d|22[0-5]\d|226[01])\d{4}-\d\d:\d\d:\d\d(\.\d{1,9})?", text):
        return False
    try:
        datetime.datetime.strptime(text[:14], "%Y%m%d-%H:%M")
    except ValueError:
        return False
    return int(text[15:17]) <= 60


STAMP = "20240229-23:59:59.123"


@given(st.integers(0, len(STAMP)), st.integers(0, 3), st.text("0123456789-:. 9", max_size=3))
@example(6, 2, "30")
@example(4, 2, "13")
@example(4, 2, "00")
@example(0, 4, "1969")
@example(0, 4, "2262")
@example(15, 2, "60")
@example(15, 2, "61")
@example(17, 4, "")
@example(18, 3, "1234567890")
def test_timestamps_that_are_none(at: int, cut: int, put: str) -> None:
    text = STAMP[:at] + put + STAMP[at + cut :]
    record = heartbeat(text)
    assert (record["verdict"] == NOT_REJECTED) == is_timestamp(text)
    assert record["flags"] == (0 if is_timestamp(text) else 128)


@given(st.integers(0, 2**66).map(str) | DIGITS | st.text("0123456789-+. x", max_size=12))
def test_sequence_numbers(text: str) -> None:
    record = read_input(fix.scan_message(message(f"35=0|49=A|56=B|34={text}|52={STAMP}|")))
    good = text.isascii() and text.isdigit() and 0 < int(text) < 2**64
    assert (record["verdict"] == NOT_REJECTED) == good
    if good:
        assert record["msg_seq_num"] == int(text)


@given(st.binary(max_size=300))
def test_checksum(data: bytes) -> None:
    assert fix.checksum_of(data) == sum(data) % 256
