"""Cases that reach an exchange: each as the next message of a session, judged, acted on or refused, and answered."""

import random
from collections import Counter

from memory_edge import OWN, MemoryEdge
from scanner import Fuzzer
from stories import build, time_text

from gateway import fix, inputs

CLIENT = "A"
WORLD = 2_000  # cases of one exchange, so that its books stay small
WHOLE = 0
WRONG = 16 | 64 | 128  # MessageFlags that end a session: mostly taken away
SEQ, FLAGS = slice(40, 48), 67  # of the record
GENESIS = (
    inputs.instrument("AAPL", protection="0.05"),
    inputs.instrument("BTC/USD", price_increment="1", quantity_increment="0.00000001"),
)


class World:
    """An exchange with one client, who logs on again when it was sent away."""

    def __init__(self, rules: int, echo: bool) -> None:
        self.edge, self.rules = MemoryEdge(rules=rules), rules
        self.edge.start(inputs.setting(echo=echo, closed_cl_ord_ids=50), *(() if echo else GENESIS))

    def say(self, message: bytes, chance: random.Random) -> str:
        """One case; what became of it. Whatever it is, nothing may be raised."""
        edge = self.edge
        if CLIENT not in edge.connections:
            self.log_on()
        connection = edge.connections[CLIENT]
        record = bytearray(fix.scan_message(message, OWN, CLIENT, self.rules))
        if int.from_bytes(record[SEQ], "little") and chance.randrange(16):
            record[SEQ] = edge.exchange.sessions()[0]["inbound"].to_bytes(8, "little")
        if chance.randrange(16):
            record[FLAGS] &= ~WRONG
        edge.gateway_number += 1
        edge.out.clear()
        edge.entry(inputs.message(
            bytes(record), incarnation=connection.incarnation, number=edge.gateway_number,
            connection=connection.number, session=connection.session, epoch=connection.epoch,
        ))  # fmt: skip
        edge.now_ns += chance.randrange(10**9)
        return "answered" if edge.out else "silent"

    def log_on(self) -> None:
        edge = self.edge
        edge.connect(CLIENT)
        known = edge.exchange.sessions()
        fields = {"35": "A", "49": CLIENT, "56": OWN, "34": str(known[0]["inbound"] if known else 1)}
        fields |= {"52": time_text(edge.now_ns), "98": "0", "108": "30"}
        edge.send(CLIENT, build(list(fields.items())))


def judge(fuzzer: Fuzzer, seed: int, first: int, count: int, rules: int, echo: bool) -> dict[str, int]:
    """Cases first .. first + count - 1, those of them that are whole messages."""
    tally = Counter[str]()
    for number in range(first, first + count):
        if (number - first) % WORLD == 0:
            world = World(rules, echo)
        message = fuzzer.case(seed, number)
        kind, length = fix.frame_message(message)
        if kind == WHOLE:
            tally[world.say(message[:length], random.Random(number))] += 1
    return tally
