"""What a configuration means for a replica's log."""

from pathlib import Path

import pytest

from gateway.config_file import parse
from gateway.replica_log import open_log
from replication.disk import RealDisk
from replication.files import LogError
from replication.raft import Timing

CLUSTER = f"""
[cluster]
id = "{"ab" * 16}"
member = 1
members = ["1 127.0.0.1:7620"]
heartbeat_ms = 20
election_timeout_ms = 300
[[instruments]]
symbol = "A"
"""


def test_raft_goes_by_the_configured_times(tmp_path: Path) -> None:
    config = parse(CLUSTER, "my.toml").config
    node = open_log(RealDisk(str(tmp_path)), config, first_start=True, repair=False)
    node.begin()
    assert node._running.timing == Timing(20_000_000, 300_000_000)
    assert node.membership.member(1).address == "127.0.0.1:7620"
    node.close()


def test_an_empty_directory_of_a_cluster_is_not_begun_unasked(tmp_path: Path) -> None:
    config = parse(CLUSTER, "my.toml").config
    with pytest.raises(LogError, match="there is no log here, and member 1 is the only one"):
        open_log(RealDisk(str(tmp_path)), config, first_start=False, repair=False)
    open_log(RealDisk(str(tmp_path)), config, first_start=True, repair=False).close()
    open_log(RealDisk(str(tmp_path)), config, first_start=False, repair=False).close()
