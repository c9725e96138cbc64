"""What `status` tells of a server's process and its disk."""

import os
import time
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from replication.segments import SEGMENT_NAME
from replication.snapshots import SNAPSHOT_NAME, index_of


class ProcessStatus:
    """Of the process that is started now."""

    def __init__(self, directory: Path, durability: str) -> None:
        self._directory = directory
        self._durability = durability
        self._started_ns = time.monotonic_ns()

    def __call__(self) -> dict[str, Any]:
        return {
            "version": version("quorumbook"),
            "pid": os.getpid(),
            "uptime_s": (time.monotonic_ns() - self._started_ns) / 1e9,
            "storage": {
                "directory": str(self._directory),
                "durability": self._durability,
                **room(self._directory),
            },
        }


def room(directory: Path) -> dict[str, int]:
    """The log's segments, their bytes, the bytes that the file system has left for this user, and the entry of the
    newest snapshot (0: there is none)."""
    sizes, newest = [], 0
    for entry in os.scandir(directory):
        if SNAPSHOT_NAME.fullmatch(entry.name):
            newest = max(newest, index_of(entry.name))
        elif SEGMENT_NAME.fullmatch(entry.name):
            with suppress(FileNotFoundError):  # compressed or deleted at this moment
                sizes.append(entry.stat().st_size)
    disk = os.statvfs(directory)
    free = disk.f_bavail * disk.f_frsize
    return {"segments": len(sizes), "log_bytes": sum(sizes), "free_bytes": free, "snapshot": newest}
