"""The egress store's file hands what was written to the disk a piece at a time."""

import pytest

from gateway.egress_file import PIECE, EgressFile


class Told:
    """A file without contents: what was asked of it."""

    path = "egress"

    def __init__(self) -> None:
        self.written = 0
        self.asked: list[tuple[str, int, int]] = []

    def pwrite(self, data: memoryview, offset: int) -> None:
        self.written = offset + len(data)

    def pread(self, size: int, offset: int) -> bytes:
        raise AssertionError

    def write_out(self, offset: int, size: int) -> None:
        self.asked.append(("begin", offset, offset + size))

    def sync(self) -> None:
        self.asked.append(("sync", 0, self.written))

    def reserve(self, size: int) -> None: ...
    def truncate(self, size: int) -> None: ...
    def size(self) -> int:
        return self.written

    def close(self) -> None: ...


@pytest.mark.parametrize("waits", [False, True])
def test_never_more_than_a_piece_and_a_write_is_kept_back(waits: bool) -> None:
    told = Told()
    file = EgressFile(told)
    file.waits = waits
    data = memoryview(bytes(PIECE // 3 + 1))
    for number in range(20):
        file.pwrite(data, number * len(data))
        begun = max((end for _, _, end in told.asked), default=0)
        assert told.written - begun < PIECE
    assert {what for what, _, _ in told.asked} == {"sync" if waits else "begin"}
    assert len(told.asked) <= told.written // PIECE


def test_another_store_begins_at_the_beginning() -> None:
    told = Told()
    file = EgressFile(told)
    file.waits = False
    file.pwrite(memoryview(bytes(PIECE)), 0)
    file.empty()
    file.pwrite(memoryview(bytes(PIECE)), 0)
    assert told.asked == [("begin", 0, PIECE)] * 2
