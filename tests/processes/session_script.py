"""Stories of a FIX session, as text, and who plays the client's side of them.

A file of tests/processes/session_cases holds cases. `== NUMBER TITLE` begins one; the number is that of the test cases
of FIX 4.4, volume 2; `[tcp]` or `[zmq]` behind it keeps it to one transport. Then a line each, on the client that
`other:` before it names, or on the only one:

    connect                     a new connection, nothing is sent
    logon [FIELDS]              connects, sends a Logon, expects one
    logout                      sends a Logout, expects one and ends the connection
    leave                       ends the connection without a word
    send TYPE [FIELDS]          under the next MsgSeqNum; a 34= among the fields is another and does not count
    order ID [FIELDS]           a NewOrderSingle with that ClOrdID
    raw TEXT                    just these bytes, `|` for a separator; `9=*` and `10=*` are computed
    hold, release               what is sent in between leaves as one piece
    number N                    the MsgSeqNum of what is sent next
    expect TYPE [FIELDS]        the next message, under the next MsgSeqNum unless it says 34=
    copy ID [FIELDS]            expects the NewOrderSingle with that ClOrdID
    after SECONDS LINE          `expect` or `closed`, which does not come sooner
    sync                        nothing has come: a TestRequest is answered next
    quiet SECONDS               nothing comes in that time
    wait SECONDS
    closed                      the other side ends the connection and says nothing more

FIELDS are tag=value, `-tag` for one that is not there; of expected ones also `tag=*` for any value and `tag~words` for
a part of it. `now`, `now+10`, `now-121` are times; {x*65} is sixty-five times x.
"""

import re
import shlex
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from fix_link import PATIENCE_SECONDS, Closed

FILES = sorted((Path(__file__).parent / "session_cases").glob("*.txt"))
CONTINUED = "continued"
"""The file of cases whose numbers go on over connections; with every Logon they begin anew in the others."""
SOH = "\x01"
FIRST = ("8", "9", "35")
ROUTES = (115, 116, 128, 129, 144, 145)
HEADER = {
    str(tag) for tag in (34, 43, 49, 50, 52, 56, 57, 90, 91, 97, *ROUTES, 122, 142, 143, 212, 213, 347, 369)
}
TIME = re.compile(r"\bnow([+-]\d+)?\b")
REPEATED = re.compile(r"\{(.+?)\*(\d+)\}")
TITLE = re.compile(r"== (\S+) (?:\[(tcp|zmq)\] )?(.+)")
ORDER = "11={} 21=1 55=INTC 54=1 38=100 40=2 44=10 60=now"

Fields = dict[str, str]


@dataclass(frozen=True)
class Case:
    number: str
    title: str
    transports: tuple[str, ...]
    lines: tuple[tuple[str, str], ...]
    """Where each is, and what it says."""


def cases(path: Path) -> Iterator[Case]:
    title, lines = None, list[tuple[str, str]]()
    for number, line in enumerate([*path.read_text().splitlines(), "=="], 1):
        if line.startswith("=="):
            if title:
                yield Case(title[1], title[3], (title[2],) if title[2] else ("tcp", "zmq"), tuple(lines))
            title, lines = TITLE.fullmatch(line), []
            assert title or line == "==", f"{path}:{number}: {line}"
        elif line.strip() and not line.startswith("#"):
            assert title, f"{path}:{number}: {line}"
            lines.append((f"{path.name}:{number}", line.strip()))


def written(text: str, now: datetime) -> str:
    """With times and repetitions put in."""

    def at(match: re.Match[str]) -> str:
        moment = now + timedelta(seconds=int(match[1] or 0))
        return moment.strftime("%Y%m%d-%H:%M:%S.%f")[:-3]

    return REPEATED.sub(lambda m: m[1] * int(m[2]), TIME.sub(at, text))


def completed(text: str) -> bytes:
    """A message with `|` for separators, and its length and checksum where they are asked for."""
    data = text.replace("|", SOH)
    begin, star, rest = data.partition(f"*{SOH}35=")
    if star:
        data = f"{begin}{len('35=') + rest.rfind(f'{SOH}10=') + 1}{SOH}35={rest}"
    if data.endswith(f"{SOH}10=*{SOH}"):
        data = data.removesuffix(f"10=*{SOH}")
        data += f"10={sum(data.encode()) % 256:03}{SOH}"
    return data.encode()


class Link(Protocol):
    """What a client is connected by."""

    @property
    def transport(self) -> str: ...
    def connect(self) -> None: ...
    def close(self) -> None: ...
    def send_bytes(self, data: bytes) -> None: ...
    def bye(self) -> None: ...
    def receive_message(self, seconds: float) -> bytes: ...


