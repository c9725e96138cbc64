"""Walking over the fields of a body, as `apply` does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.fields import first, walk
from gateway.fix44 import FIX44

PAIRS = sorted(FIX44.lengths.items())
PLAIN = st.tuples(
    st.integers(1, 9_999_999).filter(lambda tag: tag not in dict(PAIRS)),
    st.binary(max_size=40).map(lambda value: value.replace(b"\x01", b"|")),
).map(lambda field: [field])
DATA = st.tuples(st.sampled_from(PAIRS), st.binary(min_size=1, max_size=40)).map(
    lambda field: [(field[0][0], str(len(field[1])).encode()), (field[0][1], field[1])]
)
BODIES = st.lists(PLAIN | DATA, max_size=12).map(lambda parts: [field for part in parts for field in part])


def text(fields: list[tuple[int, bytes]]) -> bytes:
    return b"".join(b"%d=%b\x01" % field for field in fields)


def test_the_data_fields_of_fix_4_4_are_known() -> None:
    for length, data in PAIRS:
        fields = [(length, b"7"), (data, b"a\x01262=b"), (58, b"end")]
        assert walk(text(fields)) == fields


@given(BODIES)
def test_a_walk_finds_the_fields_that_a_body_is_made_of(fields: list[tuple[int, bytes]]) -> None:
    assert walk(text(fields)) == fields
    for tag, _ in fields:
        assert first(text(fields), tag) == next(value for other, value in fields if other == tag)
    assert first(text(fields), 10_000_000) is None


@given(
    st.binary(max_size=80) | BODIES.map(text).flatmap(lambda t: st.integers(0, len(t)).map(lambda n: t[:n]))
)
def test_a_walk_through_anything_ends(body: bytes) -> None:
    found = walk(body)
    assert all(tag < 10_000_000 for tag, _ in found)
    assert sum(len(value) + 3 for _, value in found) <= len(body)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"", []),
        (b"262=a", []),
        (b"262=a\x01=b\x01", [(262, b"a")]),
        (b"262=\x01", [(262, b"")]),
        (b"354=9\x01355=a\x01b\x0158=x\x01", [(354, b"9"), (355, b"a")]),
        (b"354=x\x01355=a\x0158=x\x01", [(354, b"x"), (355, b"a"), (58, b"x")]),
        (b"354=3\x0158=a\x01b\x01", [(354, b"3"), (58, b"a")]),
        (b"354=18446744073709551615\x01355=a\x01", [(354, b"18446744073709551615"), (355, b"a")]),
        (b"354=3\x0158=x\x01355=a\x01b\x01", [(354, b"3"), (58, b"x"), (355, b"a")]),
    ],
)
def test_what_is_no_field_ends_the_walk(body: bytes, found: list[tuple[int, bytes]]) -> None:
    assert walk(body) == found
