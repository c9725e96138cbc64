"""With `durability = "memory"` what was acknowledged may be nowhere but in this machine's memory.

While a replica works so, its directory holds the file `boot`, which names the start of the machine. A start that finds
another one there refuses: what other members were promised may be lost. A clean stop syncs everything and removes it.
"""

import os
from contextlib import suppress
from pathlib import Path

from replication.files import LogError

NAME = "boot"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Boot:
    """durable: whether orders are synced before they are acknowledged. Raises LogError when the machine was started
    again since, and OSError."""

    def __init__(self, directory: Path, durable: bool) -> None:
        self.durable = durable
        self._file = directory / NAME
        now = BOOT_ID.read_text()
        with suppress(FileNotFoundError):
            if self._file.read_text() != now:
                raise LogError(
                    f"{self._file}: this machine was started again since orders were acknowledged from its memory "
                    'alone (storage.durability = "memory"): the last of them may be missing here. Where other members '
                    "run, remove this one (quorumbook remove ID) and add it under a new id, with an empty directory. "
                    "Where this is the last copy, delete this file to go on with what reached the disk"
                )
        if not durable:
            directory.mkdir(parents=True, exist_ok=True)
            self._write(now)

    def _write(self, boot_id: str) -> None:
        """Durable before anything is acknowledged."""
        with self._file.open("w") as file:
            file.write(boot_id)
            file.flush()
            os.fsync(file.fileno())
        directory = os.open(self._file.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def close(self) -> None:
        """After a clean stop."""
        if not self.durable:
            for segment in self._file.parent.glob("*.segment*"):
                with segment.open("rb") as file:
                    os.fsync(file.fileno())
            self._file.unlink(missing_ok=True)
