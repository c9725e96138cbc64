"""Who the other members were when they were last met: what a copied, older or emptied directory is known by.

A member's promises (its term, its vote, the entries that it acknowledged) are in its directory. One that comes back
with another directory, or with an older state of it, has forgotten some of them, and could vote twice or for a log
without what it acknowledged. So each start has a random id, its run, which is in the directory before anybody hears of
it; and everybody remembers under which run a member was met last. A copy that was made before that run does not have
it, however often it is started. The file `peers` keeps both: this directory's last runs, and for every member met its
directory and run.

It also says who votes, because a damaged log cannot be asked: one whose only voter this member is must not be
repaired from others, who do not have it (salvage.py).
"""

import json
import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from replication import wal
from replication.files import Disk, LogError, LogFailed
from replication.wire import Hello

NAME = "peers"
MAGIC = b"QBpe"
VERSION = 2  # 1: JSON alone, without the runs
HEAD = struct.Struct("<4sI")  # magic version; then JSON
RUNS = 64  # of this directory that are kept: who has not met it for more of them does not know it any more


class PeersDamaged(LogError):
    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path}: the file is damaged. It says under which runs the other members know this one; without it, or "
            "with an older copy of it, they refuse this member. Look for a failing disk, remove this member, and add "
            "it under a new id with an empty directory. A member that is alone does not need the file: delete it, and "
            "start again"
        )


class Met(NamedTuple):
    directory: str  # hex
    starts: int
    run: str  # hex
    listed: bool = False  # whether it told its runs, so that it can do so again

    def goes_on(self, hello: Hello) -> bool:
        """Whether the same directory greets in the state in which it was met, or a later one."""
        if hello.run.hex() == self.run:
            return True
        if self.listed:
            return bytes.fromhex(self.run) in hello.runs
        return hello.starts > self.starts  # all that version 1 of the link protocol tells


class Acquaintances:
    """Kept durably in `disk`. Raises OSError, LogError."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._runs: list[str] = []  # hex
        self._met: dict[int, Met] = {}
        self.voters = frozenset[int]()  # who can be relied on to have what is here; none: not known
        try:
            file = disk.open(NAME, write=False)
        except FileNotFoundError:
            return
        data = file.pread(file.size(), 0)
        file.close()
        try:
            found = decode(data)
        except wal.Bad as bad:
            raise LogError(f"{file.path}: {bad.what}: start the program that wrote it") from None
        if found is None:
            raise PeersDamaged(file.path)
        self._runs, self._met, self.voters = found

    def __contains__(self, member: int) -> bool:
        """Whether it was ever met from here."""
        return member in self._met

    @property
    def runs(self) -> tuple[bytes, ...]:
        """The last ones of this directory, oldest first, 16 bytes each."""
        return tuple(map(bytes.fromhex, self._runs))

    def begin(self, run: bytes) -> None:
        """A new run, durable before anybody hears of it. run: 16 random bytes. Raises LogFailed."""
        self._runs = [*self._runs, run.hex()][-RUNS:]
        self._save()

    def note_voters(self, voters: frozenset[int], *, committed: bool) -> None:
        """Who votes by the newest membership. Durable before an entry of that membership is, because one in which this
        member votes alone counts at once; one that is not committed adds nobody, because the others may not have what
        was before it. Raises LogFailed."""
        if not committed:
            voters &= self.voters
        if voters != self.voters:
            self.voters = voters
            self._save()

    def judge(self, hello: Hello) -> str | None:
        """Why this cannot be the member that it says it is, for people; None: it can, and is remembered. Raises
        LogFailed."""
        met = Met(hello.directory.hex(), hello.starts, hello.run.hex(), bool(hello.runs))
        known = self._met.get(hello.sender)
        if known is not None:
            lost = (
                f"the promises of member {hello.sender} are lost: remove it, and add it under a new id with an "
                "empty directory"
            )
            if known.directory != met.directory:
                return f"member {hello.sender} came back with another data directory than it had; {lost}"
            if not known.goes_on(hello):
                return (
                    f"member {hello.sender} came back with a copy or an older state of its data directory, or runs "
                    f"twice. If it does not run twice, {lost}"
                )
        if known != met:
            self._met[hello.sender] = met
            self._save()
        return None

    def _save(self) -> None:
        """Whole or not at all."""
        new = NAME + ".tmp"
        try:
            file = self._disk.open(new, create=True)
            try:
                file.truncate(0)
                file.pwrite(encode(self._runs, self._met, self.voters), 0)
                file.sync()
            finally:
                file.close()
            self._disk.rename(new, NAME)
            self._disk.sync_directory()
        except OSError as error:
            raise LogFailed(self._disk.path(NAME), error) from error


def encode(runs: Sequence[str], met: dict[int, Met], voters: Iterable[int]) -> bytes:
    """The file's bytes."""
    known = {"runs": runs, "met": met, "voters": sorted(voters)}
    return wal.sealed(HEAD.pack(MAGIC, VERSION) + json.dumps(known, indent=1).encode())


def decode(data: bytes) -> tuple[list[str], dict[int, Met], frozenset[int]] | None:
    """What `encode` was given; also of a file of version 1, or without the voters, which older programs did not write.
    None: the file is not whole. Raises wal.Bad for a version that is not known here."""
    length = max(0, len(data) - wal.CRC.size - HEAD.size)
    fields = wal.unsealed(struct.Struct(f"{HEAD.format}{length}s"), MAGIC, data, 0)
    if fields is None:
        try:
            return [], {int(id): Met(*met) for id, met in json.loads(data).items()}, frozenset()
        except (ValueError, TypeError, AttributeError):
            return None
    version, text = fields
    if version != VERSION:
        raise wal.Bad(wal.CRC.size, f"peers format version {version}; this program reads {VERSION}")
    found = json.loads(text)  # type: ignore[arg-type]
    met = {int(id): Met(*met) for id, met in found["met"].items()}
    return found["runs"], met, frozenset(found.get("voters", ()))
