"""What batch.pyx lays out, scanning.py reads back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication import scanning, wal
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
    assert scanning.decode_batch(batch, 0, place, found, verify=True) == after
    assert found == entries


@pytest.mark.parametrize("piece", ["text", 5, None])
def test_a_piece_that_holds_no_bytes_is_refused(piece: object) -> None:
    place = wal.Place(wal.Position(0, 0, 0, bytes(32)), 1, wal.DATA)
    with pytest.raises(TypeError):
        wal.encode_batch(place, [Proposal(1, 1, 1, (piece,))], 0)  # type: ignore[arg-type]


def batches(payloads: list[list[bytes]]) -> tuple[bytes, wal.Place]:
    """Batches end to end as from wal.DATA on, each of these payloads, and the place that they begin at."""
    first = place = wal.Place(wal.Position(6, 3, 70, bytes(32)), 1, wal.DATA)
    data = b""
    for batch in payloads:
        index = place.position.index
        proposals = [Proposal(index + 1 + at, 4, 70 + index + at, (one,)) for at, one in enumerate(batch)]
        laid_out, _, place = wal.encode_batch(place, proposals, index)
        data += laid_out
    return data, first


def one_by_one(data: bytes, place: wal.Place, *, verify: bool) -> tuple[list[Entry], wal.Place, int]:
    """What scanning.decode_batch reads before it meets anything else than a whole batch."""
    entries: list[Entry] = []
    last = 0
    try:
        while (
            after := scanning.decode_batch(data, place.offset - wal.DATA, place, entries, verify=verify)
        ) is not None:
            place, last = after, place.offset
    except wal.Bad:
        pass
    return entries, place, last


@given(
    st.lists(st.lists(st.binary(max_size=20), min_size=1, max_size=3), min_size=1, max_size=3),
    st.booleans(),
    st.data(),
)
def test_whole_batches_are_read_as_far_as_one_by_one(
    payloads: list[list[bytes]], verify: bool, data: st.DataObject
) -> None:
    whole, place = batches(payloads)
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(0, 2))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(0, 255))
    given_bytes = bytes(damaged[: data.draw(st.sampled_from([len(whole), *range(len(whole))]))])
    entries: list[Entry] = []
    after, last = scanning.decode_whole(given_bytes, 0, place, entries, verify=verify)
    assert (entries, after, last) == one_by_one(given_bytes, place, verify=verify)


@pytest.mark.parametrize("verify", [False, True])
def test_every_flipped_byte_stops_where_one_by_one_does(verify: bool) -> None:
    whole, place = batches([[b"one", b"two"], [b"three" * 30]])
    for at in range(len(whole)):
        damaged = whole[:at] + bytes([whole[at] ^ 0x20]) + whole[at + 1 :]
        entries: list[Entry] = []
        after, last = scanning.decode_whole(damaged, 0, place, entries, verify=verify)
        assert (entries, after, last) == one_by_one(damaged, place, verify=verify), at
        assert len(entries) < 3 or not verify


@pytest.mark.parametrize("wrong", ["index", "term", "timestamp", "chain", "number", "offset"])
def test_batches_of_another_place_are_not_read(wrong: str) -> None:
    whole, place = batches([[b"one"]])
    position = place.position
    elsewhere = {
        "index": place._replace(position=position._replace(index=7)),
        "term": place._replace(position=position._replace(term=9)),
        "timestamp": place._replace(position=position._replace(timestamp_ns=1 << 40)),
        "chain": place._replace(position=position._replace(hash=bytes([1] * 32))),
        "number": place._replace(number=2),
        "offset": place._replace(offset=wal.DATA + 512),
    }[wrong]
    entries: list[Entry] = []
    after, last = scanning.decode_whole(whole, 0, elsewhere, entries, verify=True)
    read = 1 if wrong == "term" else 0  # which nothing before an entry binds but the hash
    assert (len(entries), last) == (read, wal.DATA * read)
    assert read or after == elsewhere


def test_payloads_read_back_lie_on_8_bytes() -> None:
    whole, place = batches([[b"a", b"bb" * 7], [b"c"]])
    entries: list[Entry] = []
    scanning.decode_whole(whole, 0, place, entries, verify=True)
    assert [np.frombuffer(entry.payload, np.uint8).ctypes.data % 8 for entry in entries] == [0, 0, 0]
