"""What is asked of a cluster whose replica dies: requests that are sent again elsewhere, copies, and subscriptions."""

import itertools
import random
from collections.abc import Iterator

import pytest
from cluster_processes import ClusterProcesses, free_members
from fix_client import Fields
from stage import Actor, Stage, pairs

MANY = 2_000
TIME = (60, "20260101-00:00:00.000")
TRANSPORTS = ("tcp", "zmq")
CONFIG = "".join(
    f'\n[[drop_copies]]\ncomp_id = "RISK-{one}"\nsessions = ["ALICE-{one}", "BOB-{one}"]'
    f'\n[[instruments]]\nsymbol = "BOOK-{one}"\nprice_increment = "0.01"\nquantity_increment = "1"'
    for one in TRANSPORTS
)
CONFIG += '\n[[instruments]]\nsymbol = "AAPL"\nprice_increment = "0.01"\nquantity_increment = "1"\n'
BOOK: Fields = [(264, "0"), (265, "1"), (267, "2"), (269, "0"), (269, "1"), (146, "1")]
"""Both sides, as deep as they are, with updates."""

SERIAL = itertools.count()

pytestmark = [
    pytest.mark.parametrize("transport", TRANSPORTS),
    pytest.mark.xdist_group("cluster requests"),  # one cluster serves them all
]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with ClusterProcesses(tmp_path_factory.mktemp("stage")) as cluster:
        cluster.begin(free_members(3), lambda id, config: config + CONFIG)
        yield Stage(cluster)


def actor(stage: Stage, at: int, transport: str, comp_id: str = "") -> Actor:
    made = Actor(stage, at, transport, comp_id or f"CLIENT-{next(SERIAL)}")
    made.begin([(98, "0"), (108, "0")])
    return made


def order(name: str, side: str, price: str, quantity: str = "10", symbol: str = "AAPL") -> Fields:
    return [(11, name), (55, symbol), (54, side), TIME, (38, quantity), (40, "2"), (44, price)]


def of(name: str, original: str) -> Fields:
    return [(11, name), (41, original), (55, "AAPL"), (54, "1"), TIME]


def heard(client: Actor, wanted: int) -> list[dict[int, str]]:
    """So many application messages, and no more."""
    found = [dict(pairs(client.hear())) for _ in range(wanted)]
    client.finish()
    assert not client.unheard
    return found


@pytest.mark.parametrize("arrives", [True, False])
def test_a_replace_and_a_cancel_that_are_sent_again_elsewhere_are_done_once(
    stage: Stage, transport: str, arrives: bool
) -> None:
    """By PossResend, of a client that does not know whether the first one arrived."""
    alice = actor(stage, 1, transport)
    alice.say([("D", order("a", "1", "10"))])
    heard(alice, 1)
    requests: list[tuple[str, Fields]] = [
        ("G", [*of("b", "a"), (38, "12"), (40, "2"), (44, "10")]),
        ("F", of("c", "b")),
    ]
    for (kind, fields), done in zip(requests, ("5", "4"), strict=True):
        if arrives:
            alice.say([(kind, fields)])
            assert heard(alice, 1)[0][150] == done
        stage.kill(alice.at)
        alice.say([(kind, [(97, "Y"), *fields])])
        (answer,) = heard(alice, 1)
        assert (answer[150], answer[11]) == ("I" if arrives else done, dict(fields)[11])
        assert answer[151] == ("12" if done == "5" else "0")
    stage.wait()
    stage.cluster.wait_for_one_state()


@pytest.mark.parametrize("leads", [True, False])
def test_a_mass_cancel_is_done_once(stage: Stage, transport: str, leads: bool) -> None:
    """The replica of who asks dies before it has answered, whether it leads or not."""
    leader = stage.leader()
    alice = actor(stage, leader if leads else leader % 3 + 1, transport)
    alice.say([("D", order(f"a{at}", "1", "10", "1")) for at in range(MANY)])
    heard(alice, MANY)
    alice.say([("q", [(11, "all"), (530, "7"), TIME])])
    stage.kill(alice.at)
    *cancels, report = heard(alice, MANY + 1)
    assert [(one[150], one[11]) for one in cancels] == [("4", f"a{at}") for at in range(MANY)]
    assert (report[35], report[533]) == ("r", str(MANY))
    stage.wait()
    stage.cluster.wait_for_one_state()


class Risk(Actor):
    """Keeps the last input number that it has dealt with, and no MsgSeqNum of what comes."""

    def __init__(self, stage: Stage, at: int, transport: str) -> None:
        super().__init__(stage, at, transport, f"RISK-{transport}")
        self.copies: dict[str, dict[int, str]] = {}
        self.begin([(98, "0"), (108, "0"), (20006, "0")])

    def _keep(self, message: dict[int, str]) -> None:
        if message[35] in {"8", "9"}:
            self.copies.setdefault(message[20001] + message.get(17, message[11]), message)
            self.terms[-1] = (20006, message[20001])

    def catch_up(self) -> None:
        self.settle()


