"""A golden log: entries, and what the rules made of them. Logs in the world replay to their state as long as these do.

`python tests/gateway/golden_log.py` writes golden/rules_N.json.gz for the rules version N that the code has. It is run
once, when a new version gets its rules; a file that is there is never written again: what it recorded holds for ever.

A file holds logs by name: every story of scenarios/, and `traffic`, which is seeded and has everything at once. Of each
the entries (term, time_ns, payload in base64), the egress records (base64), and SHA-256 of the feed and of the state.
"""

import base64
import gzip
import hashlib
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from memory_edge import MemoryEdge
from stories import STORIES, build, play, time_text

from gateway import inputs
from gateway.exchange import Exchange

GOLDEN = Path(__file__).parent / "golden"
SEED = 20260105
STEPS = 2500
CLIENTS = ("ALICE", "BOB", "CAROL", "DESK-4")
PREFIX = {"CAROL": "client-order-ids-of-almost-sixty-four-bytes-which-is-long"}
SYMBOLS = {"AAPL": (9990, 10010, 100), "MSFT": (4995, 5005, 100), "BTC/USD": (60000, 60010, 1)}
BAD_TERMS = ("38=0|40=2|44=1|", "38=5|40=2|44=-1|", "38=5|40=2|44=1.00005|", "38=5|40=2|", "40=2|44=1|")


class Traffic:
    """Clients that log on, trade, misbehave, go away and come again, all from one seed."""

    def __init__(self, edge: MemoryEdge, seed: int) -> None:
        self.edge = edge
        self.chance = random.Random(seed)
        self.sent = dict.fromkeys(CLIENTS, 0)
        self.count = 0
        self.orders = {
            client: [(f"{client}-none", "AAPL", "1")] for client in CLIENTS
        }  # ClOrdID, symbol, side
        edge.start(
            inputs.setting(closed_cl_ord_ids=40, cancel_on_disconnect=True, grace_ms=700),
            *(inputs.instrument(symbol, protection="0.20") for symbol in ("AAPL", "MSFT")),
            inputs.instrument("BTC/USD", price_increment="1", quantity_increment="0.00000001"),
            inputs.activate(),
        )

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.step(self.chance.choice(CLIENTS))

    def step(self, client: str) -> None:
        match self.chance.choices(
            ("order", "many", "wait", "session", "close", "restart"), (60, 15, 12, 10, 2, 0.5)
        )[0]:
            case "order":
                self.say(client, self.order(client))
            case "many":
                self.say(client, *(self.order(client) for _ in range(self.chance.randint(2, 12))))
            case "wait":
                self.edge.wait(self.chance.choice((1, 10**6, 10**9, 11 * 10**9, 40 * 10**9)))
            case "session":
                self.session(client)
            case "close" if client in self.edge.connections:
                self.edge.close(client)
            case "restart":
                self.edge.restart()

    def order(self, client: str) -> str:
        """One message about orders."""
        chance, known = self.chance, self.orders[client]
        symbol = chance.choice((*SYMBOLS, "AAPL", "AAPL", "NONE"))
        other, other_symbol, other_side = chance.choice(known[-8:])
        if chance.random() < 0.9:  # else an order is named that is not this one
            symbol, side = other_symbol, other_side
        else:
            side = chance.choice("125")
        self.count += 1
        name = other if chance.random() < 0.03 else f"{PREFIX.get(client, client)}-{self.count}"
        kind = chance.choices("DFGHqAE", (40, 20, 25, 4, 1, 2, 1))[0]
        if kind == "D":
            symbol, side = chance.choice((*SYMBOLS, "AAPL", "AAPL", symbol)), chance.choice("1212121212125")
        if kind in "DG":
            known.append((name, symbol, side))
        order = f"11={name}|55={symbol}|54={side}|"
        match kind:
            case "D":
                extra = (
                    "",
                    "",
                    "",
                    "",
                    "59=0|",
                    "59=1|",
                    "59=3|",
                    "59=4|",
                    "59=6|",
                    "18=6|",
                    "1=account|",
                    "111=1|",
                )
                return f"35=D|{order}{self.terms(symbol)}{chance.choice(extra)}"
            case "F":
                return f"35=F|41={other}|{order}"
            case "G":
                return f"35=G|41={other}|{order}{self.terms(symbol)}"
            case "H":
                return f"35=H|11={other}|37={chance.randint(0, 400)}|55={symbol}|54=1|"
            case "q":
                return f"35=q|11={name}q|530={chance.choice('17')}|55={symbol}|"
            case "A":
                return f"35=AF|584={name}m|585={chance.choice('17')}|55={symbol}|"
            case _:
                return "35=E|66=list|"  # of a type that is not served

    def terms(self, symbol: str) -> str:
        """Quantity, type and price; now and then wrong ones."""
        low, high, scale = SYMBOLS.get(symbol, (1, 2, 1))
        if self.chance.random() < 0.08:
            return self.chance.choice((f"38={self.chance.randint(1, 99)}|40=1|", *BAD_TERMS))
        price = self.chance.randint(low, high) / scale
        return f"38={self.chance.randint(1, 20) * 10}|40=2|44={price:.{2 if scale == 100 else 0}f}|"

    def session(self, client: str) -> None:
        """Something that sessions are about: gaps, resends, resets, a Logout."""
        match self.chance.randrange(8):
            case 0:
                self.sent[client] += self.chance.choice((-2, 1, 3))
                self.say(client, "35=0|")
            case 1:
                self.say(client, "35=1|112=test|")
            case 2:
                self.say(client, f"35=2|7={self.chance.randint(0, 30)}|16={self.chance.choice((0, 5, 30))}|")
            case 3:
                number = self.sent[client] + self.chance.randint(1, 4)
                self.say(client, f"35=4|123={self.chance.choice('YN')}|36={number}|")
                self.sent[client] = number - 1
            case 4:
                self.say(client, "35=5|58=good night|")
            case 5 if client in self.edge.connections:
                self.edge.close(client)
                self.logon(client, "141=Y|")
            case 6:
                self.say(client, "35=D|11=|38=x|")
            case _:
                self.say(client, "35=3|45=1|58=no|")

    def logon(self, client: str, more: str = "") -> None:
        self.edge.connect(client)
        known = {one["comp_id"]: one["inbound"] for one in self.edge.exchange.sessions()}
        self.sent[client] = 0 if more else known.get(client, 1) - 1 + (self.chance.random() < 0.1)
        heartbeat = self.chance.choice((0, 10, 10, 30, 30, 99_999))  # the last is refused
        own = self.chance.choice(("", "", "20003=N|", "20004=2000|"))
        self.say(client, f"35=A|98=0|108={heartbeat}|{more}{own}")

    def say(self, client: str, *texts: str) -> None:
        """Messages with the next numbers, in one entry; logs on when the client is not there."""
        if client not in self.edge.connections:
            if texts[0].startswith("35=A|98"):
                raise AssertionError("a Logon needs a connection")
            self.logon(client)
            if client not in self.edge.connections:
                return  # refused
        self.edge.send(client, *(self.message(client, text) for text in texts))

    def message(self, client: str, text: str) -> bytes:
        now = time_text(self.edge.now_ns)
        fields = [tuple(part.split("=", 1)) for part in text.strip("|").split("|")]
        self.sent[client] = max(self.sent[client] + 1, 1)
        head = [fields[0], ("49", client), ("56", "QUORUMBOOK"), ("34", str(self.sent[client])), ("52", now)]
        timed = [("60", now)] if fields[0][1] in "DFGq" else []
        return build([*head, *fields[1:], *timed])  # type: ignore[list-item]


