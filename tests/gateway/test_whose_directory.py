"""Which directories are not for `serve`, and which not for `cluster`."""

import json
import os
from pathlib import Path

import pytest

from gateway.config import ConfigError
from gateway.whose_directory import check_for_cluster, check_for_exchange


def running(directory: Path) -> None:
    """As what runs leaves it: this process stands for the exchange."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "00000001.segment").touch()
    endpoints = {"admin": "tcp://127.0.0.1:7614", "pid": os.getpid()}
    (directory / "endpoints.json").write_text(json.dumps(endpoints))


def stopped(directory: Path) -> None:
    (directory / "endpoints.json").unlink()


def local_cluster(directory: Path) -> Path:
    """The data directory of its replica, which runs."""
    running(directory / "replica1")
    (directory / "replica1.toml").touch()
    return directory / "replica1"


def test_a_clusters_directory_is_not_for_an_exchange(tmp_path: Path) -> None:
    replica = local_cluster(tmp_path)
    stopped(replica)
    with pytest.raises(
        ConfigError, match=f"start that with quorumbook cluster --data {tmp_path}, or one replica"
    ):
        check_for_exchange(tmp_path)
    check_for_exchange(replica)
    check_for_cluster(tmp_path)


def test_beside_a_cluster_in_it_no_exchange_runs_while_that_does(tmp_path: Path) -> None:
    replica = local_cluster(tmp_path / "cluster")
    with pytest.raises(ConfigError, match=f"the local cluster in {tmp_path}/cluster runs"):
        check_for_exchange(tmp_path)
    stopped(replica)
    check_for_exchange(tmp_path)


def test_an_exchanges_directory_is_not_for_a_cluster(tmp_path: Path) -> None:
    running(tmp_path)
    stopped(tmp_path)
    with pytest.raises(ConfigError, match=f"start that with quorumbook serve --data {tmp_path}, or give"):
        check_for_cluster(tmp_path)
    check_for_exchange(tmp_path)


def test_in_an_exchanges_directory_no_cluster_runs_while_that_does(tmp_path: Path) -> None:
    running(tmp_path)
    with pytest.raises(ConfigError, match=f"the exchange in {tmp_path} runs"):
        check_for_cluster(tmp_path / "cluster")
    stopped(tmp_path)
    check_for_cluster(tmp_path / "cluster")


def test_a_new_directory_is_for_both(tmp_path: Path) -> None:
    check_for_exchange(tmp_path / "new")
    check_for_cluster(tmp_path / "new")
