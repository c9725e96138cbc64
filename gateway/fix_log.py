"""FIX logs: how ours writes a message in a line, and the messages in a line of ours or of another program's.

    20261128-09:30:00.123456 in  tcp/4097 : 8=FIX.4.4|9=57|35=0|...|10=123|

The time is UTC, the direction is seen from who writes the log, SOH is |. Every other byte that is not printable ASCII,
and | and \\ themselves, are written as \\xNN: what is read is what was written. Only passwords are not: they are ***.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gateway.clients import masked

PIECE = 1 << 20  # bytes of a line that are looked at together
ESCAPED = re.compile(rb"[^ -~\x01]|[|\\]")
UNESCAPED = re.compile(rb"\\x([0-9a-f]{2})")
OWN = re.compile(rb"(\d{8}-\d\d:\d\d:\d\d\.\d{6}) (in |out) (\S+) : ([^\r\n]*)")
# Where a message begins, and how its writer shows SOH: as it is, or as one of these.
SEPARATORS = rb"\x01|\||\^A|<SOH>|\\x01|\\u0001|\\001"
BEGIN = re.compile(
    rb"(?:(?<![0-9])|(?<=\\x01)|(?<=\\u0001)|(?<=\\001))8=FIX[0-9A-Z.]{1,8}(" + SEPARATORS + rb")"
)
ENDS = re.compile(rb"10=[0-9]{3}(?:" + SEPARATORS + rb")")
BAR = re.compile(rb"\|(?=[0-9]{1,9}=|\s*$)")  # one in a text is left there
END = re.compile(rb"\x0110=[0-9]{3}(?![0-9])\x01?")
WHOLE = re.compile(rb"\x0110=[0-9]{3}\x01")
CHECK_SUM = 8  # bytes of that
LENGTH = re.compile(rb"8=[^\x01]*\x019=([0-9]{1,8})\x01")
TIME = re.compile(
    rb"(?:\d{8}-|\d{4}-\d\d-\d\d[T ])?\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?(?![0-9])"
)
INCOMING = re.compile(rb"\b(?:incoming|inbound|received|recv|rx)\b", re.I)
OUTGOING = re.compile(rb"\b(?:outgoing|outbound|sent|send|tx)\b", re.I)


@dataclass(frozen=True, slots=True)
class Logged:
    """One message of a log, with SOH, and what the line says of it: empty what it does not say."""

    line: int
    when: str
    direction: str
    """in or out."""
    connection: str
    message: bytes


def written(when: str, direction: str, connection: str, message: bytes) -> bytes:
    """The line of a message, or of what came instead of one."""
    return f"{when} {direction:<3} {connection.replace(' ', '_')} : ".encode() + shown(message) + b"\n"


def shown(message: bytes) -> bytes:
    """A message for people, without passwords."""
    escaped = ESCAPED.sub(lambda found: b"\\x%02x" % found[0][0], masked(message))
    return escaped.replace(b"\x01", b"|")


def restored(text: bytes) -> bytes:
    """What `shown` was given."""
    return UNESCAPED.sub(lambda found: bytes([int(found[1], 16)]), text.replace(b"|", b"\x01"))


def whole(data: bytes, seen: int = 0) -> tuple[list[bytes], bytes]:
    """What a connection brought, cut behind each CheckSum, with whatever came before it; and what has no end yet.
    seen: so much of it had none before."""
    messages, begin = [], 0
    for end in WHOLE.finditer(data, max(seen - CHECK_SUM, 0)):
        messages.append(data[begin : end.end()])
        begin = end.end()
    return messages, data[begin:]


class Reader:
    """The messages of a log, as its lines come.

    read: gives at most so many bytes of a line, and nothing at the end, as a file's readline does.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self.lines = 0
        """Those that were begun."""
        self.first = b""
        """How the first one begins."""

    def __iter__(self) -> Iterator[Logged]:
        left = b""
        begins = True
        while piece := self._read(PIECE):
            self.lines += begins
            self.first = self.first or piece[:40]
            begins = piece.endswith(b"\n")
            text = left + piece
            left = b""
            if own := OWN.fullmatch(text.rstrip(b"\r\n")):
                yield from self._own(own)
                continue
            if not begins:  # a line without an end: a message may go on in the next piece
                text, left = parted(text)
            yield from self._found(text)
        yield from self._found(left)

    def _own(self, line: re.Match[bytes]) -> Iterator[Logged]:
        when, direction, connection, text = line.groups()
        if message := restored(text):
            yield Logged(
                self.lines,
                when.decode(),
                direction.decode().strip(),
                connection.decode("utf-8", "replace"),
                message,
            )

    def _found(self, text: bytes) -> Iterator[Logged]:
        """Messages of a line of any other form."""
        said, at = b"", 0
        while begin := BEGIN.search(text, at):
            said = text[at : begin.start()].strip() or said
            message, at = cut(text, begin)
            time = TIME.search(said)
            direction = "in" if INCOMING.search(said) else "out" if OUTGOING.search(said) else ""
            yield Logged(self.lines, time[0].decode() if time else "", direction, "", message)


def parted(text: bytes) -> tuple[bytes, bytes]:
    """What may be looked at of a line whose end has not come, and what may be the begin of a message."""
    last = max((found.end() for found in ENDS.finditer(text)), default=0)
    return (text[:last], text[last:]) if len(text) - last <= PIECE else (text, b"")


def cut(text: bytes, begin: re.Match[bytes]) -> tuple[bytes, int]:
    """The message that begins there, with SOH, and where the text goes on."""
    following = BEGIN.search(text, begin.end())
    stop = following.start() if following else len(text)
    message = text[begin.start() : stop].rstrip(b"\r\n")
    separator = begin[1]
    if separator == b"|":
        message = BAR.sub(b"\x01", message)
    elif separator != b"\x01":
        message = message.replace(separator, b"\x01")
    length = LENGTH.match(message)
    by_length = END.match(message, length.end() + int(length[1]) - 1) if length else None
    if end := by_length or END.search(message):
        whole = message[: end.end()]
        size = len(whole) if separator in b"\x01|" else len(whole.replace(b"\x01", separator))
        return whole.removesuffix(b"\x01") + b"\x01", begin.start() + size
    return message, stop
