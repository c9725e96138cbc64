"""Passwords at the replicas of a cluster: each compares those of its own clients, and nothing of it travels."""

from pathlib import Path

import pytest
from cluster_processes import ClusterProcesses, free_members
from fix_client import Closed, FixClient

from gateway.passwords import hashed

PASSWORD, WRONG = "correct-horse-17", "battery-staple-99"


def test_every_replica_lets_in_its_clients_and_no_log_has_a_refused_logon(tmp_path: Path) -> None:
    clients = f'[[clients]]\ncomp_id = "ALICE"\npassword_hash = "{hashed(PASSWORD.encode())}"\n'
    with ClusterProcesses(tmp_path) as cluster:
        cluster.begin(free_members(3), lambda id, config: config + clients)
        for id, member in cluster.members.items():
            for comp_id, password in (("ALICE", WRONG), ("MALLORY", PASSWORD)):
                with FixClient("tcp", member.port("fix_tcp"), comp_id) as one, pytest.raises(Closed):
                    one.logon((141, "Y"), (554, password))
            with FixClient("tcp", member.port("fix_tcp"), "ALICE") as alice:
                alice.logon((141, "Y"), (554, PASSWORD))
                alice.send_bytes(alice.order(f"at{id}", "buy", 1, "1.00"))
                assert alice.expect("8")[150] == "0"
                alice.send("5")
                alice.expect("5")
        for member in cluster.members.values():
            member.stop()
            kept = b"".join(path.read_bytes() for path in member.data.rglob("*") if path.is_file())
            assert b"ALICE" in kept
            for word in (PASSWORD, WRONG):
                assert word.encode() not in kept
            segments = b"".join(path.read_bytes() for path in member.data.rglob("*.segment"))
            assert b"MALLORY" not in segments
