"""Random histories of sessions at two gateways: bytes of clients in, and all that each connection is sent.

After every log entry the exchange is where the model of session_model.py is. What a connection gets bears the CompID
that it logged on with, its new messages are numbered without a hole, and none comes after its end.
"""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from session_world import OWN, START_NS, Wire, World
from stories import build, time_text

NOW = time_text(START_NS)
LATER = time_text(START_NS + 10**9)
COMP_IDS = ("A", "B", "C")

KINDS = ["message"] * 24 + ["logon"] * 6 + ["slow"] * 2 + ["connect", "leave", "garbled", "no logon"]
OFFSETS = [0] * 16 + [1, 3, -1, -2]
LOGONS = [""] * 8 + ["141=Y|"] * 3 + ["43=Y|", "43=Y|122=N|", "56=OTHER|", "108=9999|", "98=1|", "8=FIX.4.2|"]
BODIES = [
    "35=0|", "35=1|112=x|", "35=2|7=1|16=0|", "35=2|7=2|16=3|", "35=2|7=1|16=0|", "35=2|7=0|16=0|", "35=2|7=99|16=0|",
    "35=2|7=3|16=1|", "35=4|123=Y|36=+1|", "35=4|123=Y|36=+5|", "35=4|123=Y|36=1|", "35=4|36=+3|", "35=4|36=1|",
    "35=5|", "35=A|98=0|108=30|", "35=A|98=0|108=30|141=Y|", "35=3|45=1|", "35=D|11=x|", "35=C|164=a|94=0|", "35=zz|",
    "35=j|45=1|372=D|380=0|", *["35=D|11=x|55=NONE|54=1|38=1|40=1|60=T|"] * 6,
]  # fmt: skip
ODD = [""] * 30 + [
    "43=Y|122=N|", "43=Y|122=N|", "43=Y|122=N|", "43=Y|122=L|", "43=Y|", "97=Y|", "115=F|", "49=Z|", "56=Z|", "52=-|",
    "34=-|", "8=FIX.4.2|",
]  # fmt: skip
places = st.tuples(st.integers(0, 1), st.integers(0, 5))  # the gateway, and which of its connections


@st.composite
def steps(draw: Any) -> tuple[Any, ...]:
    """What somebody does: mostly what a client does that is logged on and counts right."""
    kind = draw(st.sampled_from(KINDS))
    what: tuple[Any, ...] = (kind, draw(places))
    if kind == "slow":
        what += (draw(st.booleans()),)
    elif kind == "logon":
        what += tuple(draw(st.sampled_from(choices)) for choices in (COMP_IDS, OFFSETS, LOGONS))
    elif kind == "message":
        what += tuple(
            draw(st.sampled_from(choices)) for choices in (BODIES, OFFSETS, ODD, (False, False, True))
        )
    return what


histories = st.lists(st.tuples(steps(), st.sampled_from([True, True, True, False])), min_size=30, max_size=80)


class Clients:
    """What strangers do at the gateways of a world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def play(self, step: tuple[Any, ...]) -> None:
        kind, (at, which), *what = step
        wires = [wire for wire in self.world.gateways[at].wires if not wire.ended]
        if kind == "connect" or not wires:
            self.world.connect(at)
            return
        wire = wires[which % len(wires)]
        if kind == "leave":
            self.world.leave(at, wire)
        elif kind == "slow":
            wire.waiting = 1 << 24 if what[0] else 0
        elif kind == "garbled":
            self.world.hear(at, wire, b"8=FIX.4.4\x019=5\x0135=0\x0110=000\x01" if wire.comp_id else b"x")
        elif kind == "no logon":
            self.world.hear(at, wire, b"8=FIX.4.4\x019=5\x0135=0\x0110=163\x01")
        elif kind == "logon":
            self.logon(at, wire, *what)
        elif not wire.comp_id:
            self.logon(at, wire, COMP_IDS[which % 3], 0, "")
        else:
            self.message(at, wire, *what)

    def logon(self, at: int, wire: Wire, comp_id: str, offset: int, odd: str) -> None:
        wire.comp_id = wire.comp_id or comp_id
        number = 1 if "141" in odd else max(self.next_of(comp_id) + offset, 0)
        self.say(at, wire, comp_id, "35=A|98=0|108=30|", number, odd)

    def message(self, at: int, wire: Wire, body: str, offset: int, odd: str, cut: bool) -> None:
        number = self.next_of(wire.comp_id) + offset
        body = body.replace("36=+", f"36={number}+")
        if "+" in body:
            begin, _, more = body.partition("+")
            base, _, rest = more.partition("|")
            head, _, value = begin.rpartition("=")
            body = f"{head}={int(value) + int(base)}|{rest}"
        number = 1 if "141=Y" in body else number
        self.say(at, wire, wire.comp_id, body, number, odd, cut)

    def next_of(self, comp_id: str) -> int:
        session = self.world.model.sessions.get(comp_id)
        return session.inbound if session else 1

    def say(
        self, at: int, wire: Wire, comp_id: str, text: str, number: int, odd: str, cut: bool = False
    ) -> None:
        parts = dict(part.split("=", 1) for part in text.strip("|").split("|"))
        fields = {"35": parts.pop("35"), "49": comp_id, "56": OWN, "34": str(number), "52": NOW} | parts
        given = dict(part.split("=", 1) for part in odd.strip("|").split("|") if part)
        begin = given.pop("8", "FIX.4.4")
        fields = {tag: fields[tag] for tag in ("35", "49", "56", "34", "52")} | {
            tag: {"N": NOW, "L": LATER}.get(value, value) if tag == "122" else value for tag, value in given.items()
            if tag in ("43", "97", "115", "122")
        } | parts | {tag: value for tag, value in given.items() if tag not in ("43", "97", "122")}  # fmt: skip
        data = build([(tag, NOW if v == "T" else v) for tag, v in fields.items() if v != "-"], begin)
        if cut:
            self.world.hear(at, wire, data[: len(data) // 2])
            data = data[len(data) // 2 :]
        self.world.hear(at, wire, data)


@settings(max_examples=300)
@given(histories)
def test_sessions_are_where_the_model_is_and_connections_get_what_is_theirs(
    history: list[tuple[tuple[Any, ...], bool]],
) -> None:
    world = World()
    clients = Clients(world)
    for step, turns in history:
        clients.play(step)
        if turns:  # else what comes next is in the same one
            world.turns()
    for gateway in world.gateways:
        for wire in gateway.wires:
            wire.waiting = 0
    world.turns()
    world.check()
