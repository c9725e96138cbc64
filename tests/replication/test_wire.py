"""What a link carries comes out as it went in, however the stream is cut; anything else is garbled."""

import contextlib
import struct
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication.messages import Entry, Kind, Message
from replication.wire import (
    FRAME_BYTES,
    INPUTS_FRAME,
    MAX_BODY,
    MESSAGE_FRAME,
    OLDEST,
    VERSION,
    Frames,
    Garbled,
    Hello,
    decode_hello,
    decode_message,
    encode_hello,
    encode_message,
    frame,
)

numbers = st.integers(0, 2**64 - 1)
hashes = st.binary(min_size=32, max_size=32)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    index = draw(st.integers(0, 2**40))
    entries = tuple(
        Entry(at, draw(numbers), draw(st.integers(-(2**63), 2**63 - 1)), memoryview(payload), draw(hashes))
        for at, payload in enumerate(draw(st.lists(st.binary(max_size=300), max_size=5)), index + 1)
    )
    kind = draw(st.sampled_from(Kind))
    return Message(
        kind, draw(numbers), draw(numbers), draw(numbers), index, draw(numbers), draw(numbers),
        draw(st.booleans()), draw(st.booleans()), draw(st.booleans()), draw(numbers),
        draw(st.sampled_from((b"", b"h" * 32))), entries,
        draw(st.binary(max_size=300)) if kind is Kind.SNAPSHOT else b"",
    )  # fmt: skip


def cut(data: bytes, places: list[int]) -> Iterator[bytes]:
    start = 0
    for place in sorted(place % (len(data) + 1) for place in places):
        yield data[start:place]
        start = place
    yield data[start:]


@given(st.lists(messages(), max_size=4), st.lists(st.integers(0, 10_000), max_size=6))
def test_messages_come_out_as_they_went_in(sent: list[Message], places: list[int]) -> None:
    stream = b"".join(map(encode_message, sent))
    frames = Frames()
    found = [one for piece in cut(stream, places) for one in frames.feed(piece)]
    assert [kind for kind, _ in found] == [MESSAGE_FRAME] * len(sent)
    assert [decode_message(body) for _, body in found] == sent


@given(messages(), st.data())
def test_no_changed_byte_passes(sent: Message, data: st.DataObject) -> None:
    stream = bytearray(encode_message(sent))
    at = data.draw(st.integers(0, len(stream) - 1))
    stream[at] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(Garbled):
        assert Frames().feed(bytes(stream)) == []  # a length that became larger: the rest may still come


@given(messages(), st.binary(max_size=80), st.integers(0, 400), st.integers(0, 40))
def test_a_body_of_nonsense_is_garbled_or_a_message(
    sent: Message, noise: bytes, at: int, dropped: int
) -> None:
    """Checksums do not save a reader from a peer that computes them over nonsense."""
    body = encode_message(sent)[FRAME_BYTES:]
    at = min(at, len(body))
    for bad in (noise, body[:at], body + noise, body[:at] + noise + body[at + dropped :]):
        with contextlib.suppress(Garbled):
            assert isinstance(decode_message(bad), Message)


def test_what_is_too_long_or_out_of_place_is_garbled() -> None:
    head = bytearray(frame(INPUTS_FRAME, b"x"))
    head[4:8] = (MAX_BODY + 1).to_bytes(4, "little")
    with pytest.raises(Garbled, match="at most"):
        Frames().feed(bytes(head))
    entry = Entry(5, 1, 1, memoryview(b"abc"), b"h" * 32)
    with pytest.raises(Garbled, match="entry 5 of 3 bytes stands where entry 8 should"):
        decode_message(encode_message(Message(Kind.APPEND, 1, 2, 1, index=7, entries=(entry,)))[FRAME_BYTES:])
    with pytest.raises(Garbled, match="kind 99"):
        decode_message(bytes([99]) + encode_message(Message(Kind.READ, 1, 2, 1))[FRAME_BYTES + 1 :])
    with pytest.raises(Garbled, match="shorter"):
        decode_message(b"")


def test_a_hello_comes_out_as_it_went_in() -> None:
    hello = Hello(b"c" * 16, 3, 1, b"d" * 16, 7, b"r" * 16, (b"q" * 16, b"r" * 16), 5)
    ((_, body),) = Frames().feed(encode_hello(hello))
    assert decode_hello(body) == hello
    none = body[: -2 - 2 * 16 - 4]
    for bad in (b"", body[:-1], none, none + b"\1", none + b"\0\0", b"GET / HTTP/1.1\r\n" + body):
        with pytest.raises(Garbled):
            decode_hello(bad)
    assert decode_hello(body + b"what a newer version says") == hello


def test_a_hello_and_one_of_an_older_version_are_understood_by_each_other() -> None:
    """Each version passes over what follows all that it knows."""
    first = struct.Struct("<4sHH16sQQ16sQ16s")  # all of version 1
    second = struct.Struct(first.format + "H16s")  # with one run
    fields = (b"c" * 16, 3, 1, b"d" * 16, 7, b"r" * 16)
    run = b"r" * 16
    assert decode_hello(first.pack(b"QBlk", 1, 1, *fields)) == Hello(*fields, (), 1, 1, 1)
    assert decode_hello(second.pack(b"QBlk", 2, 1, *fields, 1, run)) == Hello(*fields, (run,), 1, 2, 1)
    said = encode_hello(Hello(*fields, (run,), 5))[FRAME_BYTES:]
    assert first.unpack_from(said) == (b"QBlk", VERSION, OLDEST, *fields)
    assert second.unpack_from(said) == (b"QBlk", VERSION, OLDEST, *fields, 1, run)
    assert (VERSION, OLDEST) == (3, 1)
