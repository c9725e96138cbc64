"""The stories of tests/gateway/scenarios come out of a running exchange as written, over both transports."""

from pathlib import Path

import pytest
from socket_edge import SocketEdge, left_out, told, written
from stories import SCENARIOS, STORIES

TOLD = [
    pytest.param(path, transport, id=f"{path.stem}-{transport}", marks=[pytest.mark.slow] if later else [])
    for number, path in enumerate(STORIES)
    for transport, later in (("tcp", number % 4), ("zmq", (number + 2) % 4))
]
"""Every other story is told over one transport at once, and all over both where there is time: what they say is tested
without sockets, too."""


@pytest.mark.parametrize(("path", "transport"), TOLD)
def test_a_story_comes_out_of_a_running_exchange(path: Path, transport: str, tmp_path: Path) -> None:
    text = path.read_text()
    if why := left_out(text, transport):
        pytest.skip(why)
    edge = SocketEdge(tmp_path, transport)
    try:
        assert told(text, edge) == written(text)
    finally:
        edge.stop()


TRADE = (SCENARIOS / "self_trade.txt").read_text()
FIRST, *_, LAST = [line for line in TRADE.splitlines() if line.startswith("< A 35=8")]


@pytest.mark.parametrize(
    "untrue",
    [
        TRADE.replace("39=0", "39=1", 1),
        TRADE.replace("20001=6", "20001=7"),
        TRADE.replace(f"{FIRST}\n", ""),  # the exchange says more than the story, in the middle
        TRADE.replace(f"{LAST}\n", ""),  # and at the end
        TRADE.replace(FIRST, f"{FIRST}\n{FIRST}"),  # and less
        f"{TRADE}< A close\n",
    ],
    ids=[
        "a value",
        "an input number",
        "an answer left out",
        "the last one left out",
        "one too many",
        "an end",
    ],
)
def test_a_story_that_is_not_true_is_found_out(untrue: str, tmp_path: Path) -> None:
    edge = SocketEdge(tmp_path, "tcp", patience_seconds=0.5)
    try:
        assert told(untrue, edge) != written(untrue)
    finally:
        edge.stop()
