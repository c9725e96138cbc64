"""A cluster of `quorumbook serve` processes on this machine, to be measured, killed, frozen and started again."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway import cluster_command
from gateway.data_directory import read_endpoints
from gateway.replicas import ask_all, in_directory

PATIENCE_SECONDS = 60
REPLICAS = 3


class Cluster:
    """Replicas by their configuration files, with an operator OPS. durability: storage.durability of each."""

    def __init__(self, data: Path, durability: str) -> None:
        data.mkdir(parents=True, exist_ok=True)
        cluster_command.configure(data, REPLICAS)
        self.files = sorted(data.glob("replica*.toml"))
        for file in self.files:
            file.write_text(
                file.read_text() + f'durability = "{durability}"\n'
            )  # its last section is storage
        self.processes = {file: cluster_command.start(file, first=True) for file in self.files}
        if not cluster_command.wait_until_listening(self.processes):
            raise RuntimeError("the cluster did not start")
        self.wait_until_equal()

    def status(self, file: Path) -> dict[str, Any]:
        return self.ask(file, command="status")

    def ask(self, file: Path, **request: Any) -> dict[str, Any]:
        (reply,) = ask_all([in_directory(cluster_command.directory_of(file))], request)
        if reply.why:
            raise RuntimeError(reply.why)
        return reply.answer

    def fix(self, file: Path, transport: str) -> str:
        endpoints = read_endpoints(cluster_command.directory_of(file))
        return f"zmq+{endpoints['fix_zmq']}" if transport == "zmq" else str(endpoints["fix_tcp"])

    def leader(self) -> Path:
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            for file in self.files:
                if self.processes[file].poll() is None and self.status(file)["role"] == "leader":
                    return file
            time.sleep(0.01)
        raise RuntimeError("nobody leads")

    def followers(self) -> list[Path]:
        leader = self.leader()
        return [file for file in self.files if file != leader]

    def wait_until_equal(self) -> None:
        """Every replica takes clients, and has applied what the others have."""
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            found = [self.status(file) for file in self.files]
            if all(one["accepting"] for one in found) and len({one["applied_index"] for one in found}) == 1:
                return
            time.sleep(0.05)
        raise RuntimeError("the replicas did not come to the same entry")

    def wait_until_quiet(self) -> None:
        """The next segment of each log is reserved: its writing shares the disk with everything for seconds."""
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until and not all(self._reserved(file) for file in self.files):
            time.sleep(0.1)

    def _reserved(self, file: Path) -> bool:
        names = os.listdir(cluster_command.directory_of(file))
        return not any(name.endswith(".segment.tmp") for name in names) and (
            sum(name.endswith(".segment") for name in names) > 1
        )

    def signal(self, file: Path, number: signal.Signals) -> int:
        """When, monotonic_ns."""
        when = time.monotonic_ns()
        os.kill(self.processes[file].pid, number)
        return when

    def start(self, file: Path) -> None:
        """One that was killed, until it takes clients."""
        self.processes[file].wait()
        self.processes[file] = cluster_command.start(file, first=False)
        if not cluster_command.wait_until_listening({file: self.processes[file]}):
            raise RuntimeError(f"{file.stem} did not start again")

    def stop(self) -> None:
        cluster_command.stop(self.processes)


@contextlib.contextmanager
def cluster(data: Path, durability: str = "disk") -> Iterator[Cluster]:
    made = Cluster(data, durability)
    try:
        yield made
    finally:
        made.stop()
