"""The process beside a server that makes a snapshot of its log (snapshot_keeper.py says when)."""

import subprocess
import sys
from pathlib import Path


class Making:
    """One that runs. Raises OSError."""

    def __init__(self, directory: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gateway.cli", "snapshot", "--data", str(directory)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # Ctrl-C is for the server
        )

    def ended(self) -> tuple[int, str] | None:
        if self._process.poll() is None:
            return None
        return self._process.returncode, self._process.communicate()[0].strip()

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()
