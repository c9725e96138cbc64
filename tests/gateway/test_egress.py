"""The egress store against a plain dict, over a file that remembers what was done to it."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway import egress_snapshot
from gateway.egress import EgressStore

HEAD = struct.Struct("<IBBBBIIQqQQIIQ")  # EgressHead of gateway/records.pxd
MESSAGE, RESEND = 1, 2
MIB = 1 << 20


class MemoryFile:
    """What replication.disk.File does, in memory."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.writes: list[int] = []

    def pwrite(self, data: memoryview, offset: int) -> None:
        assert offset == sum(self.writes), "blocks are written one after another"
        self.data[offset : offset + len(data)] = data
        self.writes.append(len(data))

    def pread(self, size: int, offset: int) -> bytes:
        return bytes(self.data[offset : offset + size])


def record(session: int, number: int, body: bytes = b"", kind: int = MESSAGE, msg_type: int = 56) -> bytes:
    body += bytes(-len(body) % 8)
    size = HEAD.size + len(body)
    return HEAD.pack(size, kind, msg_type, 0, 0, session, 1, number, 10**18, number * 7, 0, 0, 0, 0) + body


def without_link(data: bytes) -> bytes:
    return data[:40] + bytes(8) + data[48:]


def read_all(store: EgressStore, session: int, begin: int, end: int, limit: int) -> list[bytes]:
    """Every chunk after another, as the server does."""
    found: list[bytes] = []
    while True:
        chunk = store.read(session, begin, end, limit)
        if not chunk:
            return found
        assert len(chunk) == 1 or sum(map(len, chunk)) <= limit
        found += chunk
        begin = HEAD.unpack_from(chunk[-1])[7] + 1
        if end and begin > end:
            return found


class StoreAgainstDict(RuleBasedStateMachine):
    """Sessions write, reset and read in any order; blocks fill and leave the window of two."""

    def __init__(self) -> None:
        super().__init__()
        self.file = MemoryFile()
        self.store = EgressStore(self.file, 1)
        self.model: dict[int, dict[int, bytes]] = {}
        self.next: dict[int, int] = {}

    @rule(
        sessions=st.lists(st.integers(0, 5), min_size=1, max_size=6),
        rounds=st.integers(1, 200),
        size=st.integers(0, 3000),
        first=st.integers(1, 100),
    )
    def write(self, sessions: list[int], rounds: int, size: int, first: int) -> None:
        """first: the number that a session without messages begins with."""
        batch = []
        for turn in range(rounds):
            for session in sessions:
                number = self.next.get(session, first)
                made = record(session, number, bytes([turn % 251]) * (size + turn % 17))
                self.model.setdefault(session, {})[number] = made
                self.next[session] = number + 1
                batch += [made, record(session, 9, kind=RESEND)]
        self.store.append(b"".join(batch))

    @rule(session=st.integers(0, 5))
    def start_numbers_again(self, session: int) -> None:
        made = record(session, 1, b"logon")
        self.store.append(made)
        self.model[session] = {1: made}
        self.next[session] = 2

    @rule(session=st.integers(0, 5))
    def go_on_behind_a_first_number(self, session: int) -> None:
        """The answer to a Logon that begins nothing anew (SessionFields.ref_seq_num)."""
        if session in self.next:
            goes_on = bytes(16) + (self.next[session] - 1).to_bytes(8, "little") + bytes(24)
            self.store.append(record(session, 1, goes_on, msg_type=ord("A")))

    @rule(
        session=st.integers(0, 7),
        begin=st.integers(0, 1500),
        length=st.integers(-1, 400),
        limit=st.sampled_from([1, 5000, 100_000, 10**9]),
    )
    def read(self, session: int, begin: int, length: int, limit: int) -> None:
        end = 0 if length < 0 else begin + length
        kept = self.model.get(session, {})
        expected = [kept[n] for n in sorted(kept) if n >= begin and (n <= end or not end)]
        assert [without_link(r) for r in read_all(self.store, session, begin, end, limit)] == expected

    @rule(session=st.integers(0, 7), input_number=st.integers(0, 12_000))
    def find_an_input_number(self, session: int, input_number: int) -> None:
        """Of each message it is seven times its number."""
        late = [n for n in self.model.get(session, {}) if n * 7 >= input_number]
        assert self.store.first_from(session, input_number) == (min(late) if late else 0)

    @rule(cut=st.sampled_from([7, 1000, 300_000, 10**9]))
    def begin_again_from_a_snapshot(self, cut: int) -> None:
        data = b"".join(egress_snapshot.snapshot_pieces(self.store))
        kept = sum(len(one) for messages in self.model.values() for one in messages.values())
        assert len(data) == 16 + kept + 24
        self.file = MemoryFile()
        pieces = [data[at : at + cut] for at in range(0, min(len(data), 100 * cut), cut)]
        self.store = egress_snapshot.restore(self.file, [*pieces, data[100 * cut :]], 1)
        assert b"".join(egress_snapshot.snapshot_pieces(self.store)) == data

    @invariant()
    def numbers_are_the_models(self) -> None:
        for session, kept in self.model.items():
            assert self.store.numbers(session) == ((min(kept), max(kept)) if kept else (0, 0))


