"""The egress store's file hands what was written to the disk a piece at a time."""

from gateway.egress_file import KEPT_BACK, PIECE, EgressFile


class Told:
    """A file without contents."""

    path = "egress"

    def __init__(self) -> None:
        self.written = 0
        self.asked: list[tuple[int, int]] = []  # (begin, end) of what the disk shall begin with

    def pwrite(self, data: memoryview, offset: int) -> None:
        self.written = offset + len(data)

    def pread(self, size: int, offset: int) -> bytes:
        raise AssertionError

    def write_out(self, offset: int, size: int) -> None:
        self.asked.append((offset, offset + size))

    def sync(self) -> None: ...

    def reserve(self, size: int) -> None: ...
    def truncate(self, size: int) -> None: ...
    def size(self) -> int:
        return self.written

    def close(self) -> None: ...


THIRD = memoryview(bytes(PIECE // 3 + 1))


def test_the_disk_gets_all_but_the_end_in_pieces_of_one_size() -> None:
    told = Told()
    file = EgressFile(told)
    for number in range(3 * (KEPT_BACK // PIECE + 20)):
        file.pwrite(THIRD, number * len(THIRD))
        begun = max((end for _, end in told.asked), default=0)
        assert told.written - begun < KEPT_BACK + PIECE
    assert told.asked == [(number * PIECE, (number + 1) * PIECE) for number in range(len(told.asked))]
    assert len(told.asked) >= 20


def test_another_store_begins_at_the_beginning() -> None:
    told = Told()
    file = EgressFile(told)
    for _ in range(2):
        file.pwrite(memoryview(bytes(KEPT_BACK)), 0)
        file.pwrite(memoryview(bytes(PIECE)), KEPT_BACK)
        file.empty()
    assert told.asked == [(0, PIECE)] * 2
