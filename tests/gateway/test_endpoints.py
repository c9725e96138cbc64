"""Where a server listens, and what is said when a port is taken."""

import errno
import socket
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway import endpoints
from gateway.config import Config, ConfigError
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


@pytest.mark.parametrize("given", ["", "feed = 7612\n"])
def test_a_host_of_another_machine_is_named_whatever_ports_are_stated(tmp_path: Path, given: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f'[network]\nhost = "192.0.2.1"\nplain = "anywhere"\n{given}')
    said = r"config\.toml: network\.host: this machine has no address 192\.0\.2\.1; allowed: .*127\.0\.0\.1"
    with pytest.raises(endpoints.CannotListen, match=said):
        endpoints.try_all(load(file))


def test_a_usual_port_that_is_taken_does_not_stop_a_first_start() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        network = replace(load(None).config.network, fix_tcp=held.getsockname()[1])
        endpoints.try_all(replace(load(None), config=Config(network=network)))


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
