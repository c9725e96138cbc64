"""Orders through random lives: every report follows from those before it, and every request has one answer.

What is checked of each report is in order_checker.py. Here clients enter, replace, cancel and ask for orders they know,
open or closed, under old ClOrdIDs too, while connections break and the exchange stops and comes back from its log.
"""

import random
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from memory_edge import MemoryEdge
from order_checker import STATUS_AFTER, Checker, fields
from stories import time_text
from test_exchange_properties import CLIENTS, World

from gateway.exchange import Exchange

KINDS = "DDDDDDDDFFGGGGGHHqA"
TERMS = {0: "59=3|", 1: "59=3|", 2: "59=4|", 3: "18=6|", 4: "1=acct|", 5: "59=1|", 6: "111=1|"}
SPECIAL = {
    **dict.fromkeys((10, 11, 12), "40=3|99={price}|"),
    **dict.fromkeys((13, 14), "40=4|99={price}|44={price}|"),
    **dict.fromkeys((15, 16, 17, 18), "40=P|18=R|"),
    **dict.fromkeys(range(24, 50), "40=2|44={price}|59=6|126={soon}|"),
    19: "40=P|18=a|211=0.01|",
    20: "40=K|",
}
MARKET, USED, STRANGE = 7, 8, 9
"""Numbers that make an order a market order, take a ClOrdID that was used, or name an order's wrong side."""


class LoggedEdge(MemoryEdge):
    """Sees that every report has the time of its entry; a restart has nothing but the log."""

    def entry(self, *items: bytes) -> None:
        before = len(self.out)
        super().entry(*items)
        for _, kind, content in self.out[before:]:
            if kind in {"message", "kept"} and (m := fields(content))["35"] in {"8", "9", "r"}:
                assert m["60"] == time_text(self.now_ns)

    def restart(self) -> None:
        again = Exchange()
        again.begin_all(self.log)
        while not again.step(4096):
            pass
        again.clear_egress()
        assert again.state_hash() == self.exchange.state_hash()
        self.exchange = again
        super().restart()


@dataclass
class Life:
    """A history of six numbers a step: what happens, to whom, which order, how much, at what price, how."""

    world: World = field(default_factory=lambda: World(LoggedEdge()))
    checker: Checker = field(default_factory=Checker)
    known: dict[str, list[tuple[str, str]]] = field(
        default_factory=lambda: {client: [] for client in CLIENTS}
    )
    """ClOrdID and side of each client's orders, under every name that was accepted; the newest last."""
    asked: int = 0
    answers: set[tuple[str, str, str]] = field(default_factory=set)
    """What was asked (35), and what came: 35 with 150 or 102."""

    def __post_init__(self) -> None:
        self.world.start()

    def step(self, numbers: tuple[int, ...]) -> None:
        what, who, *rest = numbers
        client = CLIENTS[who % len(CLIENTS)]
        if what >= 14:
            self.ask(client, *rest)
        elif what >= 6:
            self.world.play(("wait", "", rest[0] * 10**7))
        elif what >= 2:
            self.world.play(("close", client, 0))
        else:
            self.world.play(("restart", "", 0))
        self.take()

    def ask(self, client: str, *numbers: int) -> None:
        """A request of a client that is logged on, and its answer."""
        self.world.play(("admin", client, "35=0|"))
        self.take()
        name, original, text = self.request(client, *numbers)
        self.world.say(client, text)
        heard = self.take()
        direct = [m for m in heard if m["56"] == client and answers(text[3], name, original, m)]
        assert len(direct) == (max(1, int(direct[0]["911"])) if text[3] == "A" else 1), f"{text}: {direct}"
        assert all(m in direct or m["150"] in "FLD" or "20002" in m for m in heard)
        answer = direct[0]
        self.answers.add((text[3], answer["35"], answer.get("150", answer.get("102", ""))))
        if answer.get("150", "8") in "045":
            self.known[client].append((name, answer["54"]))

    def request(self, client: str, which: int, quantity: int, price: int, how: int) -> tuple[str, str, str]:
        """ClOrdID, OrigClOrdID and text of a request."""
        self.asked += 1
        kind, known = KINDS[how % len(KINDS)], self.known[client][-8:] or [("none", "1")]
        original, side = known[which % len(known)]
        name = original if price % 25 == USED else f"{client}{self.asked}"
        side = str(1 + quantity % 2) if kind == "D" else "12"[side == "1"] if price % 25 == STRANGE else side
        order = f"11={name}|55=AAPL|54={side}|"
        at = f"{9.97 + price % 7 / 100:.2f}"
        terms = f"38={1 + quantity % 20}|40=2|44={at}|"
        match kind:
            case "D" if quantity == MARKET:
                return name, "", f"35=D|{order}38=5|40=1|"
            case "D" if which in SPECIAL:
                soon = time_text(self.world.edge.now_ns + 3 * 10**8)
                return name, "", f"35=D|{order}38=5|{SPECIAL[which].format(price=at, soon=soon)}"
            case "D":
                return name, "", f"35=D|{order}{terms}{TERMS.get(which, '')}"
            case "G":
                return name, original, f"35=G|{order}41={original}|{terms}"
            case "F":
                return name, original, f"35=F|{order}41={original}|"
            case "H":
                return original, "", f"35=H|11={original}|55=AAPL|54={side}|"
            case "q":
                return name, "", f"35=q|11={name}|530=1|55=AAPL|54={side}|"
            case _:
                return name, "", f"35=AF|584={name}|585=7|"

    def take(self) -> list[dict[str, str]]:
        """What has come out since, judged."""
        out = self.world.edge.out
        heard = [fields(content) for _, kind, content in out if kind in {"message", "kept"}]
        out.clear()
        for m in heard:
            if m["35"] == "8":
                self.checker.see(m)
        return heard


def answers(kind: str, name: str, original: str, m: dict[str, str]) -> bool:
    """Whether the message is the direct answer to a request."""
    match kind:
        case "A":
            return m.get("584") == name
        case "q":
            return m["35"] == "r" and m["11"] == name
        case "H":
            return m.get("150") == "I"
        case "D":
            return m.get("150", "") in {"0", "8"} and m["11"] == name
        case _:
            done = m.get("150") == ("4" if kind == "F" else "5") and (m["11"], m["41"]) == (name, original)
            return done or (m["35"] == "9" and m["11"] == name)


numbers = st.tuples(*[st.integers(0, 99)] * 6)


@settings(max_examples=100)
@given(st.lists(numbers, max_size=80))
def test_every_report_follows_from_those_before_it(history: list[tuple[int, ...]]) -> None:
    life = Life()
    for step in history:
        life.step(step)


def test_a_long_life_meets_every_change_of_an_order_and_every_answer() -> None:
    life, chance = Life(), random.Random(20260105)
    for _ in range(3000):
        life.step(tuple(chance.randrange(100) for _ in range(6)))
    assert life.checker.transitions == {
        (before, kind, after) for (before, kind), those in STATUS_AFTER.items() for after in those
    }
    assert life.answers == {
        *(("D", "8", kind) for kind in "08"),
        *(("F", "9", reason) for reason in ("0", "1", "6", "99")),
        *(("G", "9", reason) for reason in ("0", "1", "6", "99")),
        ("F", "8", "4"),
        ("G", "8", "5"),
        ("H", "8", "I"),
        ("A", "8", "I"),
        ("q", "r", ""),
    }
