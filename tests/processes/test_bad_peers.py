"""Who does not belong to a cluster is refused, with a reason that people understand; the cluster trades on."""

import re
import shutil
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from bad_member import BadMember
from certificates import Authority
from cluster_processes import ClusterProcesses, config_of, free_addresses, free_members
from exchange_process import ExchangeProcess, wait_until
from fix_client import PATIENCE_SECONDS
from traders import Rover, check, trading, wait_for_more

from gateway import inputs
from replication import peers
from replication.wire import REFUSED_FRAME, frame

COPIED = "member 3 came back with a copy or an older state of its data directory, or runs twice"
MORE = 20  # orders that each client has acknowledged after each attempt
NONSENSE = [
    b"GET / HTTP/1.1\r\nHost: member1\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),  # the beginning of TLS
    b"\xff" * 4096,
    bytes(4096),
    frame(REFUSED_FRAME, b"\x1b[2Jgo away"),
]
RESETS = struct.pack("ii", 1, 0)  # SO_LINGER: a close is a reset
FILES = 256  # that a replica may open where strangers try to take them all
SILENT = 400


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ClusterProcesses]:
    with ClusterProcesses(tmp_path) as made:
        made.begin(free_members(3))
        yield made


@contextmanager
def undisturbed(cluster: ClusterProcesses) -> Iterator[list[Rover]]:
    """A client at each member trades meanwhile, keeps its connection, and in the end all is as it should be."""
    rovers = [Rover(cluster, id, "tcp", id) for id in cluster.members]
    for rover in rovers:
        rover.arrive()
    with trading(rovers):
        wait_for_more(rovers, MORE)
        yield rovers
        wait_for_more(rovers, MORE)
    check(rovers)
    assert [rover.visited for rover in rovers] == [[rover.home] for rover in rovers]
    cluster.wait_for_one_state()
    for rover in rovers:
        rover.close()


@contextmanager
def stranger(directory: Path, config: str, *arguments: str) -> Iterator[ExchangeProcess]:
    """A replica that is none of the cluster's."""
    made = ExchangeProcess(directory, config=config)
    made.command += arguments
    with made:
        yield made
        assert not made.ask(command="status")["accepting"]


def wait_for_words(one: ExchangeProcess, words: str) -> None:
    wait_until(lambda: words in "".join(one.output))


def addresses_of(cluster: ClusterProcesses) -> dict[int, str]:
    status = cluster.members[1].ask(command="status")
    return {one["id"]: one["address"] for one in status["membership"]}


def speak_nonsense(address: str) -> None:
    for data in NONSENSE:
        with connected(address) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(1) == b""
        with connected(address) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESETS)
            connection.sendall(data)


def connected(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), PATIENCE_SECONDS)


def is_hung_up_on(connection: socket.socket) -> bool:
    """Waits for that."""
    with suppress(ConnectionResetError):
        return connection.recv(1) == b""
    return True


def test_strangers_are_refused_and_told_why(cluster: ClusterProcesses, tmp_path: Path) -> None:
    addresses = addresses_of(cluster)
    (own,) = free_addresses(1)
    swapped = addresses | {1: addresses[2], 2: addresses[1]}
    three = cluster.members[3]
    with undisturbed(cluster):
        for id, address in addresses.items():
            speak_nonsense(address)
            wait_for_words(cluster.members[id], "speaks nonsense")
            assert "\x1b" not in "".join(cluster.members[id].output)
        config = config_of("cd" * 16, 4, addresses | {4: own})
        with stranger(tmp_path / "foreign", config, "--first-start") as one:
            wait_for_words(one, f"its data is of cluster {'cd' * 16}, and this is cluster {'ab' * 16}")
            wait_for_words(cluster.members[1], f"its data is of cluster {'cd' * 16}")
        with stranger(tmp_path / "four", config_of("ab" * 16, 4, addresses | {4: own})) as one:
            wait_for_words(one, "member 4 is not of this cluster; it has to be added first: quorumbook add 4")
        with stranger(tmp_path / "swapped", config_of("ab" * 16, 4, swapped | {4: own})) as one:
            wait_for_words(one, "member 4 looked for member 1 and found member 2")
            wait_for_words(one, "the addresses of the configuration do not match")
        with stranger(tmp_path / "twin", config_of("ab" * 16, 3, addresses | {3: own})) as one:
            wait_for_words(one, "member 3 came back with another data directory than it had")
        again = three.run(
            "serve", "--config", str(three.directory / "config.toml"), "--data", str(three.data)
        )
        assert again.returncode == 1
        assert f"{three.data}: in use by process {three.endpoints['pid']}" in again.stderr


def test_silent_strangers_keep_nobody_out(tmp_path: Path) -> None:
    """More of them than a member may open files; a follower that comes back meanwhile finds its leader."""
    few = ("/bin/sh", "-c", f'ulimit -n {FILES}; exec "$0" "$@"')
    with ClusterProcesses(tmp_path, wrapper=lambda id: few) as cluster, ExitStack() as open_ones:
        cluster.begin(free_members(3))
        leader = cluster.leader()
        follower = next(id for id in cluster.members if id != leader)
        address = addresses_of(cluster)[leader]
        with undisturbed(cluster):
            strangers = [open_ones.enter_context(connected(address)) for _ in range(SILENT)]
        wait_for_words(cluster.members[leader], "accepted connections have said no hello")
        cluster.members[follower].kill()
        strangers += [open_ones.enter_context(connected(address)) for _ in range(peers.UNSETTLED)]
        cluster.members[follower].start()
        wait_until(lambda: leader in cluster.members[follower].ask(command="status")["linked"])
        assert all(is_hung_up_on(stranger) for stranger in strangers)
        assert cluster.leader() == leader
        cluster.wait_for_one_state()


