"""What another member may have proposed, and nothing else: a log entry that cannot be applied stops everyone."""

import pytest

from gateway import inputs
from gateway.framing import incarnation_of

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
    ],
)
def test_anything_else_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match="input"):
        incarnation_of(payload, MINE)
