"""Where a server listens, and what is said when a port is taken."""

import errno
from pathlib import Path

import pytest

from gateway import endpoints
from gateway.config import ConfigError
from gateway.config_file import load
from gateway.data_directory import read_endpoints

CLUSTER = '[cluster]\nid = "{}"\nmember = 2\nmembers = ["1 127.0.0.1:1", "2 127.0.0.1:2"]\n'.format("ab" * 16)


def taken(address: str) -> str:
    """Binds free ports only."""
    if not address.endswith(":0"):
        raise OSError(errno.EADDRINUSE, "Address already in use")
    return address


def test_default_ports_that_are_taken_give_way_and_are_collected() -> None:
    replaced: list[str] = []
    for name in ("feed", "admin"):
        assert endpoints.bind(load(None), replaced, name, taken) == "tcp://127.0.0.1:0"
    assert replaced == ["7612 (feed)", "7614 (admin)"]


def test_what_outlives_a_member_that_is_killed_says_who_it_is_and_how_it_starts(tmp_path: Path) -> None:
    endpoints.write(tmp_path, {"pid": 7}, load(None))
    assert read_endpoints(tmp_path) == {"pid": 7}
    file = tmp_path / "member2.toml"
    file.write_text(CLUSTER)
    endpoints.write(tmp_path, {"pid": 7}, load(file))
    assert read_endpoints(tmp_path) == {"pid": 7, "member": 2, "config": str(file)}


def test_a_port_that_the_file_states_does_not(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[network]\nfeed = 7612\n")
    with pytest.raises(
        ConfigError, match=r"network\.feed: port 7612 on 127\.0\.0\.1: Address already in use"
    ):
        endpoints.bind(load(file), [], "feed", taken)
