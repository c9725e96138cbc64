"""Stories: what happens to an exchange, in readable FIX, and what it answers. The files are in scenarios/.

    # a comment                           what the story shows
    instrument AAPL 0.01 1 [key=value]    before anything else: symbol, price and quantity increment
    setting key=value ...                 gateway.inputs.setting
    drop_copy COMPID OTHER ...            a session that sees the reports of others; * for all
    operator COMPID ...                   sessions that may send OperatorRequests
    connect A [COMPID]                    a client connects as A; its CompID is the name unless given
    logon A [tag=value|...]               sends 35=A|98=0|108=30 and what is given
    A > 35=D|11=a|...                     a message on A; 34 counts by itself unless given, 52 and 60 are added
    A >> 35=D|11=a|...                    the same, but in one log entry with the next message
    A > raw ...                           these bytes, | for SOH
    wait 30s | wait 5ms                   time passes
    close A                               A's connection breaks
    restart                               the server is killed and starts again
    another leader                        elsewhere: connections stay
    < ...                                 what came out: checked, or written anew by `python tests/gateway/stories.py`

A `<` line says the connection, what it is (nothing for a message; open, close, refuse; `kept` for a message to a CompID
that is not connected; `again` for a resend), and the message without 8, 9, 10, 49, 52, 56, 60, 75, 272 and 273.

The runner knows an edge by its methods only (see Edge) and its list `out`, so that a story is told over real sockets as
well (tests/processes/socket_edge.py): every one in which no time passes. Those about orders are told to a cluster whose
replicas are killed meanwhile (tests/processes/replica_edge.py).
"""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from gateway import inputs

SCENARIOS = Path(__file__).parent / "scenarios"
STORIES = sorted(SCENARIOS.rglob("*.txt"))
HIDDEN = {"8", "9", "10", "49", "52", "56", "60", "75", "272", "273"}
HEADER = ("49", "56", "52", "43", "97", "122", "115", "116", "144", "128", "129", "145")
TIMED = {"D", "F", "G", "q"}
UNITS = {"ms": 10**6, "s": 10**9}
INTEGERS = {
    "grace_ms", "closed_cl_ord_ids", "max_heartbeat_seconds", "sending_time_seconds", "max_sessions",
    "messages_per_second",
}  # fmt: skip
BOOLEANS = {"cancel_on_disconnect", "open_to_any"}


class Edge(Protocol):
    """What tells a story: an exchange behind some transport."""

    now_ns: int
    out: list[tuple[str, str, bytes]]

    def start(self, *genesis: bytes) -> None: ...
    def restart(self) -> None: ...
    def another_leader(self) -> None: ...
    def connect(self, name: str) -> None: ...
    def send(self, name: str, *messages: bytes) -> None: ...
    def close(self, name: str) -> None: ...
    def wait(self, nanoseconds: int) -> None: ...


