"""`quorumbook cluster`: a whole cluster on this machine, as one command starts, tells and ends it."""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
from exchange_process import PATIENCE_SECONDS, ROOT, wait_until

from gateway import cluster_command
from gateway.config_file import load
from gateway.data_directory import read_endpoints

pytestmark = pytest.mark.xdist_group("local cluster")  # two that begin at once look for the same ports

QUORUMBOOK = (sys.executable, "-c", "from gateway.cli import main; main()")
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"}


class Local:
    """`quorumbook cluster` on a directory; `said` until it was ready."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.said: list[str] = []
        self.process: subprocess.Popen[str] | None = None

    def start(self, *options: str) -> None:
        self.said = []
        self.process = subprocess.Popen(
            [*QUORUMBOOK, "cluster", "--data", str(self.data), *options],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ENVIRONMENT,
        )  # fmt: skip
        ready = self.next_line("ready ")
        self.pids = {name: int(pid) for name, pid in (pair.split("=") for pair in ready.split()[1:])}

    def next_line(self, beginning: str) -> str:
        assert self.process is not None
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            if line.startswith(beginning):
                return line
        raise AssertionError("".join(self.said))

    def end(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(PATIENCE_SECONDS)
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in self.pids.values()))

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [*QUORUMBOOK, *arguments, "--data", str(self.data)],
            capture_output=True, text=True, timeout=PATIENCE_SECONDS, env=ENVIRONMENT, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Local]:
    made = Local(tmp_path / "cluster")
    made.start()
    yield made
    if made.process is not None and made.process.poll() is None:
        made.end(signal.SIGTERM)


def test_it_is_ready_when_orders_are_taken_and_its_replicas_end_with_it(local: Local) -> None:
    assert len(local.pids) == 3
    assert "new" in local.run("order", "buy", "AAPL", "100", "190.00")
    local.end(signal.SIGKILL)
    for name in local.pids:
        assert '"event":"stopped"' in (local.data / name / "trace.jsonl").read_text()
    local.start()
    assert "190.00" in local.run("orders")


def command(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*QUORUMBOOK, *arguments],
        capture_output=True, text=True, timeout=PATIENCE_SECONDS, env=ENVIRONMENT, check=False,
    )  # fmt: skip


def test_a_second_one_on_the_same_directory_is_refused_also_when_a_replica_has_ended(local: Local) -> None:
    os.kill(local.pids["replica1"], signal.SIGKILL)
    local.next_line("replica1 has ended by signal 9")
    second = command("cluster", "--data", str(local.data))
    assert (second.returncode, second.stdout) == (1, "")
    assert "this cluster is already running; quorumbook status --data" in second.stderr


def test_serve_makes_no_log_in_its_directory(local: Local) -> None:
    done = command("serve", "--data", str(local.data))
    assert done.returncode == 1
    assert f"{local.data} is a local cluster's" in done.stderr
    assert not list(local.data.glob("*.segment*"))


def test_a_replica_whose_port_is_taken_is_told_with_the_way_to_start_it(local: Local) -> None:
    config = local.data / "replica1.toml"
    address = load(config).config.cluster.addresses()[1]
    local.end(signal.SIGTERM)
    with socket.create_server(("127.0.0.1", int(address.rpartition(":")[2]))):
        local.start()
    said = "".join(local.said)
    assert f"cluster.members: {address}: Address already in use\nWhen that is mended: " in said
    assert f"serve --config {config}\n" in said
    assert "is not run from here" not in said
    assert local.pids.keys() == {"replica2", "replica3"}


def test_usual_ports_that_are_taken_are_replaced_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        usual = held.getsockname()[1]
        monkeypatch.setattr(cluster_command, "FIRST_PORT", usual)
        assert usual not in chain.from_iterable(cluster_command.free_ports(2))
    assert capsys.readouterr().out == f"ports from {usual} on are taken, and replaced by free ones\n"


def test_each_replica_writes_its_fix_traffic_and_does_so_again(tmp_path: Path) -> None:
    local = Local(tmp_path / "cluster")
    local.start("--fix-log")
    local.run("order", "buy", "AAPL", "100", "190.00")
    logs = [local.data / name / "fix.log" for name in local.pids]
    wait_until(lambda: sum("|35=D|" in log.read_text() for log in logs) == 1)
    os.kill(local.pids["replica1"], signal.SIGKILL)
    line = local.next_line("replica1 has ended by signal 9")
    local.end(signal.SIGTERM)
    assert line.endswith(f" serve --config {local.data / 'replica1.toml'} --fix-log\n")


def test_with_two_it_is_said_that_one_kill_stops_it_and_why_no_more_come(tmp_path: Path) -> None:
    two = Local(tmp_path / "cluster")
    for count, words in (
        ("2", "Of two replicas both must run"),
        ("4", "holds a cluster of 2 replicas, which goes on"),
    ):
        two.start("--replicas", count)
        two.end(signal.SIGTERM)
        assert words in "".join(two.said)
        assert len(two.pids) == 2


def test_hints_in_what_replicas_say_can_be_copied(local: Local) -> None:
    said = (local.data / "replica1.out").read_text()
    assert f"{sys.executable} -m gateway.cli status --data " in said


def test_it_goes_by_the_log_when_members_were_removed(local: Local) -> None:
    local.run("remove", "2")
    local.end(signal.SIGTERM)
    local.start()
    assert local.pids.keys() == {"replica1", "replica3"}
    assert any("member 2 was removed from the cluster: not run" in line for line in local.said)
    assert "new" in local.run("order", "buy", "AAPL", "100", "190.00")


def test_a_replica_that_is_refused_holds_the_others_up_for_a_few_seconds_only(local: Local) -> None:
    local.end(signal.SIGTERM)
    shutil.rmtree(local.data / "replica2")
    local.start()
    (why,) = (line for line in local.said if line.startswith("replica2 is not ready: "))
    assert "the promises of member 2 are lost: remove it" in why
    assert "Quorumbook serves, 3 replicas; each but replica2 takes clients.\n" in local.said
    assert "new" in local.run("order", "buy", "AAPL", "100", "190.00")
    local.run("remove", "2")
    local.next_line("replica2: member 2 was removed from the cluster: not run")
    wait_until(lambda: not Path(f"/proc/{local.pids['replica2']}").exists())


def test_each_replica_is_killed_by_what_is_printed_to_kill_it(local: Local) -> None:
    told = re.findall(r"^  (replica\d)  .*\n.*    kill it: (.*)$", "".join(local.said), re.M)
    assert [name for name, _ in told] == ["replica1", "replica2", "replica3"]
    left = {name: read_endpoints(local.data / name)["pid"] for name, _ in told}
    for name, command in told:
        subprocess.run(shlex.split(command), check=True)
        assert " has ended by signal 9" in local.next_line(f"{name} ")
        del left[name]
        for pid in left.values():
            os.kill(pid, 0)
    assert local.process is not None
    assert local.process.wait(PATIENCE_SECONDS) == 0
