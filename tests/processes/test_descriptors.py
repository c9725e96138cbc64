"""A process that may open few files says so, and serves those who are connected."""

import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from exchange_process import ExchangeProcess
from fix_client import FixClient

from gateway.server import SNAPSHOTS_SECONDS


def few(files: int) -> tuple[str, ...]:
    """Run the rest of the command with this limit."""
    return ("/bin/sh", "-c", f'ulimit -n {files}; exec "$0" "$@"')


def wait_for(trace: Path, text: str) -> None:
    until = time.monotonic() + 20
    while text not in trace.read_text():
        assert time.monotonic() < until, trace.read_text()[-2000:]
        time.sleep(0.05)


@pytest.mark.parametrize("transport", ["tcp", "zmq"])
def test_strangers_take_every_descriptor(tmp_path: Path, transport: str) -> None:
    with ExchangeProcess(tmp_path, wrapper=few(64)) as exchange, ExitStack() as open_ones:
        trader = open_ones.enter_context(FixClient("tcp", exchange.port("fix_tcp"), "TRADER"))
        trader.logon()
        trace = exchange.data / "trace.jsonl"
        strangers = [
            open_ones.enter_context(
                socket.create_connection(("127.0.0.1", exchange.port(f"fix_{transport}")))
            )
            for _ in range(100)
        ]
        wait_for(trace, "hardly a file descriptor is left")
        time.sleep(2 * SNAPSHOTS_SECONDS)  # it looks for them meanwhile
        trader.send_bytes(trader.order("t1", "buy", 1, "1.00"))
        assert trader.expect("8")[150] == "0"
        if transport == "tcp":
            assert exchange.ask(command="status")["accepting"]
        for stranger in strangers:
            stranger.close()
        wait_for(trace, "file descriptors are free again")
        newcomer = open_ones.enter_context(FixClient("tcp", exchange.port("fix_tcp"), "NEWCOMER"))
        newcomer.logon()
        assert exchange.stop() == 0


def test_too_few_files_to_serve_at_all(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="this process may open 40 files; an exchange needs 64 or more"):
        ExchangeProcess(tmp_path, wrapper=few(40)).start()
