"""Lists of many instruments: whole, and the same however work is cut."""

import pytest
from memory_edge import MemoryEdge
from stories import Storyteller

from gateway import fix, inputs

MANY = 300
NOT_REJECTED = 255


def answers(genesis: list[bytes], *lines: str, budget: int = 4096) -> list[bytes]:
    """What a client hears that sends this in one log entry."""
    edge = MemoryEdge(budget=budget)
    teller = Storyteller(edge)
    teller.genesis = genesis
    for line in ("connect A", "logon A"):
        list(teller.tell(line))
    for line in lines:
        teller.send("A", line, more=line != lines[-1])
    return [content for _, kind, content in edge.out if kind == "message"]


def values(message: bytes, tag: int) -> list[str]:
    return [part[len(f"{tag}=") :] for part in message.decode().split("\x01") if part.startswith(f"{tag}=")]


@pytest.mark.parametrize("budget", [1, 4096])
def test_a_list_comes_in_a_message_for_each_instrument(budget: int) -> None:
    genesis = [
        inputs.instrument(f"SYMBOL-{number:05}", high_price="92233720368547758") for number in range(MANY)
    ]
    *fragments, behind = answers(genesis, "35=x|320=all|559=4", "35=g|335=behind|263=0", budget=budget)
    assert values(behind, 335) == ["behind"]
    assert len(fragments) == MANY
    assert [values(one, 893) for one in fragments] == [*[["N"]] * (len(fragments) - 1), ["Y"]]
    assert [values(one, 322) for one in fragments] == [[f"{MANY + 5}-{n + 1}"] for n in range(len(fragments))]
    assert all(values(one, 393) == [str(MANY)] for one in fragments)
    symbols = [symbol for one in fragments for symbol in values(one, 55)]
    assert [symbol[7:12] for symbol in symbols] == [f"{number:05}" for number in range(MANY)]
    for one in fragments:
        assert values(one, 146) == ["1"]
        assert fix.scan_message(one)[5] == NOT_REJECTED
    assert values(fragments[0], 20010)[0] == "92233720368547758.00"


@pytest.mark.parametrize(
    ("increment", "most", "stated"),
    [("1", "9223372036854775806", ["9223372036854775806"]), ("10", "92233720368547758060", [])],
)
def test_a_limit_that_no_order_can_reach_is_left_out(increment: str, most: str, stated: list[str]) -> None:
    genesis = [inputs.instrument("A", quantity_increment=increment, max_quantity=most)]
    assert values(answers(genesis, "35=x|320=one|559=0|55=A")[0], 20008) == stated