def time_text(time_ns: int) -> str:
    """UTCTimestamp with milliseconds."""
    return (
        datetime.fromtimestamp(time_ns // 10**9, UTC).strftime("%Y%m%d-%H:%M:%S")
        + f".{time_ns // 10**6 % 1000:03}"
    )


def build(fields: list[tuple[str, str]], begin_string: str = "FIX.4.4") -> bytes:
    """A FIX message: BodyLength and CheckSum are added."""
    body = "".join(f"{tag}={value}\x01" for tag, value in fields).encode()
    head = f"8={begin_string}\x019={len(body)}\x01".encode() + body
    return head + f"10={sum(head) % 256:03}\x01".encode()


def shown(message: bytes) -> str:
    """A message as a story shows it."""
    parts = message.decode("utf-8", "backslashreplace").rstrip("\x01").split("\x01")
    return "|".join(part for part in parts if part.partition("=")[0] not in HIDDEN)


class Storyteller:
    """Plays the lines of one story on an edge."""

    def __init__(self, edge: Edge) -> None:
        self.edge = edge
        self.started = False
        self.genesis: list[bytes] = []
        self.comp_ids: dict[str, str] = {}
        self.numbers: dict[str, int] = {}
        self.pending: list[bytes] = []

    def tell(self, line: str) -> Iterator[str]:
        """Plays one line; yields the `<` lines that come of it."""
        if not line.strip() or line.startswith("#"):
            return
        word, _, rest = line.strip().partition(" ")
        if word in {"instrument", "setting", "drop_copy", "operator"}:
            self.genesis += self.define(word, rest.split())
            return
        if not self.started:
            self.started = True
            self.edge.start(*self.genesis)
        match word:
            case "connect":
                name, _, comp_id = rest.partition(" ")
                self.comp_ids[name] = comp_id or name
                self.edge.connect(name)
            case "logon":
                name, _, more = rest.partition(" ")
                fields = {"35": "A", "98": "0", "108": "30"}
                fields |= dict(part.split("=", 1) for part in more.split("|") if part)
                self.send(name, "|".join(f"{tag}={value}" for tag, value in fields.items()))
            case "wait":
                unit = "ms" if rest.endswith("ms") else "s"
                self.edge.wait(round(float(rest.removesuffix(unit)) * UNITS[unit]))
            case "close":
                self.edge.close(rest)
            case "restart":
                self.edge.restart()
            case "another":
                self.edge.another_leader()
            case _:
                arrow, _, text = rest.partition(" ")
                if arrow not in {">", ">>"}:
                    raise ValueError(f"not a line of a story: {line!r}")
                self.send(word, text, more=arrow == ">>")
        yield from self.heard()

    def heard(self) -> Iterator[str]:
        """The `<` lines of what has come."""
        for name, kind, content in self.edge.out:
            text = shown(content) if kind in {"message", "kept", "again"} else content.decode()
            yield " ".join(part for part in ("<", name, "" if kind == "message" else kind, text) if part)
        self.edge.out.clear()

    def define(self, word: str, words: list[str]) -> list[bytes]:
        """An `instrument`, `setting`, `drop_copy` or `operator` line as inputs."""
        if word == "operator":
            return [inputs.operator(name) for name in words]
        if word == "drop_copy":
            return [inputs.drop_copy(words[0], other) for other in words[1:]]
        if word == "instrument":
            symbol, price, quantity, *pairs = words
            limits = dict(p.split("=") for p in pairs)
            return [inputs.instrument(symbol, price_increment=price, quantity_increment=quantity, **limits)]
        values: dict[str, Any] = {}
        for key, value in (pair.split("=") for pair in words):
            values[key] = int(value) if key in INTEGERS else value == "yes" if key in BOOLEANS else value
        return [inputs.setting(**values)]

    def send(self, name: str, text: str, *, more: bool = False) -> None:
        """A message, alone or with the ones that waited for it."""
        self.pending.append(self.message(name, text))
        if not more:
            self.edge.send(name, *self.pending)
            self.pending.clear()

    def message(self, name: str, text: str) -> bytes:
        """The bytes of a line's message."""
        if text.startswith("raw "):
            return text[4:].replace("|", "\x01").encode()
        given = [tuple(part.split("=", 1)) for part in text.split("|")]
        fields: dict[str, str] = dict(given)
        comp_id = self.comp_ids[name]
        number = fields.get("34", str(self.numbers.get(comp_id, 1)))
        if number.isdigit() and fields.get("43") != "Y":
            self.numbers[comp_id] = int(number) + 1
        now = time_text(self.edge.now_ns)
        header = {"35": fields["35"], "49": comp_id, "56": "QUORUMBOOK", "34": number, "52": now}
        header |= {tag: fields[tag] for tag in HEADER if tag in fields}
        body = [(tag, value) for tag, value in given if tag != "8" and tag not in header]
        if header["35"] in TIMED and "60" not in fields:
            body.append(("60", now))
        sent = [(tag, value) for tag, value in [*header.items(), *body] if value != "-"]
        return build(sent, fields.get("8", "FIX.4.4"))


def steps(text: str) -> Iterator[tuple[str, list[str]]]:
    """Every line of a story that is not an answer, comments too, with the answers that follow it."""
    step, answers = "", []
    for number, line in enumerate(text.splitlines()):
        if line.startswith("<"):
            answers.append(line)
            continue
        if number:
            yield step, answers
        step, answers = line, []
    yield step, answers


def play(text: str, edge: Edge) -> str:
    """The story with the answers the edge really gives."""
    teller = Storyteller(edge)
    lines: list[str] = []
    for step, _ in steps(text):
        lines += [step, *teller.tell(step)]
    return "\n".join(lines) + "\n"


def regenerate() -> None:
    """Writes every story anew with the answers an exchange in memory gives. Read the difference before you keep it."""
    from memory_edge import MemoryEdge

    for path in STORIES:
        path.write_text(play(path.read_text(), MemoryEdge()))
        print(path.name)


if __name__ == "__main__":
    sys.exit(regenerate())
