"""A killed exchange's sockets are closed before its memory is freed."""

import os
import signal
import socket
from contextlib import suppress
from pathlib import Path

from exchange_process import ExchangeProcess, wait_until


def holder_of(pid: int) -> int:
    """The task that shares the memory of process `pid`."""
    (children,) = Path(f"/proc/{pid}/task/{pid}").glob("children")
    for child in map(int, children.read_text().split()):
        if is_holder(child):
            return child
    raise AssertionError(f"no child of {pid} is a memory holder")


def status_of(pid: int) -> dict[str, str]:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return {}
    return {key: value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}


def is_holder(pid: int) -> bool:
    """Not, when it has ended."""
    status = status_of(pid)
    return status.get("Name") == "memory-holder" and not status["State"].startswith("Z")


def test_sockets_are_closed_while_the_memory_is_still_there(exchange: ExchangeProcess) -> None:
    pid = int(exchange.endpoints["pid"])
    holder = holder_of(pid)
    assert os.listdir(f"/proc/{holder}/fd") == []
    os.kill(holder, signal.SIGSTOP)  # so that it cannot end
    host, _, port = exchange.endpoints["fix_tcp"].removeprefix("fix+tcp://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as client:
        exchange.signal(signal.SIGKILL)
        with suppress(ConnectionResetError):
            assert client.recv(1) == b""
        assert int(status_of(holder)["VmRSS"].removesuffix("kB")) > 10_000
    os.kill(holder, signal.SIGCONT)
    wait_until(lambda: not is_holder(holder))


def test_it_ends_with_an_exchange_that_is_stopped(exchange: ExchangeProcess) -> None:
    holder = holder_of(int(exchange.endpoints["pid"]))
    os.kill(holder, signal.SIGTERM)  # as to a whole group
    os.kill(holder, signal.SIGINT)
    exchange.signal(signal.SIGTERM)
    assert exchange.process
    assert exchange.process.wait(20) == 0
    wait_until(lambda: not is_holder(holder))
