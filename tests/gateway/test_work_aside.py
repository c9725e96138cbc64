"""Work that takes long is put aside: others are answered meanwhile, and per instrument the same comes out."""

from random import Random
from typing import Any

import pytest
from memory_edge import Connection, MemoryEdge
from order_checker import Checker, fields
from test_exchange_properties import World

from gateway import inputs

CLIENTS = ("A", "B", "C")
SYMBOLS = ("ONE", "TWO", "SIX")
GENESIS = (
    inputs.setting(closed_cl_ord_ids=1000, cancel_on_disconnect=True, grace_ms=500),
    *(inputs.instrument(symbol) for symbol in SYMBOLS),
    inputs.operator("OPS"),
)
BOOK = "11={}|55={}|54={}|38={}|40=2|44={}|"


def world(steps: int, edge: MemoryEdge | None = None) -> World:
    world = World(edge or MemoryEdge())
    world.edge.exchange.reports_at_once = steps
    world.edge.start(*GENESIS)
    for client in (*CLIENTS, "OPS"):
        world.edge.connect(client)
        world.sent[client] = 0
        world.say(client, "35=A|98=0|108=0|")
    return world


def said(edge: MemoryEdge, client: str, since: int = 0) -> list[dict[str, str]]:
    return [fields(text) for name, kind, text in edge.out[since:] if name == client and kind == "message"]


def auction(world: World, orders: int) -> None:
    """In ONE, begun by OPS: A's orders on both sides trade with each other."""
    world.say("OPS", "35=UQ|20020=q1|20021=PHASE|55=ONE|20022=PRE_OPEN|")
    world.say("A", *["35=D|" + BOOK.format(f"a{n}", "ONE", 1 + n % 2, 10, 5) for n in range(orders)])
    world.say("OPS", "35=UQ|20020=q2|20021=PHASE|55=ONE|20022=CONTINUOUS|")


# ---------------------------------------------------------------- who waits, and who does not


def test_others_are_answered_before_an_auction_is_done() -> None:
    one = world(16)
    edge = one.edge
    auction(one, 200)
    assert edge.exchange.works_on
    before = len(edge.out)
    one.say("B", "35=D|" + BOOK.format("b1", "TWO", 1, 10, 5))
    assert [(m["11"], m["150"]) for m in said(edge, "B", before)] == [("b1", "0")]
    one.say("B", "35=1|112=x|")
    assert said(edge, "B", before)[-1]["35"] == "0"
    assert edge.exchange.works_on
    edge.wait(0)
    assert not edge.exchange.works_on
    assert sum(m.get("150") == "F" for m in said(edge, "A")) == 200
    assert said(edge, "OPS")[-1]["20020"] == "q2"


def test_who_sends_to_the_busy_book_waits_and_keeps_the_order_of_what_it_sent() -> None:
    one = world(16)
    edge = one.edge
    auction(one, 200)
    before = len(edge.out)
    one.say("C", "35=D|" + BOOK.format("c1", "ONE", 1, 10, 4), "35=D|" + BOOK.format("c2", "TWO", 2, 10, 5))
    one.say("B", "35=D|" + BOOK.format("b1", "ONE", 1, 10, 4))
    one.say("C", "35=F|11=c3|41=c1|55=ONE|54=1|", "35=1|112=x|")
    one.say("B", "35=D|" + BOOK.format("b2", "TWO", 1, 10, 5))
    assert said(edge, "B", before) == said(edge, "C", before) == []
    edge.wait(0)
    answers = [
        (name, m["35"], m.get("11", ""))
        for name, _, t in edge.out[before:]
        if name in "BC"
        for m in [fields(t)]
    ]
    assert answers == [
        ("C", "8", "c1"), ("C", "8", "c2"), ("C", "8", "c3"), ("C", "0", ""),
        ("B", "8", "b1"), ("B", "8", "b2"), ("B", "8", "b2"), ("C", "8", "c2"),
    ]  # fmt: skip


