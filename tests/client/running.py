"""A real exchange in its own process, and the command line against it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "110", "NO_COLOR": "1"}
CONFIG = "[network]\nfix_zmq = 0\nfix_tcp = 0\nfeed = 0\nsnapshot = 0\nadmin = 0\n"


class Running:
    """`quorumbook serve` on free ports; `again` keeps them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.data = directory / "data"
        self.config = directory / "config.toml"
        self.config.write_text(CONFIG)
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "gateway.cli", "serve", "--config", self.config, "--data", self.data]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT, cwd=self.directory
        )
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if line.startswith("ready"):
                return
        raise AssertionError(f"the exchange did not start: {lines}")

    @property
    def endpoints(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.data / "endpoints.json").read_text())
        return found

    def keep_ports(self) -> None:
        """A restart listens where this process listens."""
        ports = {
            name: str(self.endpoints[name]).rpartition(":")[2]
            for name in ("fix_zmq", "fix_tcp", "feed", "snapshot", "admin")
        }
        self.config.write_text("[network]\n" + "".join(f"{name} = {port}\n" for name, port in ports.items()))

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(200)
            assert self.process.stdout is not None
            self.process.stdout.close()


def quorumbook(
    *arguments: object, data: Path | None = None, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run the command line and return what came of it."""
    command = [sys.executable, "-m", "gateway.cli", *map(str, arguments)]
    if data is not None:
        command += ["--data", str(data)]
    return subprocess.run(
        command, capture_output=True, text=True, env=ENVIRONMENT, timeout=timeout, check=False
    )
