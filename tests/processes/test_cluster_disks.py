"""The disk of one replica fails while a cluster trades, by libfiu: the replica says so and ends, tries nothing again,
and the others go on. Started again on a disk that works it comes back, and nothing is lost.
"""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster_processes import ClusterProcesses, free_members
from exchange_process import ExchangeProcess, wait_until
from traders import Rover, check_all, trading, wait_for_more

pytestmark = pytest.mark.skipif(shutil.which("fiu-run") is None, reason="libfiu is not installed (fiu-utils)")
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
    def wrapper(id: int) -> tuple[str, ...]:
        return ("fiu-run", "-x", "-f", str(tmp_path / f"member{id}" / "fiu"))

    with ClusterProcesses(tmp_path, wrapper=wrapper) as made:
        made.begin(free_members(3))
        yield made


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
    rovers = [Rover(cluster, id, "tcp", id) for id in cluster.members]
    for rover in rovers:
        rover.arrive()
    with trading(rovers):
        wait_for_more(rovers, MORE)
        leader = cluster.leader()
        failing = cluster.members[leader if leads else next(id for id in cluster.members if id != leader)]
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