def test_more_than_is_kept_of_who_waits_is_asked_for_again() -> None:
    one = world(16)
    edge = one.edge
    auction(one, 2000)
    before = len(edge.out)
    first = one.sent["C"] + 1
    one.say("C", *["35=D|" + BOOK.format(f"c{n}", "ONE", 1, 10, 4) for n in range(300)])
    assert edge.exchange.works_on
    assert said(edge, "C", before) == []
    edge.wait(0)
    answers = said(edge, "C", before)
    assert [m["11"] for m in answers[:-1]] == [f"c{n}" for n in range(256)]
    assert (answers[-1]["35"], int(answers[-1]["7"])) == ("2", first + 256)


def test_what_is_about_all_books_waits_for_none() -> None:
    """A new instrument: the work is done first, in the same entry, and who waited has its turn before."""
    one = world(16)
    edge = one.edge
    auction(one, 200)
    one.say("C", "35=D|" + BOOK.format("c1", "ONE", 1, 10, 4))
    edge.entry(inputs.operation([(20021, "INSTRUMENT"), (55, "NEW")]))
    assert not edge.exchange.works_on
    assert said(edge, "C")[-1]["11"] == "c1"
    assert edge.exchange.symbols() == [*SYMBOLS, "NEW"]


def test_a_session_that_waits_and_leaves_has_its_turn_before() -> None:
    one = world(16)
    edge = one.edge
    auction(one, 200)
    one.say("C", "35=D|" + BOOK.format("c1", "ONE", 1, 10, 4))
    one.say("C", "35=5|")
    assert [m["35"] for m in said(edge, "C")[-2:]] == ["8", "5"]
    assert not edge.exchange.works_on


def test_a_mass_cancel_keeps_the_books_of_its_orders_busy_and_no_other() -> None:
    one = world(16)
    edge = one.edge
    for n in range(200):
        one.say("A", "35=D|" + BOOK.format(f"a{n}", SYMBOLS[n % 2], 1, 10, 5))
    one.say("B", "35=D|" + BOOK.format("b0", "SIX", 1, 10, 5), "35=D|" + BOOK.format("b1", "TWO", 1, 10, 4))
    before = len(edge.out)
    one.say("A", "35=q|11=m|530=7|")
    assert edge.exchange.works_on
    one.say("B", "35=F|11=b2|41=b0|55=SIX|54=1|")
    one.say("B", "35=F|11=b3|41=b1|55=TWO|54=1|")
    assert [m["11"] for m in said(edge, "B", before)] == ["b2"]
    one.say("C", "35=D|" + BOOK.format("c1", "ONE", 2, 10, 5))
    edge.wait(0)
    assert [m["11"] for m in said(edge, "B", before)] == ["b2", "b3"]
    assert [(m["11"], m["39"]) for m in said(edge, "C")[1:]] == [("c1", "0")]
    assert said(edge, "A")[-1]["533"] == "200"


def test_orders_that_expire_at_one_time_are_gone_before_their_books_take_others() -> None:
    one = world(16)
    edge = one.edge
    gtd = "59=6|126=20260105-10:00:01|"
    for n in range(200):
        one.say("A", "35=D|" + BOOK.format(f"a{n}", SYMBOLS[n % 2], 1, 10, 5) + gtd)
    edge.now_ns += 2 * 10**9
    before = len(edge.out)
    one.say("B", "35=D|" + BOOK.format("b0", "TWO", 2, 10, 5))
    one.say("C", "35=D|" + BOOK.format("c0", "SIX", 2, 10, 5))
    assert edge.exchange.works_on
    assert said(edge, "B", before) == []
    assert [m["11"] for m in said(edge, "C", before)] == ["c0"]
    edge.wait(0)
    assert [(m["11"], m["39"]) for m in said(edge, "B", before)] == [("b0", "0")]
    assert sum(m["39"] == "C" for m in said(edge, "A", before)) == 200


