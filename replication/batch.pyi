from collections.abc import Sequence

from replication.messages import Entry, Proposal

def lay_out(
    number: int, offset: int, before: bytes, proposals: Sequence[Proposal], proven_index: int
) -> tuple[bytes, list[Entry]]: ...