class Client:
    """One side of a session, under any CompID. begins_anew: its numbers do with every connection."""

    def __init__(self, link: Link, begins_anew: bool) -> None:
        self.link = link
        self.begins_anew = begins_anew
        self.next_out = 1
        self.next_in = 1
        self.held: list[bytes] | None = None
        self.moment = time.monotonic()
        """Of the last message, either way."""
        self._asked = 0

    def act(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        assert not word.startswith("_"), line
        getattr(self, f"do_{word}")(rest)

    def now(self) -> datetime:
        """The time that `now` is in a message."""
        return datetime.now(UTC)

    # ------------------------------------------------------------ sending

    def do_connect(self, rest: str) -> None:
        self.link.connect()
        if self.begins_anew:
            self.next_out = self.next_in = 1

    def do_logon(self, rest: str) -> None:
        self.do_connect("")
        self.do_send("A 98=0 108=30 " + rest)
        self.do_expect("A 98=0 " + (rest if "108=" in rest else "108=30 " + rest))

    def do_logout(self, rest: str) -> None:
        self.do_send("5")
        self.do_expect("5 -58")
        self.do_leave("")

    def do_leave(self, rest: str) -> None:
        if self.link.transport == "zmq":
            self.link.bye()
        self.link.close()

    def do_send(self, rest: str) -> None:
        kind, *fields = shlex.split(rest)
        given = dict(field.partition("=")[::2] for field in fields if field[0] != "-")
        if given.get("141") == "Y" and "34" not in given:
            self.next_out = self.next_in = 1
        whole = {"8": "FIX.4.4", "9": "*", "35": kind, "49": "TW44", "56": "ISLD"}
        whole |= {"34": str(self.next_out), "52": "now", "10": "*"} | given
        self.next_out += "34" not in given
        for field in fields:
            if field[0] == "-":
                del whole[field[1:]]
        trailer = {"10": whole.pop("10")}
        head = {tag: value for tag, value in whole.items() if tag in HEADER or tag in FIRST}
        self.do_raw("".join(f"{tag}={value}|" for tag, value in (head | whole | trailer).items()))

    def do_order(self, rest: str) -> None:
        name, _, fields = rest.partition(" ")
        self.do_send(f"D {ORDER.format(name)} {fields}")

    def do_raw(self, rest: str) -> None:
        data = completed(written(rest, self.now()))
        if self.held is not None:
            self.held.append(data)
            return
        self.link.send_bytes(data)
        self.moment = time.monotonic()

    def do_hold(self, rest: str) -> None:
        self.held = []

    def do_release(self, rest: str) -> None:
        data, self.held = b"".join(self.held or []), None
        self.link.send_bytes(data)

    def do_number(self, rest: str) -> None:
        self.next_out = int(rest)

    # ------------------------------------------------------------ what comes

    def do_expect(self, rest: str) -> None:
        kind, *fields = shlex.split(written(rest, self.now()))
        message = self.received()
        assert message["35"] == kind, f"a message of type {message['35']}: {message}"
        for field in fields:
            tag, sign, value = re.fullmatch(r"(-?\d+)([=~]?)(.*)", field).groups()  # type: ignore[union-attr]
            if not sign:
                assert tag[1:] not in message, f"{tag[1:]} is there: {message}"
            elif sign == "~":
                assert value in message.get(tag, ""), f"{tag} without {value!r}: {message}"
            else:
                assert message.get(tag) == value or (value == "*" and tag in message), f"{tag}: {message}"
        stated = any(field.startswith("34=") for field in fields)
        assert stated or int(message["34"]) == self.next_in, f"not MsgSeqNum {self.next_in}: {message}"
        if message.get("43") != "Y":
            self.next_in = int(message["34"]) + 1

    def do_copy(self, rest: str) -> None:
        name, _, fields = rest.partition(" ")
        self.do_expect(f"D 11={name} 21=1 55=INTC 54=1 38=100 40=2 44=10 {fields}")

    def do_after(self, rest: str) -> None:
        seconds, _, line = rest.partition(" ")
        since = self.moment
        self.act(line)
        passed = time.monotonic() - since
        assert passed >= float(seconds), f"after {passed:.2f} seconds already"

    def do_sync(self, rest: str) -> None:
        self._asked += 1
        self.do_send(f"1 112=sync{self._asked}")
        self.do_expect(f"0 112=sync{self._asked}")

    def do_quiet(self, rest: str) -> None:
        try:
            data = self.link.receive_message(float(rest))
        except TimeoutError:
            return
        raise AssertionError(f"something came: {data!r}")

    def do_wait(self, rest: str) -> None:
        time.sleep(float(rest))

    def do_closed(self, rest: str) -> None:
        try:
            data = self.link.receive_message(PATIENCE_SECONDS / 10)
        except Closed:
            self.link.close()
            return
        except TimeoutError:
            raise AssertionError("the connection is still open") from None
        raise AssertionError(f"something came: {data!r}")

    def received(self) -> Fields:
        """The next message, whose form is right."""
        try:
            data = self.link.receive_message(PATIENCE_SECONDS / 10)
        except Closed:
            raise AssertionError("the connection was ended") from None
        except TimeoutError:
            raise AssertionError("nothing came") from None
        self.moment = time.monotonic()
        assert int(data[-4:-1]) == sum(data[:-7]) % 256, data
        pairs = [field.partition("=")[::2] for field in data.decode()[:-1].split(SOH)]
        message = dict(pairs)
        assert tuple(tag for tag, _ in pairs[:3]) == FIRST, message
        in_body = [tag not in HEADER | set(FIRST) for tag, _ in pairs]
        assert in_body == sorted(in_body), f"a field of the header in the body: {message}"
        assert pairs[-1][0] == "10", message
        assert (message["49"], message["56"]) == ("ISLD", "TW44"), message
        assert re.fullmatch(r"\d{8}-\d\d:\d\d:\d\d\.\d{3}", message["52"]), message
        return message


def play(case: Case, client_of: Callable[[str], Client]) -> None:
    """By a client for each name; the only one has none. Raises AssertionError with the line that it was."""
    clients: dict[str, Client] = {}
    try:
        for place, line in case.lines:
            name, colon, rest = line.partition(": ")
            if not colon or not name.isalpha():
                name, rest = "", line
            if name not in clients:
                clients[name] = client_of(name)
            try:
                clients[name].act(rest)
            except AssertionError as error:
                raise AssertionError(f"{place}: {line}\n{error}") from None
    finally:
        for client in clients.values():
            client.link.close()
