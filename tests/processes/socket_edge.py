"""An edge with sockets: stories (tests/gateway/stories.py) told to a running exchange, as its clients see it.

What clients cannot see is left out of what a story says: `as_clients_see_it`. The order in which different connections
hear something cannot be seen either; it is taken from the story.
"""

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from exchange_process import CONFIG, ExchangeProcess, wait_until
from fix_client import parse
from fix_link import PATIENCE_SECONDS, Closed, FixLink
from memory_edge import START_NS
from stories import Storyteller, steps, time_text

from gateway import fix, inputs

STARTED = 3
"""Inputs that the first start of a server makes: activate, gateway-lost, gateway-start."""
UNUSED = inputs.instrument("UNUSED")
"""A configuration has an instrument."""
HELD = "Logon refused: this SenderCompID is already connected"


class SocketEdge:
    """A running exchange and its clients. The story's time stands still; log time is real.

    transport: "tcp" or "zmq". patience_seconds: how long what the story says is waited for.
    """

    now_ns = START_NS

    def __init__(
        self, directory: Path, transport: str, *, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self.directory = directory
        self.transport = transport
        self.patience_seconds = patience_seconds
        self.out: list[tuple[str, str, bytes]] = []
        self.awaited: list[str] = []
        """The connections that hear something next, in order: what the story says."""
        self.links: dict[str, FixLink] = {}
        self.process: ExchangeProcess | None = None

    def start(self, *genesis: bytes) -> None:
        self.process = ExchangeProcess(self.directory, config=configuration(genesis)).start()
        wait_until(lambda: self.status()["accepting"] is True)
        self.extra_inputs = self.input_number() - len(genesis) - STARTED

    def stop(self) -> None:
        """kill -9; connections are gone."""
        for link in self.links.values():
            link.close()
        self.links.clear()
        if self.process:
            self.process.kill()

    def restart(self) -> None:
        assert self.process
        self.stop()
        self.process.start()

    def another_leader(self) -> None:
        raise NotImplementedError("there is no other replica to lead")

    def connect(self, name: str) -> None:
        assert self.process
        assert name not in self.links, f"{name} is connected"
        self.links[name] = FixLink(self.transport, self.process.port(f"fix_{self.transport}"))
        self.links[name].connect()

    def send(self, name: str, *messages: bytes) -> None:
        whole = sum(fix.frame_message(message) == (0, len(message)) for message in messages)
        before = 0 if self.awaited else self.input_number()
        self.links[name].send_bytes(b"".join(messages))
        for heard in self.awaited:
            self.out.append(self.hear(heard))
        if not self.awaited:  # then nothing else says that it has been taken
            wait_until(lambda: self.input_number() >= before + whole)

    def close(self, name: str) -> None:
        before, link = self.input_number(), self.links.pop(name)
        if self.transport == "zmq":
            link.bye()
        else:
            link.close()
        wait_until(lambda: self.input_number() > before)
        link.close()

    def wait(self, nanoseconds: int) -> None:
        raise NotImplementedError("real time cannot be made to pass")

    def hear(self, name: str) -> tuple[str, str, bytes]:
        """The next message on a connection, or how it ended."""
        if name not in self.links:
            return name, "close", b""
        try:
            return (
                name,
                "message",
                self.in_story_terms(self.links[name].receive_message(self.patience_seconds)),
            )
        except Closed:
            self.links.pop(name).close()
            return name, "close", b""
        except TimeoutError:
            return name, "silence", b""

    def in_story_terms(self, message: bytes) -> bytes:
        """Input numbers count from the story's genesis; a time that is in the log is the story's time."""
        fields = parse(message)
        told = {}
        if 20001 in fields:
            told[b"20001"] = str(int(fields[20001]) - self.extra_inputs).encode()
        if time_text(START_NS) < fields.get(122, "") <= fields[52]:
            told[b"122"] = time_text(START_NS).encode()
        parts = (part.partition(b"=") for part in message.rstrip(b"\x01").split(b"\x01"))
        return b"".join(tag + b"=" + told.get(tag, value) + b"\x01" for tag, _, value in parts)

    def status(self) -> dict[str, object]:
        assert self.process
        return self.process.ask(command="status")

    def input_number(self) -> int:
        return int(str(self.status()["input_number"]))


def configuration(genesis: tuple[bytes, ...]) -> str:
    """The file that makes this genesis, with every port free."""
    operators = [inputs.read_operator(record) for record in genesis if record[4] == inputs.OPERATOR]
    lines = [f"operators = {json.dumps(operators)}", CONFIG]
    for record in sorted(genesis, key=lambda record: record[4] != inputs.SETTING):
        if record[4] == inputs.SETTING:
            settings = inputs.read_setting(record)
            assert not settings.pop("echo")
            assert not settings.pop("reset_on_logon")
            lines += ["[exchange]", *toml(settings)]
    for record in [record for record in genesis if record[4] == inputs.INSTRUMENT] or [UNUSED]:
        lines += ["[[instruments]]", *toml(inputs.read_instrument(record))]
    copies: dict[str, list[str]] = {}
    for record in (record for record in genesis if record[4] == inputs.DROP_COPY):
        name, whose = inputs.read_drop_copy(record)
        copies.setdefault(name, []).append(whose)
    for name, sessions in copies.items():
        lines += ["[[drop_copies]]", f'comp_id = "{name}"', f"sessions = {json.dumps(sessions)}"]
    return "\n".join(lines)


def toml(values: dict[str, object]) -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, str | Decimal):
            yield f'{key} = "{value if isinstance(value, str) else format(value, "f")}"'
        elif value is not None:
            yield f"{key} = {str(value).lower()}"