def test_what_comes_due_meanwhile_comes_before_who_waits() -> None:
    one = world(16)
    edge = one.edge
    one.say("B", "35=D|" + BOOK.format("b1", "TWO", 1, 10, 5) + "59=6|126=20260105-10:00:01|")
    auction(one, 200)
    edge.now_ns += 2 * 10**9
    one.say("C", "35=D|" + BOOK.format("c1", "TWO", 2, 10, 5))
    assert edge.exchange.works_on
    edge.wait(0)
    assert [(m["11"], m["150"]) for m in said(edge, "B")[1:]] == [("b1", "0"), ("b1", "C")]
    assert [(m["11"], m["150"]) for m in said(edge, "C")[1:]] == [("c1", "0")]


def test_what_comes_due_meanwhile_comes_before_what_is_about_all() -> None:
    one = world(16)
    edge = one.edge
    one.say("B", "35=D|" + BOOK.format("b1", "TWO", 1, 10, 5) + "59=6|126=20260105-10:00:01|")
    auction(one, 200)
    edge.now_ns += 2 * 10**9
    edge.entry(inputs.operation([(20021, "CANCEL"), (55, "TWO")]))
    assert [(m["11"], m["150"]) for m in said(edge, "B")[1:]] == [("b1", "0"), ("b1", "C")]


def test_time_that_waits_leaves_alone_what_came_since() -> None:
    """An order that comes and expires while others of the time before are still expiring: an input of its own."""
    one, whole = world(16), world(10**6)
    gtd = "59=6|126=20260105-10:00:0{}|"
    for each in (one, whole):
        edge = each.edge
        each.say("B", "35=D|" + BOOK.format("b0", "ONE", 1, 10, 5) + gtd.format(1))
        for n in range(200):
            each.say("A", "35=D|" + BOOK.format(f"a{n}", "TWO", 1, 10, 5) + gtd.format(1))
        edge.now_ns += 10**9
        edge.entry(inputs.timer())
        assert edge.exchange.works_on == (each is one)
        each.say("B", "35=D|" + BOOK.format("b1", "ONE", 1, 10, 5) + gtd.format(2))
        edge.now_ns += 10**9
        edge.wait(0)
        if each is whole:
            edge.entry(inputs.timer())
        assert [(m["11"], m["150"]) for m in said(edge, "B")[1:]] == [
            (name, kind) for name in ("b0", "b1") for kind in "0C"
        ]
    trades, top, _, orders = one.edge.exchange.feed.sequences(b"ONE")[:4]
    assert (trades, top, orders) == (0, 2, 4)  # b1 for b0 is the same top; that there is none is told


def test_pegs_that_a_halt_parks_keep_the_book_busy() -> None:
    one = world(16)
    edge = one.edge
    one.say("OPS", "35=UQ|20020=q1|20021=PROTECT|55=ONE|20036=10|20041=0.01|20042=2000|20043=3000|")
    one.say("B", "35=D|" + BOOK.format("b1", "ONE", 1, 1, 10), "35=D|" + BOOK.format("b2", "ONE", 2, 1, 10))
    one.say("B", "35=D|" + BOOK.format("b3", "ONE", 1, 1, 5), "35=D|" + BOOK.format("b4", "ONE", 2, 9, 11))
    one.say("A", *[f"35=D|11=a{n}|55=ONE|54=2|38=1|40=P|18=R|" for n in range(100)])
    before = len(edge.out)
    one.say("C", "35=D|" + BOOK.format("c1", "ONE", 2, 1, 5))
    assert edge.exchange.works_on
    one.say("A", "35=F|11=f|41=a99|55=ONE|54=2|")
    one.say("B", "35=F|11=f|41=b3|55=ONE|54=1|")
    assert edge.exchange.works_on
    assert said(edge, "B", before) == []
    edge.wait(0)
    assert [m["150"] for m in said(edge, "A", before)] == ["D"] * 100 + ["4"]


