"""A member is known again by its directory and by the run under which it was met; a copy or an older state is not."""

import json
import shutil
from pathlib import Path

import pytest

from replication import wal
from replication.acquaintances import HEAD, MAGIC, NAME, RUNS, Acquaintances, PeersDamaged
from replication.disk import RealDisk
from replication.files import LogError, LogFailed
from replication.wire import Hello

COPY = "came back with a copy or an older state of its data directory, or runs twice"
CLUSTER = bytes(16)


class Directory:
    """Of a member: what a start changes in it, and what it says then."""

    def __init__(self, path: Path, id: int = 2) -> None:
        self.path, self.id, self.starts = path, id, 0
        path.mkdir()

    def start(self) -> Hello:
        disk = RealDisk(str(self.path))
        met, run = Acquaintances(disk), disk.unique()
        met.begin(run)
        self.starts += 1
        return Hello(CLUSTER, self.id, 1, b"d" * 16, self.starts, run, met.runs)

    def copy(self, path: Path) -> "Directory":
        made = Directory(path, self.id)
        made.starts = self.starts
        shutil.copytree(self.path, path, dirs_exist_ok=True)
        return made


def old(hello: Hello) -> Hello:
    """As version 1 says it."""
    return hello._replace(runs=(), version=1)


@pytest.fixture
def met(tmp_path: Path) -> Acquaintances:
    (tmp_path / "1").mkdir()
    return Acquaintances(RealDisk(str(tmp_path / "1")))


@pytest.fixture
def two(tmp_path: Path) -> Directory:
    return Directory(tmp_path / "2")


def test_a_copy_stays_refused_and_the_true_directory_stays_known(
    met: Acquaintances, two: Directory, tmp_path: Path
) -> None:
    assert met.judge(two.start()) is None
    copy = two.copy(tmp_path / "copy")
    for _ in range(2):
        assert met.judge(two.start()) is None
    for _ in range(RUNS + 5):
        assert COPY in (met.judge(copy.start()) or "")
    assert met.judge(two.start()) is None


def test_of_two_that_go_on_from_one_state_the_first_that_is_met_is_the_member(
    met: Acquaintances, two: Directory, tmp_path: Path
) -> None:
    assert met.judge(two.start()) is None
    moved = two.copy(tmp_path / "moved")
    assert met.judge(moved.start()) is None
    for _ in range(3):
        assert COPY in (met.judge(two.start()) or "")


def test_one_process_may_greet_again_and_is_remembered_after_a_start(
    met: Acquaintances, two: Directory, tmp_path: Path
) -> None:
    hello = two.start()
    assert met.judge(hello) is None
    known = Acquaintances(RealDisk(str(tmp_path / "1")))
    assert 2 in known
    assert met.judge(hello) is None
    assert known.judge(hello) is None
    assert 3 not in known
    assert "came back with another data directory" in (known.judge(hello._replace(directory=b"e" * 16)) or "")
    assert known.judge(two.start()) is None


@pytest.mark.parametrize(("starts", "known"), [(RUNS - 1, True), (RUNS, False)])
def test_who_was_not_met_for_too_many_runs_is_not_known(
    met: Acquaintances, two: Directory, starts: int, known: bool
) -> None:
    assert met.judge(two.start()) is None
    for _ in range(starts):
        last = two.start()
    assert len(last.runs) == RUNS
    assert last.runs[-1] == last.run
    assert (met.judge(last) is None) is known


def test_who_speaks_version_1_is_judged_by_its_starts_until_it_tells_its_runs(
    met: Acquaintances, two: Directory
) -> None:
    first, second, third, fourth = (two.start() for _ in range(4))
    assert met.judge(old(second)) is None
    assert met.judge(old(second)) is None
    assert COPY in (met.judge(old(first)) or "")
    assert COPY in (met.judge(old(second._replace(run=b"t" * 16))) or "")
    assert met.judge(old(third)) is None
    new = fourth._replace(runs=(fourth.run,))  # its directory begins to keep them
    assert COPY in (met.judge(new._replace(starts=third.starts)) or "")
    assert met.judge(new) is None
    assert COPY in (met.judge(old(two.start())) or "")  # a state from before it kept them
    assert met.judge(two.start()) is None


def test_a_disk_that_fails_is_told(met: Acquaintances, tmp_path: Path) -> None:
    (tmp_path / "1" / f"{NAME}.tmp").mkdir()
    with pytest.raises(LogFailed, match=f"{tmp_path}/1/{NAME}: Is a directory"):
        met.begin(b"r" * 16)


def test_every_rotten_byte_is_told_and_what_to_do(met: Acquaintances, two: Directory, tmp_path: Path) -> None:
    met.judge(two.start())
    met.begin(b"r" * 16)
    file = tmp_path / "1" / NAME
    whole = file.read_bytes()
    rotten = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(len(whole))]
    cut = [whole[:at] for at in range(len(whole))]
    for data in (*rotten, *cut, whole + b"\0"):
        file.write_bytes(data)
        with pytest.raises(PeersDamaged, match=f"^{file}: the file is damaged. .* under a new id"):
            Acquaintances(RealDisk(str(file.parent)))
    file.write_bytes(wal.sealed(HEAD.pack(MAGIC, 3)))
    with pytest.raises(LogError, match=f"{file}: .* version 3; this program reads 2: start the program"):
        Acquaintances(RealDisk(str(file.parent)))
    file.write_bytes(whole)
    assert Acquaintances(RealDisk(str(file.parent))).runs == (b"r" * 16,)


def test_who_votes_is_durable_and_only_what_is_committed_adds_to_it(
    met: Acquaintances, tmp_path: Path
) -> None:
    def kept() -> set[int]:
        return set(Acquaintances(RealDisk(str(tmp_path / "1"))).voters)

    assert kept() == set()  # as an older program leaves it
    for voters, committed, expected in (
        ({1, 2}, False, set()),
        ({1, 2}, True, {1, 2}),
        ({1, 2, 3}, False, {1, 2}),
        ({1, 2, 3}, True, {1, 2, 3}),
        ({1}, False, {1}),
        ({1, 2, 3}, True, {1, 2, 3}),  # that change was given up
        ({1}, True, {1}),
    ):
        met.note_voters(frozenset(voters), committed=committed)
        assert kept() == expected
    met.begin(b"r" * 16)
    assert kept() == {1}


def test_a_file_that_does_not_say_who_votes_is_read(tmp_path: Path) -> None:
    file = tmp_path / NAME
    file.write_bytes(wal.sealed(HEAD.pack(MAGIC, 2) + b'{"runs": ["' + b"72" * 16 + b'"], "met": {}}'))
    met = Acquaintances(RealDisk(str(tmp_path)))
    assert (met.runs, met.voters) == ((b"r" * 16,), frozenset())


def test_a_file_of_version_1_is_read(two: Directory, tmp_path: Path) -> None:
    hello = two.start()
    (tmp_path / "1").mkdir()
    file = tmp_path / "1" / NAME
    written = {"2": [hello.directory.hex(), hello.starts, hello.run.hex()]}
    file.write_text(json.dumps(written, indent=1))
    for _ in range(2):
        met = Acquaintances(RealDisk(str(file.parent)))
        assert COPY in (met.judge(hello._replace(run=b"t" * 16)) or "")
        met.begin(b"r" * 16)
    assert met.runs == (b"r" * 16,) * 2
    assert met.judge(two.start()._replace(starts=hello.starts + 1)) is None
