"""Snapshots on their way between members: the bytes of their chunks, read and written beside the loop.

Which chunk goes to whom, and which one came, Raft says (sending.py, raft.py). What comes lies in a file of its own
until it is whole, and outlives a restart, a broken link and a change of the leader there.
"""

from collections.abc import Sequence
from contextlib import suppress

from replication import snapshots
from replication.files import Disk, File, Job, LogDamaged
from replication.messages import Message
from replication.raft import Raft
from replication.sending import CHUNK_BYTES
from replication.snapshots import PART_NAME, Snapshot, part_name, snapshot_name


class Transfer:
    """Both directions of one member. notes: what went wrong, for people."""

    def __init__(self, disk: Disk, cluster: bytes, notes: list[str]) -> None:
        self._disk = disk
        self._cluster = cluster
        self._notes = notes
        self._trouble = ""  # what was told last
        self._reading: tuple[Sequence[Message], Job[list[bytes]]] | None = None
        self._arriving: _Arriving | None = None

    @property
    def busy(self) -> bool:
        """Whether something is under way that only a turn takes up."""
        return self._reading is not None or (self._arriving is not None and self._arriving.working)

    def turn(self, raft: Raft) -> Snapshot | None:
        """Goes on. One that has come whole, as long as it is there."""
        self._read(raft)
        try:
            whole = self._arriving.turn(raft) if self._arriving is not None else None
            arrived, raft.arrived = raft.arrived, []
            for message in arrived:
                self._take(raft, message)
        except OSError as error:  # a full disk: asked again, it begins again
            self._arriving = None
            what = f"a snapshot cannot be received: {error.filename or self._disk.path('')}: {error.strerror}"
            if what != self._trouble:
                self._trouble = what
                self._notes.append(what)
            return None
        if whole is not None:
            self._arriving = None
        return whole

    def _read(self, raft: Raft) -> None:
        if self._reading is not None:
            wanted, job = self._reading
            if not job.done():
                return
            self._reading = None
            for message, data in zip(wanted, job.result(), strict=True):
                if data:
                    raft.post(message._replace(data=data))
        if raft.chunks:
            chunks, raft.chunks = raft.chunks, []
            disk = self._disk
            self._reading = chunks, disk.start(lambda: [read_chunk(disk, m) for m in chunks], aside=True)

    def _take(self, raft: Raft, message: Message) -> None:
        arriving = self._arriving
        if arriving is None or not arriving.is_of(message):
            if arriving is not None and arriving.working:
                return  # it is asked for again
            arriving = self._arriving = _Arriving(self._disk, self._cluster, self._notes, message)
        arriving.take(raft, message)

    def close(self) -> None:
        """Waits for what is under way."""
        if self._reading is not None:
            self._reading[1].result()
        if self._arriving is not None:
            self._arriving.close()


def read_chunk(disk: Disk, message: Message) -> bytes:
    """Empty: the snapshot is not there any more, and another one is offered soon."""
    try:
        file = disk.open(snapshot_name(message.index), write=False)
        try:
            return file.pread(min(CHUNK_BYTES, message.commit - message.number), message.number)
        finally:
            file.close()
    except OSError:
        return b""


class _Arriving:
    """One snapshot that comes. Invariant: what is in the file was synced before it is answered."""

    def __init__(self, disk: Disk, cluster: bytes, notes: list[str], message: Message) -> None:
        self._disk = disk
        self._cluster = cluster
        self._notes = notes
        self._index, self._digest, self._size = message.index, message.hash, message.commit
        self._name = part_name(message.index, message.hash)
        for name in disk.names():
            if PART_NAME.fullmatch(name) and name != self._name:
                disk.unlink(name)
        self._file: File = disk.open(self._name, create=True)
        if self._file.size() > self._size:
            self._file.truncate(0)
        self._next = self._file.size()  # what is wanted next, behind all that waits to be written
        self._waiting: list[Message] = []
        self._writing: tuple[Message, Job[None]] | None = None
        self._ending: tuple[Message, Job[Snapshot]] | None = None

    def is_of(self, message: Message) -> bool:
        return (message.index, message.hash, message.commit) == (self._index, self._digest, self._size)

    @property
    def working(self) -> bool:
        return self._writing is not None or self._ending is not None

    def take(self, raft: Raft, message: Message) -> None:
        """The leader asks what is wanted, or sends a chunk."""
        if message.forced or message.number != self._next:
            raft.answer_chunk(message, self._next, again=True)
        else:
            self._waiting.append(message)
            self._next += len(message.data)
        if self._next == self._size and not self._waiting and not self.working:
            self._end(message)  # it was whole already when this process began
        self._write()

    def turn(self, raft: Raft) -> Snapshot | None:
        if self._writing is not None and self._writing[1].done():
            (last, job), self._writing = self._writing, None
            job.result()
            raft.answer_chunk(last, last.number + len(last.data), again=False)
            if last.number + len(last.data) == self._size:
                self._end(last)
        self._write()
        if self._ending is not None and self._ending[1].done():
            (last, end), self._ending = self._ending, None
            try:
                return end.result()
            except LogDamaged as damage:
                self._notes.append(str(damage))
                self._file.truncate(0)
                self._next = 0
                raft.answer_chunk(last, 0, again=True)
        return None

    def _write(self) -> None:
        if not self._waiting or self.working:
            return
        chunks, self._waiting = self._waiting, []
        file = self._file

        def write() -> None:
            for chunk in chunks:
                file.pwrite(chunk.data, chunk.number)
            file.sync()

        self._writing = chunks[-1], self._disk.start(write, aside=True)

    def _end(self, last: Message) -> None:
        disk, name, index, cluster, digest = (
            self._disk,
            self._name,
            self._index,
            self._cluster,
            self._digest,
        )

        def verify() -> Snapshot:
            disk.sync_directory()
            found = snapshots.read(disk, name)
            if (found.index, found.header.cluster, found.digest) != (index, cluster, digest):
                raise LogDamaged(
                    disk.path(name), 0, "it is not the snapshot that the leader said it would send"
                )
            return found

        self._ending = last, disk.start(verify, aside=True)

    def close(self) -> None:
        for work in (self._writing, self._ending):
            if work is not None:
                with suppress(LogDamaged, OSError):  # it comes again
                    work[1].result()
        self._file.close()