def busy(number: int = 200) -> World:
    """C has sent an order that waits."""
    one = world(16)
    auction(one, number)
    one.say("C", "35=D|" + BOOK.format("c1", "ONE", 1, 10, 4))
    assert one.edge.exchange.works_on
    assert len(said(one.edge, "C")) == 1
    return one


@pytest.mark.parametrize("reset", ["35=A|98=0|108=0|141=Y|", "35=4|123=N|36=50|", "35=4|36=50|"])
def test_who_waits_and_begins_its_numbers_anew_has_its_turn_before(reset: str) -> None:
    one = busy()
    if "35=A" in reset:
        one.sent["C"] = 0
    one.say("C", reset)
    assert [m.get("11") for m in said(one.edge, "C") if m["35"] == "8"] == ["c1"]


def test_who_waits_and_logs_on_elsewhere_has_its_turn_before() -> None:
    one = world(16)
    edge = one.edge
    edge.entry(inputs.gateway_start(member=2, nonce=9))
    auction(one, 200)
    one.say("C", "35=D|" + BOOK.format("c1", "ONE", 1, 10, 4))
    one.sent["C"] = 0
    edge.opened += 1
    edge.connections["C again"] = Connection(edge.opened, edge.exchange.last_incarnation)
    edge.names[edge.exchange.last_incarnation, edge.opened] = "C again"
    edge.gateway_number = 0
    edge.send("C again", one.written("C", "35=A|98=0|108=0|141=Y|"))
    assert [m["35"] for m in said(edge, "C")] == ["A", "8", "5"]


def test_who_waits_and_is_silent_has_its_turn_before_its_session_ends() -> None:
    one = world(16)
    edge = one.edge
    edge.connect("D")
    one.sent["D"] = 0
    one.say("D", "35=A|98=0|108=1|")
    auction(one, 2000)
    one.say("D", "35=D|" + BOOK.format("d1", "ONE", 1, 10, 4))
    for _ in range(2):
        edge.now_ns += 3 * 10**9
        edge.entry(inputs.timer())
    assert "D" not in edge.connections
    assert [m["11"] for m in said(edge, "D") if m["35"] == "8"] == ["d1"]


def test_each_request_of_who_waits_is_answered() -> None:
    one = busy()
    one.say("C", *[f"35=x|320={name}|559=4|" for name in ("x1", "x2")])
    one.edge.wait(0)
    answers = [(m["320"], m["55"]) for m in said(one.edge, "C") if m["35"] == "y"]
    assert answers == [(name, symbol) for name in ("x1", "x2") for symbol in SYMBOLS]


def test_what_is_missing_behind_who_waits_is_asked_for_when_it_has_had_its_turn() -> None:
    """A gap is being filled: what it is filled with waits, and the gap fill behind that is not kept."""
    one = world(16)
    edge = one.edge
    auction(one, 200)
    first = one.sent["C"] + 1
    one.sent["C"] += 5
    one.say("C", "35=1|112=x|")
    assert said(edge, "C")[-1]["35"] == "2"
    one.sent["C"] = first - 1
    one.say("C", "35=D|43=Y|122=20260105-10:00:00|" + BOOK.format("c1", "ONE", 1, 10, 4))
    one.say("C", f"35=4|43=Y|122=20260105-10:00:00|123=Y|36={first + 5}|")
    edge.wait(0)
    assert [m["35"] for m in said(edge, "C")[-2:]] == ["8", "2"]
    assert said(edge, "C")[-1]["7"] == str(first + 1)