def replayed(entries: list[tuple[int, int, bytes]]) -> dict[str, Any]:
    """What the rules make of a log's entries (term, time_ns, payload)."""
    exchange = Exchange()
    egress, feed = bytearray(), hashlib.sha256()
    for index, (term, time_ns, payload) in enumerate(entries, 1):
        exchange.apply(payload, index, term, time_ns)
        with exchange.egress() as view:
            egress += view
        exchange.clear_egress()
        for topic, message in exchange.feed.take():
            for part in (topic, message):
                feed.update(len(part).to_bytes(4, "little") + part)
    return {"egress": bytes(egress), "feed": feed.hexdigest(), "state": exchange.state_hash()}


def logs() -> Iterator[tuple[str, MemoryEdge]]:
    """The logs that a new golden file is made of."""
    for path in STORIES:
        edge = MemoryEdge()
        play(path.read_text(), edge)
        yield path.stem, edge
    edge = MemoryEdge()
    Traffic(edge, SEED).run(STEPS)
    yield "traffic", edge


def write() -> Path:
    """Records the golden logs of the rules as they are. FileExistsError: this version has its own already."""
    path = GOLDEN / f"rules_{inputs.RULES_VERSION}.json.gz"
    if path.exists():
        raise FileExistsError(
            f"{path}: rules version {inputs.RULES_VERSION} has its golden logs; they never change"
        )
    found = {}
    for name, edge in logs():
        entries = [(entry.term, entry.timestamp_ns, bytes(entry.payload)) for entry in edge.log]
        made = replayed(entries)
        assert made["egress"] == bytes(edge.records)
        found[name] = {
            "entries": [[term, time, base64.b64encode(payload).decode()] for term, time, payload in entries],
            **made,
            "egress": base64.b64encode(made["egress"]).decode(),
        }
    GOLDEN.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(json.dumps(found).encode(), 9, mtime=0))
    return path


def read(path: Path) -> dict[str, tuple[list[tuple[int, int, bytes]], dict[str, Any]]]:
    """Of every log in a golden file its entries, and what was recorded of it, as from `replayed`."""
    found = {}
    for name, one in json.loads(gzip.decompress(path.read_bytes())).items():
        entries = [(term, time, base64.b64decode(payload)) for term, time, payload in one.pop("entries")]
        found[name] = (entries, one | {"egress": base64.b64decode(one["egress"])})
    return found


if __name__ == "__main__":
    try:
        print(write())
    except FileExistsError as error:
        sys.exit(str(error))