def as_clients_see_it(answer: str, made: set[str]) -> list[str]:
    """What of a `<` line a client sees.

    Nothing of a connection's opening, and of what is kept for one that is not there. A refused Logon is a Logout
    outside the session and the end of the connection; the end only when there is a session, and for whoever does not
    begin with a Logon. made: those that have had a session.
    """
    _, name, what, *_ = [*answer.split(" ", 3), "", ""]
    text = answer.removeprefix(f"< {name} {what}").strip()
    match what:
        case "open":
            made.add(name)
            return []
        case "kept":
            return []
        case "close":
            return [f"< {name} close"]
        case "refuse" if text in ("the first message must be a Logon", HELD) or name in made:
            return [f"< {name} close"]
        case "refuse":
            return [f"< {name} 35=5|34=1|58={text}", f"< {name} close"]
        case "again":
            return [f"< {name} {text}"]
        case _:
            return [answer]


def written(text: str) -> list[str]:
    """A story as its clients should see it."""
    made: set[str] = set()
    return [
        line
        for step, answers in steps(text)
        for line in (step, *(seen for answer in answers for seen in as_clients_see_it(answer, made)))
    ]


def told(text: str, edge: SocketEdge) -> list[str]:
    """The story as the clients of a running exchange do see it.

    At the end every client that is still connected logs out: what it hears then and should not have is added.
    """
    teller, made, lines = Storyteller(edge), set[str](), []
    for step, answers in steps(text):
        seen = [one for answer in answers for one in as_clients_see_it(answer, made)]
        edge.awaited = [one.split(" ")[1] for one in seen]
        lines += [step, *teller.tell(step)]
    names = list(edge.links)
    ends: list[str] = []
    for name in names:
        edge.awaited = [name]
        ends += teller.tell(f"{name} > 35=5")
    edge.out += [
        edge.hear(name) for name in names
    ]  # all together: each has a while to end its connection itself
    lines += [heard for heard in (*ends, *teller.heard()) if not re.match(r"< \S+ (35=5\||close$)", heard)]
    return lines


def left_out(text: str, transport: str) -> str:
    """Why a story cannot be told over this transport; "" = it can."""
    lines = [line for line, _ in steps(text)]
    if any(line.startswith("wait ") for line in lines):
        return "time passes in it, and real time cannot be made to"
    if "another leader" in lines:
        return "there is no other replica to lead"
    if "sending_time_seconds" in text:
        return "SendingTime is judged in it, and real time is not the story's"
    logged_on: set[str] = set()
    for words in (line.split() for line in lines):
        if words[:1] == ["connect"]:
            logged_on.discard(words[1])
        elif words[:1] == ["logon"] or (words[1:2] == [">"] and words[2].startswith("35=A|")):
            name = words[1] if words[0] == "logon" else words[0]
            if transport == "zmq" and name in logged_on and not {"141=Y", "43=Y"} & set(words[-1].split("|")):
                return "over ZeroMQ a second Logon begins another connection"
            logged_on.add(name)
    return ""