def test_what_comes_at_a_wrong_time_uses_its_number_up_though_its_book_is_busy() -> None:
    one = world(16)
    edge = one.edge
    edge.entry(inputs.setting(sending_time_seconds=30))
    auction(one, 200)
    edge.now_ns -= 100 * 10**9
    late = one.written("C", "35=D|" + BOOK.format("c1", "ONE", 1, 10, 4))
    edge.now_ns += 100 * 10**9
    edge.send("C", late)
    assert edge.exchange.works_on
    assert [m["35"] for m in said(edge, "C")[1:]] == ["3", "5"]
    inbound = {s["comp_id"]: s["inbound"] for s in edge.exchange.sessions()}
    assert inbound["C"] == one.sent["C"] + 1


# ---------------------------------------------------------------- the same comes out


def order_of(chance: Random) -> tuple[Any, ...]:
    """One message about orders, without the names in it."""
    price, stop = (f"{chance.randint(95, 105) / 10:.1f}" for _ in range(2))
    small = chance.randint(1, 9)
    kind = chance.choice("DDDDDDDDFFGq")
    if kind == "F":
        return "F", chance.random()
    if kind == "G":
        return "G", chance.random(), chance.randint(1, 30), price
    if kind == "q":
        return "q", chance.choice(["530=7|", "530=1|55=ONE|", "530=1|55=TWO|"])
    terms = chance.choice(
        [f"38={chance.randint(1, 30)}|40=2|44={price}|"] * 6
        + [
            "38=5|40=1|",
            "38=30|40=1|",
            "38=3|40=K|",
            f"38={small}|40=3|99={price}|",
            f"38={small}|40=3|99={stop}|",
        ]
        + [f"38={small}|40=4|99={price}|44={stop}|", f"38={small}|40=P|18={chance.choice('RRMMP')}|"]
        + [f"38={small}|40=P|18=a|211=0.{small}|"]
    )
    more = [
        "",
        "",
        "",
        "",
        "59=3|",
        "111=1|",
        "111=0|",
        "20014=S|18=6|" if "18=" not in terms else "",
        "59=B|",
        "20012=1|20013=1|",
    ]
    more += [f"59=6|126=20260105-10:00:0{chance.randint(1, 9)}|"]
    symbol = chance.choice(["ONE", "ONE", "ONE", "TWO", "SIX"])
    return "D", symbol, chance.choice("12"), terms, chance.choice(more)


def step_of(chance: Random) -> tuple[str, str, Any]:
    kind = chance.random()
    if kind < 0.75:
        return "say", chance.choice(CLIENTS), [order_of(chance) for _ in range(chance.randint(1, 4))]
    if kind < 0.8:
        return "operate", "OPS", "20021=CANCEL|55=ONE|"
    if kind < 0.92:
        phases = ["PRE_OPEN", "CONTINUOUS", "CONTINUOUS", "CONTINUOUS", "CLOSING_AUCTION"]
        symbol = chance.choice(["ONE", "ONE", "SIX", "TWO"])
        return "operate", "OPS", f"20021=PHASE|55={symbol}|20022={chance.choice(phases)}|"
    return "wait", "", chance.choice([0, 0, 300 * 10**6])


Sent = dict[str, tuple[str, str]]  # by ClOrdID or OperationID: who sent it, and what


def written(sent: Sent, client: str, id: str, order: tuple[Any, ...]) -> str:
    """A message under an id; changes are of an order that the client sent before, so that there is one."""
    if order[0] == "D":
        _, symbol, side, kind, more = order
        return f"35=D|11={id}|55={symbol}|54={side}|{kind}{more}"
    if order[0] == "q":
        return f"35=q|11={id}|{order[1]}"
    mine = [text for name, text in sent.values() if name == client and text.startswith("35=D")]
    if not mine:
        return ""
    of = dict(part.split("=", 1) for part in mine[int(order[1] * len(mine))].strip("|").split("|"))
    head = f"35={order[0]}|11={id}|41={of['11']}|55={of['55']}|54={of['54']}|"
    return head if order[0] == "F" else f"{head}38={order[2]}|40={of['40']}|44={order[3]}|"


