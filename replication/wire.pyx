# cython: boundscheck=False, wraparound=False
# Every read lies below the end of the bytes given, compared first; every write below the size that was summed up from
# the same pieces, and a piece that changes its size meanwhile raises.
"""What goes over a link between two replicas: frames, the hello, messages. Bytes in, values out; no I/O.

A frame is CRC32C of all that follows it, length of the body, kind, body; little endian. An entry lies in an append as
index, term, timestamp, chain hash, length, payload; a snapshot's chunk lies behind all else of its message. Each side
begins with a hello, and hangs up on one that it does not like. Compiled, because every answer waits for several of
these.
"""

import struct
from typing import NamedTuple

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from replication.checksum cimport crc32c

from replication.messages import Entry, Kind, Message

MAGIC = b"QBlk"
VERSION = 3  # two neighbouring versions form a cluster. 1: no runs behind the hello; 2: no program behind them
OLDEST = 1  # the oldest version that this program speaks
HELLO = struct.Struct("<4sHH16sQQ16sQ16s")  # magic version oldest cluster | from to | directory starts run
RUNS = struct.Struct("<H")  # how many, behind the hello; then each
RUN_BYTES = 16
PROGRAM = struct.Struct("<I")  # behind the runs
MAX_BODY = 64 << 20
FRAME_BYTES = sizeof(FrameHead)

# Kinds of frames. Refused: why the hello was not liked, for people; then the link is closed. Inputs: a payload that a
# gateway wants proposed.
HELLO_FRAME, REFUSED_FRAME, MESSAGE_FRAME, INPUTS_FRAME = 1, 2, 3, 4

cdef enum:
    MESSAGE_KIND = 3            # MESSAGE_FRAME
    MOST = 64 << 20             # MAX_BODY
    CRC = 4
    REJECTED = 1                # flags of a message
    FORCED = 2
    HASHED = 4
    LAZY = 8

cdef packed struct FrameHead:
    uint32_t crc
    uint32_t size               # bytes of the body
    uint32_t kind

cdef packed struct MessageHead:
    uint8_t kind
    uint8_t flags
    uint64_t sender
    uint64_t to
    uint64_t term
    uint64_t index
    uint64_t log_term
    uint64_t commit
    uint64_t number
    uint8_t hash[32]
    uint32_t entries

cdef packed struct EntryHead:
    uint64_t index
    uint64_t term
    int64_t timestamp_ns
    uint8_t hash[32]
    uint32_t size               # bytes of the payload, which follows

cdef object SNAPSHOT = Kind.SNAPSHOT
cdef tuple KINDS = tuple(Kind(number) if number in set(Kind) else None for number in range(max(Kind) + 1))


class Garbled(Exception):
    """Bytes that no replica of this cluster sends; the text is for people."""


class Hello(NamedTuple):
    """Who speaks, from which directory."""

    cluster: bytes  # 16 bytes
    sender: int  # member ids
    to: int
    directory: bytes  # 16 bytes, made with the directory
    starts: int  # how often that directory was opened: who speaks version 1 judges by it
    run: bytes  # 16 random bytes of this process
    runs: tuple[bytes, ...]  # of the directory: the last ones, this one among them; empty in version 1
    program: int = 1  # what the replicated program can do, in numbers of its own; 1 in versions 1 and 2
    version: int = VERSION
    oldest: int = OLDEST


cdef bytes framed(uint32_t kind, size_t size):
    """Room for a frame; `seal` ends it."""
    cdef bytes made = PyBytes_FromStringAndSize(NULL, sizeof(FrameHead) + size)
    cdef FrameHead* head = <FrameHead*>PyBytes_AS_STRING(made)
    head.size = <uint32_t>size
    head.kind = kind
    return made


cdef int seal(bytes made) except -1:
    cdef FrameHead* head = <FrameHead*>PyBytes_AS_STRING(made)
    head.crc = crc32c(<uint8_t*>head + CRC, sizeof(FrameHead) - CRC + head.size)
    return 0


cdef int place(part, uint8_t* at, size_t size) except -1:
    """The bytes of a buffer, exactly `size` of them."""
    cdef Py_buffer view
    PyObject_GetBuffer(part, &view, PyBUF_SIMPLE)
    try:
        if <size_t>view.len != size:
            raise BufferError("a payload has changed its size while it was sent")
        memcpy(at, view.buf, size)
    finally:
        PyBuffer_Release(&view)
    return 0


def frame(uint32_t kind, body) -> bytes:
    cdef bytes made = framed(kind, len(body))
    place(body, <uint8_t*>PyBytes_AS_STRING(made) + sizeof(FrameHead), len(body))
    seal(made)
    return made


cdef class Frames:
    """Cuts a stream of bytes into frames, however it is cut itself. Bounded by the longest frame."""

    cdef bytearray rest         # of a frame that is not whole yet

    def __init__(self) -> None:
        self.rest = bytearray()

    def feed(self, bytes data not None) -> list[tuple[int, bytes]]:
        """(kind, body) of every frame that is whole now. Raises Garbled."""
        cdef const uint8_t[::1] view
        cdef size_t size, at = 0
        cdef FrameHead head
        cdef list found = []
        if self.rest:
            self.rest += data
            data = bytes(self.rest)
        if not data:
            return found
        view = data
        size = len(data)
        while size - at >= sizeof(FrameHead):
            memcpy(&head, &view[at], sizeof(head))
            if head.size > MOST:
                raise Garbled(f"a frame of {head.size} bytes; a replica sends at most {MAX_BODY}")
            if size - at - sizeof(head) < head.size:
                break
            if crc32c(&view[at] + CRC, sizeof(head) - CRC + head.size) != head.crc:
                raise Garbled("the checksum of a frame does not match")
            at += sizeof(head)
            found.append((head.kind, PyBytes_FromStringAndSize(PyBytes_AS_STRING(data) + at, head.size)))
            at += head.size
        self.rest = bytearray(data[at:])
        return found


