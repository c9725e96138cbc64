"""What batch.pyx lays out, wal.py reads back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication import wal
from replication.messages import Entry, Proposal

PIECES = st.lists(
    st.one_of(
        st.binary(max_size=40), st.integers(900, 1100).map(bytes), st.binary(max_size=9).map(bytearray)
    ),
    max_size=4,
)


@given(
    st.lists(PIECES, min_size=1, max_size=5),
    st.integers(0, 2**40),
    st.integers(0, 2**31),
    st.binary(min_size=32, max_size=32),
)
def test_a_batch_reads_back_as_it_was_proposed(
    payloads: list[list[bytes | bytearray]], index: int, number: int, before: bytes
) -> None:
    place = wal.Place(wal.Position(index, 3, 70, before), number, wal.DATA + 8 * (index % 1000))
    proposals = [Proposal(index + 1 + at, 4, 70 + at, tuple(pieces)) for at, pieces in enumerate(payloads)]
    batch, entries, after = wal.encode_batch(place, proposals, index)
    assert [bytes(entry.payload) for entry in entries] == [b"".join(pieces) for pieces in payloads]
    assert place.offset + len(batch) == wal.batch_end(place.offset, [len(entry.payload) for entry in entries])
    found: list[Entry] = []
    assert wal.decode_batch(batch, 0, place, found, verify=True) == after
    assert found == entries


@pytest.mark.parametrize("piece", ["text", 5, None])
def test_a_piece_that_holds_no_bytes_is_refused(piece: object) -> None:
    place = wal.Place(wal.Position(0, 0, 0, bytes(32)), 1, wal.DATA)
    with pytest.raises(TypeError):
        wal.encode_batch(place, [Proposal(1, 1, 1, (piece,))], 0)  # type: ignore[arg-type]
