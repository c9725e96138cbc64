"""What another member may have proposed, and nothing else: a log entry that cannot be applied stops everyone."""

from types import SimpleNamespace
from typing import cast

import pytest

from gateway import inputs
from gateway.exchange import Exchange
from gateway.framing import incarnation_of
from gateway.replica import Replica

MINE = 2
GOOD = inputs.disconnect(incarnation=7, number=1, connection=3)
ALSO = inputs.disconnect(incarnation=7, number=2, connection=4)
START = inputs.gateway_start(MINE, 99)


def test_inputs_of_one_incarnation_are_taken() -> None:
    assert incarnation_of(GOOD + ALSO, MINE) == 7
    assert incarnation_of(START, MINE) == 0


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"nonsense from a peer",
        bytes(64),
        b"\xff" * 200,
        GOOD[:-1],
        GOOD + GOOD[:8],
        GOOD + b"nonsense of eight bytes!",
        inputs.timer(),
        inputs.activate(1),
        inputs.gateway_lost(7),
        inputs.gateway_start(MINE + 1, 99),
        inputs.disconnect(incarnation=0, number=1, connection=3),
        GOOD + inputs.disconnect(incarnation=8, number=2, connection=4),
        GOOD + inputs.timer(),
        START + GOOD,
        START + START,
    ],
)
def test_anything_else_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match="input"):
        incarnation_of(payload, MINE)


def test_only_the_member_itself_enters_inputs_of_its_gateway() -> None:
    """One that was not applied here yet may be anybody's, and the fence judges; one that is lost is still its own."""
    exchange = Exchange()
    exchange.apply(START, 1, 1, 1)
    exchange.apply(inputs.gateway_start(MINE, 100), 2, 1, 2)
    exchange.apply(inputs.gateway_start(3, 100), 3, 1, 3)
    proposed: list[bytes] = []
    node = SimpleNamespace(leader=1, propose=proposed.append)
    leader = cast(Replica, SimpleNamespace(exchange=exchange, node=node, me=1))
    payloads = [inputs.disconnect(incarnation=its, number=1, connection=1) for its in (1, 2, 3, 4)]
    with pytest.raises(ValueError, match="incarnation 3, which is member 3's"):
        Replica.forwarded(leader, MINE, payloads[2])
    for payload in (payloads[0], payloads[1], payloads[3], START):
        Replica.forwarded(leader, MINE, payload)
    assert proposed == [payloads[0], payloads[1], payloads[3], START]
