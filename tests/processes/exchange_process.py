"""An exchange in a process of its own, for tests that only real processes can tell."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from fix_client import PATIENCE_SECONDS
from namespaces import inside

ROOT = Path(__file__).parents[2]
CONFIG = """
[network]
fix_zmq = 0
fix_tcp = 0
feed = 0
snapshot = 0
admin = 0
"""


def wait_until(true: Callable[[], bool]) -> None:
    """For what becomes true for certain."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < until, f"{PATIENCE_SECONDS} seconds have passed"
        time.sleep(0.05)


class ExchangeProcess:
    """`quorumbook serve` on a directory, every port free. Ends with the `with` block, however that ends."""

    def __init__(
        self,
        directory: Path,
        *,
        config: str = CONFIG,
        wrapper: tuple[str, ...] = (),
        environment: dict[str, str] | None = None,
        namespace: str = "",
    ) -> None:
        self.directory = directory
        self.namespace = namespace
        self.data = directory / "data"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "config.toml").write_text(config)
        self.command = [
            *wrapper, sys.executable, "-c", "from gateway.cli import main; main()",
            "serve", "--config", str(directory / "config.toml"), "--data", str(self.data),
        ]  # fmt: skip
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
        self.output: list[str] = []
        self.endpoints: dict[str, Any] = {}
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.kill()
        self.check_output()

    def check_output(self) -> None:
        """Of one that has ended: whatever happened, people were told in words."""
        if self.process:
            self._reader.join(PATIENCE_SECONDS)
        said = "".join(self.output)
        assert "Traceback (most recent call last)" not in said, said

    def start(self) -> Self:
        """Returns when it listens and has said whether it is ready; AssertionError with its output when it
        ends before."""
        self.output = []
        with inside(self.namespace):
            self.process = subprocess.Popen(
                self.command,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env=self.environment,
                cwd=self.directory,
            )
        lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, args=(self.process, lines), daemon=True)
        self._reader.start()
        while True:
            try:
                line = lines.get(timeout=PATIENCE_SECONDS)
            except queue.Empty:
                raise AssertionError(
                    f"not ready within {PATIENCE_SECONDS} s:\n" + "".join(self.output)
                ) from None
            if not line:
                raise AssertionError(
                    f"ended with {self.process.wait(PATIENCE_SECONDS)} before it was ready:\n"
                    + "".join(self.output)
                )
            if line.startswith(("ready", "not ready")):
                break
        self.endpoints = json.loads((self.data / "endpoints.json").read_text())
        return self

    def _read(self, process: subprocess.Popen[str], lines: "queue.Queue[str]") -> None:
        assert process.stdout
        for line in process.stdout:
            self.output.append(line)
            lines.put(line)
        lines.put("")

    def signal(self, number: int) -> None:
        assert self.process
        os.kill(self.endpoints.get("pid", self.process.pid), number)

    def kill(self) -> None:
        """kill -9, of the exchange itself even under a wrapper."""
        if self.process and self.process.poll() is None:
            if self.endpoints:
                with suppress(ProcessLookupError):
                    self.signal(signal.SIGKILL)
                try:
                    self.process.wait(5)
                except subprocess.TimeoutExpired:
                    self.process.kill()
            else:
                self.process.kill()
            self.process.wait(PATIENCE_SECONDS)

    def stop(self) -> int:
        """A clean stop; returns the exit code."""
        assert self.process
        self.signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_SECONDS)

    def has_ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def wait(self, seconds: float = PATIENCE_SECONDS) -> int:
        """For its end; everything it printed is in `output` then."""
        assert self.process
        code = self.process.wait(seconds)
        self._reader.join(seconds)
        return code

    def port(self, name: str) -> int:
        return int(str(self.endpoints[name]).rpartition(":")[2])

    def ask(self, **request: object) -> dict[str, Any]:
        """One request to the admin socket."""
        import zmq

        with inside(self.namespace), zmq.Context() as context, context.socket(zmq.DEALER) as socket:
            socket.linger = 0
            socket.connect(self.endpoints["admin"])
            socket.send_json(request)
            wait_until(lambda: bool(socket.poll(1_000)) or self.has_ended())
            assert socket.poll(0), "the exchange has ended:\n" + "".join(self.output)
            answer: dict[str, Any] = socket.recv_json()
            return answer

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Another quorumbook command."""
        return subprocess.run(
            [sys.executable, "-c", "from gateway.cli import main; main()", *arguments],
            capture_output=True, text=True, timeout=PATIENCE_SECONDS, env=self.environment, check=False,
        )  # fmt: skip