def test_a_member_that_comes_back_as_another_is_refused(cluster: ClusterProcesses, tmp_path: Path) -> None:
    """Under another's id; with another address; with a copy of its data; with no data, however it is started."""
    three = cluster.members.pop(3)
    file, copy, true = three.directory / "config.toml", tmp_path / "copy", tmp_path / "true"
    (other,) = free_addresses(1)
    *others, (_, own) = addresses_of(cluster).items()
    config = file.read_text()
    three.stop()
    shutil.copytree(three.data, copy)
    wait_until(lambda: cluster.leader() in (1, 2))
    with undisturbed(cluster):
        file.write_text(config.replace("member = 3", "member = 1"))
        refused = three.run("serve", "--config", str(file), "--data", str(three.data))
        assert refused.returncode == 1
        assert "is the directory of another member, which has met member 1" in refused.stderr
        assert "Traceback" not in refused.stderr

        file.write_text(config.replace(own, other))
        refused = three.run("serve", "--config", str(file), "--data", str(three.data))
        assert refused.returncode == 1
        assert f"member 3 is at {other} by the configuration, and at {own} by the log" in refused.stderr
        assert "Traceback" not in refused.stderr

        file.write_text(config)
        with three:
            wait_until(lambda: three.ask(command="status")["linked"] == [1, 2])
        three.data.rename(true)
        copy.rename(three.data)
        for _ in range(3):
            with three:
                for id, address in others:
                    port = address.rpartition(":")[2]
                    wait_for_words(three, f"member {id} at 127.0.0.1:{port} refuses this replica: {COPIED}")
                assert not three.ask(command="status")["accepting"]
        three.data.rename(copy)
        true.rename(three.data)

        peers = three.data / "peers"
        whole = peers.read_bytes()
        peers.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
        refused = three.run("serve", "--config", str(file), "--data", str(three.data))
        assert refused.returncode == 1
        assert f"{peers}: the file is damaged" in refused.stderr
        assert "Traceback" not in refused.stderr
        peers.write_bytes(whole)
        with three:
            wait_until(lambda: bool(three.ask(command="status")["accepting"]))

        begin = three.command.index("--first-start")
        for command in (three.command, three.command[:begin] + three.command[begin + 1 :]):
            shutil.rmtree(three.data)
            three.command = command
            with three:
                wait_for_words(
                    three, "the promises of member 3 are lost: remove it, and add it under a new id"
                )
                assert not three.ask(command="status")["accepting"]
                wait_until(lambda: three.ask(command="status")["role"] == "refused")
                shown = cluster.succeed("status", "--data", str(three.data))
                assert re.search(r"^ +3 .* refused +voter ", shown, re.M)
                assert re.search(
                    r"^  member 3 takes no clients: .* the promises of member 3 are lost", shown, re.M
                )


def test_inputs_that_are_none_of_its_own_end_the_link(cluster: ClusterProcesses) -> None:
    """In the log they would stop every replica, and every later start."""
    three = cluster.members.pop(3)
    addresses = addresses_of(cluster)
    three.stop()
    wait_until(lambda: cluster.leader() in (1, 2))
    bad = BadMember(three.data, 3)
    with undisturbed(cluster):
        for payload, words in (
            (b"nonsense from a peer", "20 bytes are no input"),
            (b"\0\0\0\0members\0" + bytes(64), "says size 0"),
            (inputs.timer() * 1_000, "which is not for this gateway to enter"),
            (inputs.gateway_start(1, 7), "input of kind 1"),
        ):
            for id, one in cluster.members.items():
                with bad.dial(id, addresses[id]):
                    bad.enter(payload)
                    assert bad.is_hung_up_on()
                wait_for_words(one, words)
    cluster.members[3] = three
    three.start()
    cluster.wait_for_one_state()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_wrong_certificates(tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path / "ours", "ours"), Authority(tmp_path / "theirs", "theirs")
    addresses = free_members(4)
    members = {id: address for id, address in addresses.items() if id < 4}
    with ClusterProcesses(tmp_path) as cluster:
        cluster.begin(members, lambda id, config: config + ours.sign(f"member{id}"))
        four = config_of("ab" * 16, 4, addresses)
        with undisturbed(cluster):
            with stranger(tmp_path / "foreign", four + theirs.sign("foreign")) as one:
                wait_for_words(one, "certificate verify failed")
            with stranger(tmp_path / "forged", four + theirs.sign("forged", trusts=ours)) as one:
                wait_for_words(one, "says no hello")
            wait_for_words(
                cluster.members[1], "somebody at 127.0.0.1 has shown no certificate of this cluster"
            )
            assert "authority ()" not in "".join(cluster.members[1].output)
            with ExitStack() as open_ones:
                silent = [
                    open_ones.enter_context(connected(addresses[1])) for _ in range(peers.UNSETTLED + 1)
                ]
                for one in silent[1::2]:
                    one.sendall(NONSENSE[1][:20])  # TLS begins, and does not go on
                assert all(is_hung_up_on(one) for one in silent)
            wait_for_words(cluster.members[1], "has said no hello for")
            with stranger(tmp_path / "plain", four) as one:
                wait_for_words(one, "says no hello")
        three = cluster.members[3]
        three.stop()
        (three.directory / "config.toml").write_text(
            config_of("ab" * 16, 3, members) + theirs.sign("wrong", trusts=ours)
        )
        three.start()
        wait_for_words(three, "says no hello")
        assert "start the others" not in "".join(three.output)  # they run
