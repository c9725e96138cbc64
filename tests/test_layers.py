"""The direction of the arrows, read from the sources.

engine imports nothing of ours, replication nothing of ours, gateway both. Only
the files named in EDGE touch sockets, files, clocks, threads or randomness.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ALLOWED = {
    "engine": {"engine"},
    "replication": {"replication"},
    "gateway": {"gateway", "engine", "replication"},
}
EDGE = {
    "gateway/process.py",
    "gateway/server.py",
    "gateway/sockets.py",
    "gateway/tcp_sessions.py",
    "gateway/visits.py",
    "gateway/endpoints.py",
    "gateway/idle_topics.py",
    "gateway/telling.py",
    "gateway/readiness.py",
    "gateway/waiting.py",
    "gateway/replica_log.py",
    "gateway/process_status.py",
    "gateway/snapshot_process.py",
    "gateway/server_commands.py",
    "gateway/dictionary_file.py",
    "gateway/cluster_command.py",
    "gateway/whose_directory.py",
    "gateway/member_links.py",
    "gateway/memory_holder.pyx",
    "gateway/boot.py",
    "gateway/gatekeeper.py",
    "gateway/tls.py",
    "gateway/tls_listener.py",
    "gateway/protection.py",
    "gateway/proofs.py",
    "gateway/curve.py",
    "gateway/secret_commands.py",
    "gateway/descriptors.py",
    "gateway/answering.py",
    "gateway/subscribers.py",
    "gateway/recover_command.py",
    "gateway/fix_echo_command.py",
    "gateway/fix_commands.py",
    "gateway/fix_recorder.py",
    "gateway/replay_command.py",
    "gateway/operations_command.py",
    "gateway/client.py",
    "gateway/config_file.py",
    "gateway/data_directory.py",
    "gateway/cli.py",
    "gateway/entry.py",
    "replication/disk.py",
    # libraries found at run time: ZeroMQ's functions, a CRC32C
    "gateway/zeromq.pyx",
    "replication/checksum.pyx",
    # links to other replicas, and the thread that syncs
    "replication/peers.py",
    "replication/listener.py",
    "replication/sync_thread.pyx",
    # the client's clock and connections
    "gateway/client_core.py",
    "gateway/client_async.py",
    "gateway/client_link.py",
    "gateway/client_feed.py",
    # dates that a program gives its orders; they ask no clock
    "gateway/client_terms.py",
    "gateway/order_options.py",
    # the times that an operator gives a phase, and the random number of its end
    "gateway/operator_options.py",
    "gateway/operator_commands.py",
    # commands of their own (cli.py registers them), and the flow files they read and write
    "gateway/flow_files.py",
    "gateway/match_command.py",
    "gateway/convert_command.py",
    "gateway/generate_command.py",
    "gateway/play_command.py",
    "gateway/order_commands.py",
    "gateway/book_commands.py",
    "gateway/instrument_commands.py",
    "gateway/bench_command.py",
    "gateway/locate.py",
    "gateway/impatience.py",
    "gateway/replicas.py",
    "gateway/snapshot_command.py",
    "gateway/verify_command.py",
    "gateway/status_command.py",
    "gateway/confirming.py",
    "gateway/member_commands.py",
}
OUTSIDE = {
    "zmq",
    "socket",
    "os",
    "time",
    "threading",
    "random",
    "select",
    "asyncio",
    "uvloop",
    "ssl",
    "subprocess",
    "pathlib",
    "io",
    "mmap",
    "datetime",
    "secrets",
    "uuid",
    "multiprocessing",
}
OUTSIDE_HEADERS = {
    "arpa/inet.h",
    "dlfcn.h",
    "fcntl.h",
    "netinet/in.h",
    "poll.h",
    "pthread.h",
    "stdio.h",
    "sys/epoll.h",
    "sys/random.h",
    "sys/socket.h",
    "time.h",
    "unistd.h",
    "zmq.h",
}
POSIX = re.compile(r"^\s*from\s+(posix\.(?!stdlib\b)\w+)\s+cimport", re.M)  # stdlib: memory
HEADER = re.compile(r"""cdef\s+extern\s+from\s+["']<?([\w./]+)>?["']""")
IMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+c?import|c?import\s+([\w., ]+))", re.M)
SOURCES = sorted(
    path
    for package in ALLOWED
    for ending in ("*.py", "*.pyx", "*.pxd")
    for path in (ROOT / package).glob(ending)
)


def imported(text: str) -> set[str]:
    names: set[str] = set()
    for from_name, import_names in IMPORT.findall(text):
        if from_name:
            names.add(from_name.split(".")[0])
        names.update(
            name.split(" as ")[0].strip().split(".")[0] for name in import_names.split(",") if name.strip()
        )
    return names


def outside(text: str) -> set[str]:
    """What a source uses of sockets, files, clocks, threads, randomness, or libraries found at run time."""
    headers = set(HEADER.findall(text)) & OUTSIDE_HEADERS
    return (imported(text) & OUTSIDE) | headers | set(POSIX.findall(text))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_source_imports_only_what_its_room_allows(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    names = imported(path.read_text())
    ours = names & {"engine", "replication", "gateway", "quorumbook", "tests", "bench"}
    assert ours <= ALLOWED[path.parent.name], f"{name} imports {ours - ALLOWED[path.parent.name]}"
    if name not in EDGE:
        touched = outside(path.read_text())
        assert not touched, f"{name} touches the outside world: {touched}"


@pytest.mark.parametrize("name", sorted(EDGE))
def test_an_edge_file_exists_and_touches_the_outside(name: str) -> None:
    assert outside((ROOT / name).read_text())


def test_the_design_of_the_gateway_names_every_file() -> None:
    named = re.findall(r"[\w*]+\.(?:py|pyx|pxd)\b", (ROOT / "gateway" / "DESIGN.md").read_text())
    for path in sorted((ROOT / "gateway").glob("*.py*")):
        if path.suffix in (".py", ".pyx") and path.stem != "__init__":
            assert any(path.match(name) for name in named), f"{path.name} is not in gateway/DESIGN.md"


def test_the_reader_sees_every_form_of_import() -> None:
    text = "import os, time\nfrom socket import x\n    cimport zmq.core as z\nfrom libc.stdint cimport a\n"
    assert imported(text) == {"os", "time", "socket", "zmq", "libc"}


def test_the_reader_sees_what_c_uses() -> None:
    text = 'from posix.dlfcn cimport dlsym\ncdef extern from "<sys/socket.h>" nogil:\n    int x\n'
    assert outside(text) == {"posix.dlfcn", "sys/socket.h"}


def test_each_test_module_has_a_name_of_its_own() -> None:
    """Two of one name cannot be collected in one run."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(set(names)) == sorted(names)
