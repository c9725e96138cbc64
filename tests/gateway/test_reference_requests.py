"""Lists of many instruments: whole, and the same however work is cut."""

import pytest
from memory_edge import MemoryEdge
from stories import SCENARIOS, Storyteller, play

from gateway import fix, inputs
from gateway.exchange import Exchange

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


class Restored(MemoryEdge):
    """Goes on from a snapshot after every entry."""

    def entry(self, *items: bytes) -> None:
        super().entry(*items)
        before = self.exchange.state_hash()
        self.exchange = Exchange.restore(self.exchange.snapshot())
        assert self.exchange.state_hash() == before


@pytest.mark.parametrize("name", ["trading_status", "market_data_auction", "market_data_hidden"])
def test_what_subscribers_are_told_goes_on_from_a_snapshot(name: str) -> None:
    story = (SCENARIOS / f"{name}.txt").read_text()
    assert play(story, Restored()) == story


def test_a_session_has_a_thousand_subscriptions_at_most() -> None:
    lines = [f"35=e|324=s{number}|55=AAPL|263=1" for number in range(1000)]
    ends = ["35=e|324=s7|55=AAPL|263=1", "35=e|324=look|55=AAPL|263=0", "35=g|335=look|263=0"]
    more = ["35=e|324=more|55=AAPL|263=1", "35=g|335=more|263=1", "35=e|324=s7|55=AAPL|263=2"]
    heard = answers([inputs.instrument("AAPL")], *lines, *more[:2], *ends, more[2], more[1])
    kinds = [values(one, 35)[0] for one in heard]
    assert kinds == ["f"] * 1000 + ["j", "j"] + ["f", "f", "h"] + ["h"]
    assert values(heard[1000], 20002) == values(heard[1001], 20002) == ["127"]
    assert (values(heard[1000], 379), values(heard[1001], 380)) == (["more"], ["0"])


def test_a_tick_table_that_is_too_long_to_be_told_is_left_out() -> None:
    def told(rows: int) -> bytes:
        edge = MemoryEdge()
        teller = Storyteller(edge)
        teller.genesis = [inputs.instrument("AAPL")]
        for line in ("connect A", "logon A"):
            list(teller.tell(line))
        table = [(20045, "1")]
        for row in range(1, rows):
            table += [(20045, "1"), (20046, str(row))]
        head = [(20021, "TICKS"), (20034, "1"), (20044, str(rows))]
        edge.entry(inputs.operation(head + table))
        edge.entry(inputs.operation([(20021, "TERMS"), (55, "AAPL"), (20034, "1")]))
        teller.send("A", "35=x|320=r|559=0|55=AAPL", more=False)
        return [content for _, kind, content in edge.out if kind == "message"][-1]

    short = told(3)
    assert values(short, 20060) == ["0.01 0.01=0.01 0.02=0.01"]
    assert (values(told(1000), 20034), values(told(1000), 20060)) == (["1"], [])
