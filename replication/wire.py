"""What goes over a link between two replicas: frames, the hello, messages. Bytes in, values out; no I/O.

A frame is CRC32C of all that follows it, length of the body, kind, body; little endian. An entry lies in an append as
index, term, timestamp, chain hash, payload. Each side begins with a hello, and hangs up on one that it does not like.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

import google_crc32c

from replication.messages import Entry, Kind, Message

MAGIC = b"QBlk"
VERSION = 1
OLDEST = 1  # the oldest version that this program speaks
FRAME = struct.Struct("<III")  # crc, bytes of body, kind
HELLO = struct.Struct("<4sHH16sQQ16sQ16s")  # magic version oldest cluster | from to | directory starts run
MESSAGE = struct.Struct(
    "<BBQQQQQQQ32sI"
)  # kind flags sender to term index log_term commit number hash entries
ENTRY = struct.Struct("<QQq32sI")
MAX_BODY = 64 << 20
REJECTED, FORCED, HASHED = 1, 2, 4

# Kinds of frames. Refused: why the hello was not liked, for people; then the link is closed. Inputs: a payload that a
# gateway wants proposed.
HELLO_FRAME, REFUSED_FRAME, MESSAGE_FRAME, INPUTS_FRAME = 1, 2, 3, 4


class Garbled(Exception):
    """Bytes that no replica of this cluster sends; the text is for people."""


class Hello(NamedTuple):
    """Who speaks, from which directory."""

    cluster: bytes  # 16 bytes
    sender: int  # member ids
    to: int
    directory: bytes  # 16 bytes, made with the directory
    starts: int  # how often that directory was opened
    run: bytes  # 16 random bytes of this process
    version: int = VERSION
    oldest: int = OLDEST


def frame(kind: int, *parts: bytes | memoryview) -> list[bytes | memoryview]:
    """A frame in pieces."""
    size = sum(map(len, parts))
    head = FRAME.pack(0, size, kind)[4:]
    crc = google_crc32c.value(head)
    for part in parts:
        crc = google_crc32c.extend(crc, bytes(part))
    return [struct.pack("<I", crc) + head, *parts]


class Frames:
    """Cuts a stream of bytes into frames, however it is cut itself. Bounded by the longest frame."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """(kind, body) of every frame that is whole now. Raises Garbled."""
        buffer = self._buffer
        buffer += data
        at = 0
        while len(buffer) - at >= FRAME.size:
            crc, size, kind = FRAME.unpack_from(buffer, at)
            if size > MAX_BODY:
                raise Garbled(f"a frame of {size} bytes; a replica sends at most {MAX_BODY}")
            end = at + FRAME.size + size
            if len(buffer) < end:
                break
            if google_crc32c.value(bytes(buffer[at + 4 : end])) != crc:
                raise Garbled("the checksum of a frame does not match")
            yield kind, bytes(buffer[at + FRAME.size : end])
            at = end
        del buffer[:at]


def encode_hello(hello: Hello) -> list[bytes | memoryview]:
    body = HELLO.pack(MAGIC, hello.version, hello.oldest, *hello[:6])
    return frame(HELLO_FRAME, body)


def decode_hello(body: bytes) -> Hello:
    """Raises Garbled."""
    if len(body) < HELLO.size or body[:4] != MAGIC:
        raise Garbled("it does not begin as a replica does")
    _, version, oldest, *rest = HELLO.unpack_from(body)
    cluster, sender, to, directory, starts, run = rest
    return Hello(cluster, sender, to, directory, starts, run, version, oldest)


def encode_message(m: Message) -> list[bytes | memoryview]:
    flags = REJECTED * m.rejected | FORCED * m.forced | HASHED * bool(m.hash)
    parts: list[bytes | memoryview] = [
        MESSAGE.pack(
            m.kind,
            flags,
            m.sender,
            m.to,
            m.term,
            m.index,
            m.log_term,
            m.commit,
            m.number,
            m.hash,
            len(m.entries),
        )
    ]
    for index, term, timestamp_ns, payload, chain_hash in m.entries:
        parts += [ENTRY.pack(index, term, timestamp_ns, chain_hash, len(payload)), payload]
    return frame(MESSAGE_FRAME, *parts)


def decode_message(body: bytes) -> Message:
    """Raises Garbled."""
    try:
        kind, flags, sender, to, term, index, log_term, commit, number, digest, count = MESSAGE.unpack_from(
            body
        )
        entries = []
        at = MESSAGE.size
        view = memoryview(body)
        for expected in range(index + 1, index + 1 + count):
            found, entry_term, timestamp_ns, chain_hash, size = ENTRY.unpack_from(body, at)
            at += ENTRY.size
            if found != expected or at + size > len(body):
                raise Garbled(f"entry {found} of {size} bytes stands where entry {expected} should")
            entries.append(Entry(found, entry_term, timestamp_ns, view[at : at + size], chain_hash))
            at += size
        if at != len(body):
            raise Garbled("a message is followed by bytes that are not of it")
        return Message(
            Kind(kind),
            sender,
            to,
            term,
            index,
            log_term,
            commit,
            bool(flags & REJECTED),
            bool(flags & FORCED),
            number,
            digest if flags & HASHED else b"",
            tuple(entries),
        )
    except (struct.error, ValueError) as error:
        raise Garbled(f"a message that cannot be read: {error}") from None
