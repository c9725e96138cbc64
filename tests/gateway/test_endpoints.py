"""Where a server listens, and what is said when a port is taken."""

import errno
from pathlib import Path

import pytest

from gateway import endpoints
from gateway.config import ConfigError, load


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


def test_a_port_that_the_file_states_does_not(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[network]\nfeed = 7612\n")
    with pytest.raises(
        ConfigError, match=r"network\.feed: port 7612 on 127\.0\.0\.1: Address already in use"
    ):
        endpoints.bind(load(file), [], "feed", taken)