class Seen(MemoryEdge):
    """Sees which message is acted on, as its session's next number then rises. An input a step."""

    def __init__(self) -> None:
        super().__init__(budget=1)
        self.acted: list[tuple[str, int, int]] = []  # whose, its number, when
        self.expected: dict[str, int] = {}

    def route(self, data: bytes) -> None:
        super().route(data)
        for session in self.exchange.sessions():
            name, inbound = session["comp_id"], session["inbound"]
            self.acted += [(name, n, self.now_ns) for n in range(self.expected.get(name, inbound), inbound)]
            self.expected[name] = inbound


def play(one: World, story: list[tuple[str, str, Any]]) -> dict[tuple[str, int], str]:
    """What was sent, by whom and under which number; until all of it is done."""
    sent: Sent = {}
    numbered: dict[tuple[str, int], str] = {}
    for number, (kind, client, what) in enumerate(story):
        texts = []
        if kind == "wait":
            one.edge.wait(what)
        elif kind == "operate":
            texts = [f"35=UQ|20020=q{number}|{what}"]
        else:
            for place, order in enumerate(what):
                if text := written(sent, client, f"o{number}.{place}", order):
                    sent[f"o{number}.{place}"] = client, text
                    texts.append(text)
        for place, text in enumerate(texts):
            numbered[client, one.sent[client] + 1 + place] = text
        if texts:
            one.say(client, *texts)
    one.edge.wait(0)
    return numbered


STABLE = (
    "11",
    "41",
    "37",
    "150",
    "39",
    "54",
    "38",
    "44",
    "99",
    "59",
    "32",
    "31",
    "151",
    "14",
    "6",
    "20002",
    "103",
    "533",
)


def by_symbol(edge: MemoryEdge) -> dict[str, list[tuple[str, ...]]]:
    """What was reported of each instrument, but for the numbers that count over all of them, and each refusal."""
    reports: dict[str, list[tuple[str, ...]]] = {}
    for name, _, text in edge.out:
        m = fields(text) if text else {}
        if m.get("35") in ("8", "9", "r", "UR"):
            about = m["55"] if m["35"] == "8" else m.get("11", "") + m.get("20020", "")
            if m["35"] == "r":
                m["37"] = ""
            reports.setdefault(about, []).append((name, m["35"], *(m.get(tag, "") for tag in STABLE)))
    return reports


def books(edge: MemoryEdge) -> list[Any]:
    machine = edge.exchange.machine
    return [
        (order.order_id, order.instrument, order.price_ticks, order.leaves_lots)
        for owner in range(1, len(CLIENTS) + 1)
        for order in machine.orders(owner)
    ]


@pytest.mark.parametrize("seed", range(100))
def test_per_instrument_nothing_changes(seed: int) -> None:
    chance = Random(seed)
    story = [step_of(chance) for _ in range(80)]
    seen = Seen()
    apart, whole = world(chance.randint(1, 4), seen), world(10**6)
    sent = play(apart, story)
    done = [(who, sent[who, number], time_ns) for who, number, time_ns in seen.acted if (who, number) in sent]
    assert len(done) == len(sent)
    for who, text, time_ns in done:
        whole.edge.now_ns = time_ns
        whole.say(who, text)
        assert not whole.edge.exchange.works_on
    whole.edge.wait(apart.edge.now_ns - whole.edge.now_ns)
    assert by_symbol(apart.edge) == by_symbol(whole.edge)
    assert books(apart.edge) == books(whole.edge)
    for symbol in SYMBOLS:
        of = [edge.exchange.feed.sequences(symbol.encode())[:4] for edge in (apart.edge, whole.edge)]
        assert of[0] == of[1]
    checker = Checker()
    for m in (fields(text) for _, kind, text in apart.edge.out if kind == "message"):
        if m["35"] == "8":
            checker.see(m)
