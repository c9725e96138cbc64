"""Snapshots of real exchanges: made beside one that trades, and what a start makes of them."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

from exchange_process import CONFIG, ExchangeProcess, wait_until
from fix_client import FixClient


def snapshots(directory: Path) -> list[Path]:
    return sorted(directory.glob("snapshot-*[0-9]"))


def trade(exchange: ExchangeProcess, name: str, orders: int) -> None:
    """Orders of a session of its own, some of which trade."""
    with FixClient("tcp", exchange.port("fix_tcp"), name) as client:
        client.logon()
        for n in range(orders):
            price = f"{10 + n % 3}.00"
            client.send_bytes(client.order(f"{name}{n}", "buy" if n % 2 else "sell", 1 + n % 5, price))
        client.settle()


def state(exchange: ExchangeProcess) -> str:
    return str(exchange.ask(command="state_hash")["state_hash"])


def test_one_is_made_while_orders_flow_and_leads_to_the_state_of_the_log(exchange: ExchangeProcess) -> None:
    trading = threading.Thread(target=trade, args=(exchange, "BUSY", 3_000))
    trading.start()
    made = []
    try:
        while trading.is_alive():
            made.append(exchange.run("snapshot", "--data", str(exchange.data)))
    finally:
        trading.join()
    assert all(one.returncode == 0 for one in made), made
    trade(exchange, "LAST", 5)
    last = exchange.run("snapshot", "--data", str(exchange.data))
    found = re.fullmatch(r"snapshot at entry ([\d,]+): [\d,]+ bytes, \d+\.\d\d s\n", last.stdout)
    assert found, last
    assert exchange.stop() == 0
    kept = snapshots(exchange.data)
    assert len(kept) == 2
    assert kept[-1].name == f"snapshot-{int(found[1].replace(',', '')):020}"

    exchange.start()
    assert exchange.ask(command="status")["storage"]["snapshot"] == int(found[1].replace(",", ""))
    from_snapshot = exchange.ask(command="sessions"), exchange.ask(command="state_hash")["applied_index"]
    hashes = [state(exchange)]
    exchange.kill()
    for path in kept:
        path.rename(path.with_name(f"not-{path.name}"))
    exchange.start()
    assert (
        exchange.ask(command="status")["applied_index"] > from_snapshot[1]
    )  # every start has entries of its own
    replayed = exchange.run("replay", str(exchange.data), "--to", str(from_snapshot[1]))
    assert hashes[0] in replayed.stdout


def test_messages_from_before_the_snapshot_are_resent_after_it(exchange: ExchangeProcess) -> None:
    trade(exchange, "ALICE", 20)
    assert exchange.run("snapshot", "--data", str(exchange.data)).returncode == 0
    exchange.kill()
    exchange.start()
    with FixClient("tcp", exchange.port("fix_tcp"), "ALICE") as alice:
        numbers = next(
            one for one in exchange.ask(command="sessions")["sessions"] if one["comp_id"] == "ALICE"
        )
        alice.next_out = numbers["inbound"]
        alice.logon()
        alice.catch_up()
        resent = [one for one in alice.received if one[35] == "8"]
    assert {one[43] for one in resent} == {"Y"}
    assert {one[11] for one in resent} == {f"ALICE{n}" for n in range(20)}


def test_a_damaged_snapshot_is_told_and_not_used(exchange: ExchangeProcess) -> None:
    trade(exchange, "ALICE", 5)
    exchange.run("snapshot", "--data", str(exchange.data))
    before = exchange.ask(command="sessions")
    exchange.kill()
    (path,) = snapshots(exchange.data)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    exchange.start()
    assert any(path.name in line and "not used" in line for line in exchange.output)
    assert path.name in (exchange.data / "trace.jsonl").read_text()
    after = exchange.ask(command="sessions")["sessions"]
    assert [one["outbound"] for one in after] == [one["outbound"] for one in before["sessions"]]


def test_two_at_once_do_not_hurt_each_other(exchange: ExchangeProcess) -> None:
    trade(exchange, "ALICE", 200)
    command = [
        sys.executable,
        "-c",
        "from gateway.cli import main; main()",
        "snapshot",
        "--data",
        str(exchange.data),
    ]
    both = [
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=exchange.environment
        )
        for _ in range(2)
    ]
    for process in both:
        said, complained = process.communicate(timeout=60)
        if process.returncode:
            assert complained == (
                f"quorumbook: {exchange.data}: another process makes a snapshot of it already\n"
            )
        else:
            assert said.startswith(("snapshot at entry", "nothing was committed since"))
    assert {process.returncode for process in both} <= {0, 1}
    assert 0 in {process.returncode for process in both}
    assert len(snapshots(exchange.data)) == 1


def test_damage_behind_a_snapshot_is_said(exchange: ExchangeProcess, tmp_path: Path) -> None:
    trade(exchange, "ALICE", 20)
    exchange.stop()
    segment = exchange.data / "00000001.segment"
    whole = segment.read_bytes()
    end = len(whole.rstrip(b"\0"))
    for place, what in ((end - 1, "behind entry"), (20, "the segment header is damaged")):
        copy = tmp_path / str(place)
        shutil.copytree(exchange.data, copy)
        damaged = copy / segment.name
        damaged.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        done = exchange.run("snapshot", "--data", str(copy))
        assert done.returncode == 1, done.stdout
        assert re.match(rf"quorumbook: {damaged}, offset \d+: {what}", done.stderr), done.stderr


def test_logs_of_a_local_cluster_are_found_as_its_replicas_are(
    exchange: ExchangeProcess, tmp_path: Path
) -> None:
    trade(exchange, "ALICE", 20)
    exchange.stop()
    state = tmp_path / "state" / "quorumbook"
    one, two = (state / "cluster" / name for name in ("replica1", "replica2"))
    for copy in (one, two):
        shutil.copytree(exchange.data, copy)
        copy.with_suffix(".toml").touch()
    exchange.environment["XDG_STATE_HOME"] = str(tmp_path / "state")
    for place in ([], [str(state)], [str(state / "cluster")]):
        compared = exchange.run("verify", *place)
        assert compared.returncode == 0, compared.stderr
        assert [line.partition(": whole")[0] for line in compared.stdout.splitlines()[1:3]] == [
            str(one),
            str(two),
        ]
        assert re.search(rf"^data +{one}$", exchange.run("replay", *place).stdout, re.M)
    made = exchange.run("snapshot").stdout
    assert re.findall(r"^(\S+): snapshot at entry \d+: ", made, re.M) == [str(one), str(two)]
    assert re.search(rf"^data +{two}$", exchange.run("replay", str(two)).stdout, re.M)
    assert len(exchange.run("verify", str(two)).stdout.splitlines()) == 3
    shutil.rmtree(state / "cluster")
    for command in ("verify", "replay", "snapshot"):
        nowhere = exchange.run(command)
        assert nowhere.returncode == 1
        assert f"there is no log in {state}, and none of a cluster" in nowhere.stderr
        assert str(state / "cluster") in nowhere.stderr


def test_there_must_be_a_log(exchange: ExchangeProcess, tmp_path: Path) -> None:
    refused = exchange.run("snapshot", "--data", str(tmp_path))
    assert refused.returncode == 1
    (said,) = refused.stderr.splitlines()
    assert said.startswith(f"quorumbook: there is no log in {tmp_path}, and none of a cluster that ")


def test_what_a_killed_replica_had_begun_ends_with_it(tmp_path: Path) -> None:
    """Or it would write into a directory that is another replica's meanwhile."""
    with ExchangeProcess(tmp_path, config=CONFIG + "[log]\nsnapshot_every_mib = 1\n") as exchange:
        loaded = threading.Event()
        making: list[int] = []

        def begun() -> bool:
            making[:] = makers(int(exchange.endpoints["pid"]))
            return bool(making) and (exchange.data / "snapshot.lock").exists()

        def load() -> None:
            number = 0
            while not loaded.is_set():
                trade(exchange, f"BUSY{number}-", 1_000)
                number += 1

        loading = threading.Thread(target=load)
        loading.start()
        try:
            wait_until(begun)
        finally:
            loaded.set()
            loading.join()
        os.kill(making[0], signal.SIGSTOP)  # so that it cannot be done before
        exchange.kill()
        wait_until(lambda: not Path(f"/proc/{making[0]}").exists())


def makers(pid: int) -> list[int]:
    """Processes that make a snapshot for process `pid`."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if b"snapshot" in Path(f"/proc/{child}/cmdline").read_bytes()]
