"""Who the other members were when they were last met: what a copied, older or emptied directory is known by.

A member's promises (its term, its vote, the entries that it acknowledged) are in its directory. One that comes back
with another directory, or with an older state of it, has forgotten some of them, and could vote twice or for a log
without what it acknowledged. The file `peers` keeps, for every member met, the directory's id, how often that was
opened, and the process that did.
"""

import json
from typing import NamedTuple

from replication.files import Disk
from replication.wire import Hello

NAME = "peers"


class Met(NamedTuple):
    directory: str  # hex
    starts: int
    run: str  # hex


class Acquaintances:
    """Kept durably in `disk`. Raises OSError."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._met: dict[int, Met] = {}
        try:
            file = disk.open(NAME, write=False)
        except FileNotFoundError:
            return
        found = json.loads(file.pread(file.size(), 0))
        file.close()
        self._met = {int(id): Met(*met) for id, met in found.items()}

    def __contains__(self, member: int) -> bool:
        """Whether it was ever met from here."""
        return member in self._met

    def judge(self, hello: Hello) -> str | None:
        """Why this cannot be the member that it says it is, for people; None: it can, and is remembered."""
        met = Met(hello.directory.hex(), hello.starts, hello.run.hex())
        known = self._met.get(hello.sender)
        if known is not None and known != met:
            lost = (
                f"the promises of member {hello.sender} are lost: remove it, and add it under a new id with an "
                "empty directory"
            )
            if known.directory != met.directory:
                return f"member {hello.sender} came back with another data directory than it had; {lost}"
            if known.starts >= met.starts:
                return (
                    f"member {hello.sender} came back with a copy or an older state of its data directory, or runs "
                    f"twice. If it does not run twice, {lost}"
                )
        if known != met:
            self._met[hello.sender] = met
            self._save()
        return None

    def _save(self) -> None:
        data = json.dumps(self._met, indent=1).encode()
        new = NAME + ".tmp"
        file = self._disk.open(new, create=True)
        try:
            file.truncate(0)
            file.pwrite(data, 0)
            file.sync()
        finally:
            file.close()
        self._disk.rename(new, NAME)
        self._disk.sync_directory()