def encode_hello(hello: Hello) -> bytes:
    """A frame."""
    head = HELLO.pack(MAGIC, hello.version, hello.oldest, *hello[:6])
    runs = RUNS.pack(len(hello.runs)), *hello.runs
    return frame(HELLO_FRAME, b"".join((head, *runs, PROGRAM.pack(hello.program))))


def decode_hello(bytes body not None) -> Hello:
    """Raises Garbled."""
    if len(body) < HELLO.size or body[:4] != MAGIC:
        raise Garbled("it does not begin as a replica does")
    _, version, oldest, *rest = HELLO.unpack_from(body)
    cluster, sender, to, directory, starts, run = rest
    runs = decode_runs(body[HELLO.size:]) if version > 1 else ()
    program = decode_program(body[HELLO.size + RUNS.size + RUN_BYTES * len(runs):]) if version > 2 else 1
    return Hello(cluster, sender, to, directory, starts, run, runs, program, version, oldest)


def decode_runs(bytes data not None) -> tuple[bytes, ...]:
    count = RUNS.unpack_from(data)[0] if len(data) >= RUNS.size else 0
    end = RUNS.size + RUN_BYTES * count
    if not count or len(data) < end:
        raise Garbled("the runs in its hello are cut short")
    return tuple(data[at:at + RUN_BYTES] for at in range(RUNS.size, end, RUN_BYTES))


def decode_program(bytes data not None) -> int:
    if len(data) < PROGRAM.size:
        raise Garbled("its hello is cut short behind the runs")
    return PROGRAM.unpack_from(data)[0]


def encode_message(m) -> bytes:
    """A frame."""
    cdef size_t size = sizeof(MessageHead)
    cdef bytes made, digest
    cdef uint8_t* at
    cdef MessageHead* head
    cdef EntryHead* entry
    kind, sender, to, term, index, log_term, commit, rejected, forced, lazy, number, digest, entries, chunk = m
    size += <size_t>len(chunk)
    for _, _, _, payload, _ in entries:
        size += sizeof(EntryHead) + <size_t>len(payload)
    made = framed(MESSAGE_KIND, size)
    at = <uint8_t*>PyBytes_AS_STRING(made) + sizeof(FrameHead)
    head = <MessageHead*>at
    memset(head, 0, sizeof(MessageHead))
    head.kind = kind
    head.flags = ((REJECTED if rejected else 0) | (FORCED if forced else 0) | (HASHED if digest else 0)
                  | (LAZY if lazy else 0))
    head.sender, head.to, head.term = sender, to, term
    head.index, head.log_term = index, log_term
    head.commit, head.number = commit, number
    if digest:
        place(digest, head.hash, sizeof(head.hash))
    head.entries = <uint32_t>len(entries)
    at += sizeof(MessageHead)
    for entry_index, entry_term, timestamp_ns, payload, chain_hash in entries:
        entry = <EntryHead*>at
        entry.index, entry.term = entry_index, entry_term
        entry.timestamp_ns = timestamp_ns
        place(chain_hash, entry.hash, sizeof(entry.hash))
        entry.size = <uint32_t>len(payload)
        at += sizeof(EntryHead)
        if <size_t>(at - <uint8_t*>head) + entry.size > size:
            raise BufferError("a payload has changed its size while it was sent")
        place(payload, at, entry.size)
        at += entry.size
    if chunk:
        place(chunk, at, size - (at - <uint8_t*>head))
    seal(made)
    return made


def decode_message(bytes body not None) -> Message:
    """Raises Garbled."""
    cdef size_t size = len(body), at = sizeof(MessageHead)
    cdef const char* data = PyBytes_AS_STRING(body)
    cdef MessageHead head
    cdef EntryHead entry
    cdef uint64_t expected
    if size < sizeof(head):
        raise Garbled(f"a message of {size} bytes, shorter than its head")
    memcpy(&head, data, sizeof(head))
    kind = KINDS[head.kind] if head.kind < <size_t>len(KINDS) else None
    if kind is None:
        raise Garbled(f"a message of kind {head.kind}")
    entries = []
    whole = memoryview(body)
    for expected in range(head.index + 1, head.index + 1 + head.entries):
        if size - at < sizeof(entry):
            raise Garbled(f"entry {expected} is cut short")
        memcpy(&entry, data + at, sizeof(entry))
        at += sizeof(entry)
        if entry.index != expected or entry.size > size - at:
            raise Garbled(f"entry {entry.index} of {entry.size} bytes stands where entry {expected} should")
        entries.append(Entry(
            entry.index, entry.term, entry.timestamp_ns, whole[at:at + entry.size],
            PyBytes_FromStringAndSize(<char*>entry.hash, sizeof(entry.hash)),
        ))
        at += entry.size
    if at != size and kind is not SNAPSHOT:
        raise Garbled("a message is followed by bytes that are not of it")
    return Message(
        kind, head.sender, head.to, head.term, head.index, head.log_term, head.commit,
        bool(head.flags & REJECTED), bool(head.flags & FORCED), bool(head.flags & LAZY), head.number,
        PyBytes_FromStringAndSize(<char*>head.hash, sizeof(head.hash)) if head.flags & HASHED else b"", tuple(entries),
        whole[at:] if at != size else b"",
    )