def bare(report: dict[int, str]) -> dict[int, str]:
    """Without what each session has of its own."""
    return {tag: text for tag, text in report.items() if tag not in {9, 10, 34, 43, 52, 56, 115, 122}}


def test_a_drop_copy_goes_on_elsewhere_from_an_input_number(stage: Stage, transport: str) -> None:
    alice, bob = (
        actor(stage, at, transport, f"{name}-{transport}") for at, name in ((1, "ALICE"), (2, "BOB"))
    )
    risk = Risk(stage, 3, transport)
    originals: list[tuple[dict[int, str], str]] = []
    for turn in range(3):
        alice.say([("D", order(f"a{turn}", "1", "10"))])
        originals += [(one, "ALICE") for one in heard(alice, 1)]
        bob.say([("D", order(f"b{turn}", "2", "10", "4"))])
        originals += [(one, "BOB") for one in heard(bob, 2)]
        stage.kill(risk.at)
        originals += [(one, "ALICE") for one in heard(alice, 1)]
        alice.say(
            [("F", of(f"c{turn}", f"a{turn}")), ("F", of(f"d{turn}", f"a{turn}"))]
        )  # the second is too late
        originals += [(one, "ALICE") for one in heard(alice, 2)]
        risk.finish()
    copies = list(risk.copies.values())
    assert len(copies) == len(originals)
    for original, whose in originals:
        (copy,) = [one for one in copies if bare(one) == bare(original)]
        assert copy[115] == f"{whose}-{transport}"
    stage.wait()
    stage.cluster.wait_for_one_state()


def entries(message: bytes, first: int) -> Iterator[dict[int, str]]:
    """The elements of the group whose elements begin with this tag."""
    entry: dict[int, str] = {}
    for tag, value in pairs(message):
        if tag == first:
            if entry:
                yield entry
            entry = {tag: value}
        elif entry:
            entry[tag] = value
    if entry:
        yield entry


Book = dict[tuple[str, str], tuple[str, str]]
"""Quantity and orders, by side and price."""


def update(book: Book, client: Actor, name: str) -> None:
    """With everything that this subscription has been told up to now."""
    client.finish()
    while client.unheard:
        message = client.unheard.popleft()
        said = dict(pairs(message))
        if said.get(262) != name:
            continue  # of an earlier one
        if said[35] == "W":
            book.clear()
        for one in entries(message, 269 if said[35] == "W" else 279):
            if one.get(279) == "2":
                del book[one[269], one[270]]
            else:
                book[one[269], one[270]] = (one[271], one[346])


def depth(stage: Stage, symbol: str) -> Book:
    told = stage.cluster.members[stage.leader()].ask(command="depth", symbol=symbol, levels=1_000)
    return {
        (side, price): (quantity, str(orders))
        for side, name in (("0", "bids"), ("1", "asks"))
        for price, quantity, orders in told[name]
    }


def some_order(chance: random.Random, name: str, symbol: str) -> Fields:
    price = f"{chance.randint(900, 930) / 100:.2f}"
    return order(name, chance.choice("12"), price, str(chance.randint(1, 9)), symbol)


def test_a_book_is_made_anew_after_each_failover(stage: Stage, transport: str) -> None:
    chance = random.Random(transport)
    alice, reader, symbol = actor(stage, 1, transport), actor(stage, 2, transport), f"BOOK-{transport}"
    for turn in range(3):
        book: Book = {}
        reader.say([("V", [(262, f"md{turn}"), (263, "1"), *BOOK, (55, symbol)])])
        for part in range(2):
            orders = [some_order(chance, f"{turn}{part}-{at}", symbol) for at in range(50)]
            alice.say([("D", fields) for fields in orders])
            alice.finish()
            update(book, reader, f"md{turn}")
            assert len(book) > 5
            assert book == depth(stage, symbol)
        stage.kill(reader.at)
        reader.finish()
        stage.wait()
    stage.cluster.wait_for_one_state()


def test_trades_are_captured_again_after_each_failover(stage: Stage, transport: str) -> None:
    """A subscription ends with its connection; the reports of trades in between have been sent all the same."""
    alice = actor(stage, 1, transport)
    captured, fills = [], []
    for turn in range(3):
        alice.say([("AD", [(568, f"t{turn}"), (569, "0"), (263, "1")])])
        (answer,) = heard(alice, 1)
        assert (answer[35], answer[749], answer[750]) == ("AQ", "0", "0")
        alice.say([("D", order(f"b{turn}", "1", "10")), ("D", order(f"s{turn}", "2", "10"))])
        reports = heard(alice, 6)
        captured += [(one[880], one[17]) for one in reports if one[35] == "AE"]
        fills += [(one[880], one[17]) for one in reports if one.get(150) == "F" and one[35] == "8"]
        stage.kill(alice.at)
        alice.say([("D", order(f"x{turn}", "1", "10")), ("D", order(f"y{turn}", "2", "10"))])
        between = heard(alice, 4)
        assert [one[35] for one in between] == ["8"] * 4, turn
    assert captured == fills
    assert len(captured) == 6
    stage.wait()
    stage.cluster.wait_for_one_state()
