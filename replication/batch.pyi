from collections.abc import Sequence

from replication.messages import Entry, Proposal

def lay_out(
    number: int, offset: int, before: bytes, proposals: Sequence[Proposal], proven_index: int
) -> tuple[bytes, list[Entry]]: ...
def read_whole(
    data: bytes,
    at: int,
    position: tuple[int, int, int, bytes],
    number: int,
    offset: int,
    entries: list[Entry],
    verify: bool,
) -> tuple[tuple[int, int, int, bytes], int, int, int]: ...
