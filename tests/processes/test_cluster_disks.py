"""The disk of one replica fails while a cluster trades, by libfiu: the replica says so and ends, tries nothing again,
and the others go on. Started again on a disk that works it comes back, and nothing is lost. A disk without room ends
nobody: the replica waits for some, and does not lead.
"""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster_processes import ClusterProcesses, free_members
from disks import no_room
from exchange_process import ExchangeProcess, wait_until
from test_snapshot_transfer import Forgetful
from traders import Rover, check_all, trading, wait_for_more

MORE = 50  # orders that each client has acknowledged
EIO, ENOSPC = 5, 28


def disk_fails(exchange: ExchangeProcess, call: str, error: int) -> None:
    """From now on, at every such call."""
    pid = str(exchange.endpoints["pid"])
    fault = f"enable name=posix/io/{call},failnum=1,failinfo={error}"
    subprocess.run(
        ["fiu-ctrl", "-f", str(exchange.directory / "fiu"), "-c", fault, pid], check=True, timeout=60
    )


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ClusterProcesses]:
    if shutil.which("fiu-run") is None:
        pytest.skip("libfiu is not installed (fiu-utils)")

    def wrapper(id: int) -> tuple[str, ...]:
        return ("fiu-run", "-x", "-f", str(tmp_path / f"member{id}" / "fiu"))

    with ClusterProcesses(tmp_path, wrapper=wrapper) as made:
        made.begin(free_members(3))
        yield made


def clients(cluster: ClusterProcesses) -> list[Rover]:
    """One at each replica, logged on."""
    made = [Rover(cluster, id, "tcp", id) for id in cluster.members]
    for rover in made:
        rover.arrive()
    return made


def one_that(cluster: ClusterProcesses, leads: bool) -> int:
    leader = cluster.leader()
    return leader if leads else next(id for id in cluster.members if id != leader)


@pytest.mark.parametrize(
    ("call", "error", "why", "leads"),
    [
        ("sync/fdatasync", EIO, "Input/output error", True),
        ("rw/pwrite", EIO, "Input/output error", False),
        pytest.param("sync/fdatasync", EIO, "Input/output error", False, marks=pytest.mark.slow),
        pytest.param("rw/pwrite", EIO, "Input/output error", True, marks=pytest.mark.slow),
        pytest.param("rw/pwrite", ENOSPC, "No space left on device", True, marks=pytest.mark.slow),
        pytest.param("rw/pwrite", ENOSPC, "No space left on device", False, marks=pytest.mark.slow),
    ],
)
def test_the_disk_of_one_fails(
    cluster: ClusterProcesses, tmp_path: Path, call: str, error: int, why: str, leads: bool
) -> None:
    rovers = clients(cluster)
    with trading(rovers):
        wait_for_more(rovers, MORE)
        failing = cluster.members[one_that(cluster, leads)]
        disk_fails(failing, call, error)
        assert failing.wait() == 1
        said = failing.output[-1]
        print(said)
        assert said.startswith(f"quorumbook: {failing.data}/")
        assert why in said
        assert "Traceback" not in "".join(failing.output)
        wait_for_more(rovers, MORE)
        failing.start()
        wait_until(lambda: bool(failing.ask(command="status")["accepting"]))
        wait_for_more(rovers, MORE)
    check_all(cluster, rovers, tmp_path)


@pytest.mark.parametrize("leads", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_one_has_no_room_for_the_next_segment(tmp_path: Path, leads: bool) -> None:
    """It stays, takes no input, and another leads."""
    with Forgetful(tmp_path) as cluster:
        cluster.begin(free_members(3))
        rovers = clients(cluster)
        with trading(rovers):
            wait_for_more(rovers, MORE)
            full = one_that(cluster, leads)
            exchange = cluster.members[full]
            with no_room(exchange):
                wait_until(lambda: not exchange.ask(command="status")["accepting"])
                assert "No space left on device" in exchange.ask(command="status")["why_not"]
                wait_for_more([rover for rover in rovers if rover.home != full], 4 * MORE)
                assert exchange.ask(command="status")["role"] != "leader"
            wait_until(lambda: bool(exchange.ask(command="status")["accepting"]))
            wait_for_more(rovers, MORE)
        check_all(cluster, rovers, tmp_path)