StoreAgainstDict.TestCase.settings = settings(max_examples=40, stateful_step_count=25)
TestStoreAgainstDict = StoreAgainstDict.TestCase


def test_links_name_the_sessions_previous_message() -> None:
    store = EgressStore(MemoryFile())
    first, other, second = record(1, 1, b"a" * 40), record(2, 1), record(1, 2)
    store.append(first + other + second)
    assert HEAD.unpack_from(store.read(1, 2, 2, 10**6)[0])[10] == 0
    store.append(record(2, 2))
    assert HEAD.unpack_from(store.read(2, 2, 2, 10**6)[0])[10] == len(first)


@pytest.mark.parametrize("size", [8, 4096, MIB // 2, MIB - 64])
def test_records_meet_block_ends_whole(size: int) -> None:
    file = MemoryFile()
    store = EgressStore(file, 2 * MIB)
    count = min(3000, 4 * MIB // (size + 64) + 5)
    kept = [record(3, number, bytes([number % 256]) * size) for number in range(1, count + 1)]
    for one in kept:
        store.append(one)
    assert [without_link(r) for r in read_all(store, 3, 1, 0, 10**9)] == kept
    assert all(length <= MIB for length in file.writes)


def test_old_bytes_behind_the_end_of_the_file_are_never_believed() -> None:
    """A file that was not truncated: pages are read only as far as this store has written."""
    file = MemoryFile()
    file.data += b"\xff" * (8 * MIB)
    store = EgressStore(file, 1)
    for number in range(1, 6000):
        store.append(record(1, number, b"x" * 1000))
        if number > 2200 and number % 100 == 0:  # the page read last may end where the store ended then
            assert len(read_all(store, 1, number - 2200, number - 1900, 10**6)) == 301
    assert len(read_all(store, 1, 1, 0, 50_000)) == 5999


def test_a_file_changed_from_outside_is_reported_not_sent() -> None:
    file = MemoryFile()
    store = EgressStore(file, 1)
    for number in range(1, 4000):
        store.append(record(1, number, b"x" * 1000))
    file.data[:MIB] = bytes(MIB)
    with pytest.raises(RuntimeError, match=r"message .* of session 1 at offset"):
        store.read(1, 5, 9, 10**6)


def test_a_number_that_does_not_follow_is_refused() -> None:
    store = EgressStore(MemoryFile())
    store.append(record(1, 1))
    with pytest.raises(ValueError, match="session 1: message 3 cannot follow 1"):
        store.append(record(1, 3))
    with pytest.raises(ValueError, match="session id"):
        store.append(record(1 << 24, 1))


@given(data=st.binary(max_size=200), cut=st.integers(1, 63))
def test_bytes_that_are_no_records_are_refused(data: bytes, cut: int) -> None:
    store = EgressStore(MemoryFile())
    good = record(1, 1)
    with pytest.raises(ValueError, match="no egress record at byte"):
        store.append(good + good[:cut])
    if data and struct.unpack_from("<I", data.ljust(4, b"\0"))[0] not in range(64, len(data) + 1):
        with pytest.raises(ValueError, match="no egress record at byte 0"):
            store.append(data)


def test_a_snapshot_is_of_when_it_was_begun() -> None:
    """Though messages follow, and numbers begin again."""
    store = EgressStore(MemoryFile(), 1)
    kept = [record(1, number, b"x" * 1000) for number in range(1, 5000)]
    store.append(b"".join(kept))
    pieces = egress_snapshot.snapshot_pieces(store)
    data = [next(pieces), next(pieces)]
    store.append(record(1, 1, b"again") + record(2, 1))
    for piece in pieces:
        store.append(record(2, store.numbers(2)[1] + 1, b"y" * 100_000))
        data.append(piece)
    assert max(map(len, data)) <= MIB
    restored = egress_snapshot.restore(MemoryFile(), data)
    assert restored.numbers(2) == (0, 0)
    assert [without_link(one) for one in read_all(restored, 1, 1, 0, 10**6)] == kept


def test_what_is_no_snapshot_is_refused() -> None:
    store = EgressStore(MemoryFile())
    store.append(record(1, 1, b"a" * 8) + record(2, 7) + record(1, 2))
    data = b"".join(egress_snapshot.snapshot_pieces(store))
    damaged = [data[:length] for length in range(len(data))] + [data + b"\0", data + data]
    for at in range(len(data)):
        for flip in (1, 0x80, 0xFF):
            damaged.append(data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :])
    for one in damaged:
        with pytest.raises(ValueError, match="egress snapshot, byte offset"):
            egress_snapshot.restore(MemoryFile(), [one])


def test_a_snapshot_of_a_file_changed_from_outside_fails() -> None:
    file = MemoryFile()
    store = EgressStore(file, 1)
    for number in range(1, 4000):
        store.append(record(1, number, b"x" * 1000))
    file.data[:MIB] = bytes(MIB)
    with pytest.raises(RuntimeError, match="the egress file does not hold the messages written at offset 0"):
        list(egress_snapshot.snapshot_pieces(store))
