"""A FIX message as people read it: its fields with names and meanings, and what is wrong with it. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gateway.clients import masked
from gateway.dictionary import Dictionary, Group, Layout
from gateway.reasons import reason_text

REASON = 20002
LISTS = frozenset(["MULTIPLEVALUESTRING", "MULTIPLECHARVALUE", "MULTIPLESTRINGVALUE"])
CHECK_SUM = re.compile(rb"\x0110=([0-9]{3})\x01?$")
BODY_LENGTH = re.compile(rb"8=[^\x01]*\x019=([0-9]*)\x01")
MASKED = re.compile(rb"\x01(?:554|925)=\*\*\*\x01")


@dataclass(frozen=True, slots=True)
class Shown:
    """One field."""

    tag: str
    name: str
    """Empty: the dictionary does not have the tag."""
    value: str
    meaning: str
    """Of an enumerated value."""
    strange: bool
    """The dictionary lists the values of the field, and this is none of them."""
    depth: int
    """In so many groups."""
    begins: bool
    """It begins an instance of the group."""


@dataclass(frozen=True, slots=True)
class Message:
    msg_type: str
    name: str
    """Empty: the dictionary does not state the message."""
    fields: tuple[Shown, ...]
    wrong: tuple[str, ...]

    def value(self, tag: int) -> str:
        """Of the first field with the tag; empty when there is none."""
        return next((field.value for field in self.fields if field.tag == str(tag)), "")


def read_message(message: bytes, dictionary: Dictionary) -> Message:
    """A message with SOH between its fields, whole or not."""
    wrong = list(framing(message))
    pairs: list[tuple[str, bytes]] = []
    for tag, value in split(masked(message), dictionary.lengths):
        if tag:
            pairs.append((tag, value))
        else:
            wrong.append(f"{printable(value)} is not a field")
    msg_type = next((printable(value) for tag, value in pairs if tag == "35"), "")
    stated = dictionary.messages.get(msg_type)
    if not stated and msg_type not in dictionary.message_types:
        wrong.append(f"MsgType (35) {msg_type} is unknown" if msg_type else "no MsgType (35)")
    layouts = [*([stated.body] if stated else ()), dictionary.header, dictionary.trailer]
    fields = tuple(arranged(pairs, layouts, dictionary))
    return Message(msg_type, stated.name if stated else "", fields, tuple(wrong))


def printable(value: bytes) -> str:
    """What a terminal shows and does not obey."""
    text = value.decode("utf-8", "backslashreplace")
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def split(message: bytes, lengths: Mapping[int, int]) -> Iterator[tuple[str, bytes]]:
    """Tags and values. What is no field has no tag. A data field is as long as the field before it says."""
    at, counted, size = 0, 0, 0
    while at < len(message):
        end = message.find(b"\x01", at)
        end = len(message) if end < 0 else end
        tag, equals, value = message[at:end].partition(b"=")
        if not equals or not tag.isdigit():
            yield "", message[at:end]
        else:
            number = int(tag[:9])
            begin = at + len(tag) + 1
            if counted == number and message[begin + size : begin + size + 1] == b"\x01":
                end = begin + size
                value = message[begin:end]
            counted, size = lengths.get(number, 0), int(value[:9]) if value.isdigit() else 0
            yield tag.decode(), value
        at = end + 1


def framing(message: bytes) -> Iterator[str]:
    """What is wrong with BodyLength and CheckSum. Of a message whose password was taken out nobody can tell."""
    check_sum = CHECK_SUM.search(message)
    if not check_sum:
        yield "no CheckSum (10) at its end: it is cut off, or a value has a line break"
        return
    if MASKED.search(message):
        return
    body_length = BODY_LENGTH.match(message)
    length = check_sum.start() + 1 - body_length.end() if body_length else 0
    if not body_length:
        yield "no BodyLength (9) behind BeginString (8)"
    elif int(body_length[1] or b"0") != length:
        yield f"BodyLength (9) is {body_length[1].decode()}, its body has {length} bytes"
    total = sum(message[: check_sum.start() + 1]) % 256
    if int(check_sum[1]) != total:
        yield f"CheckSum (10) is {check_sum[1].decode()}, its bytes give {total:03}"


def arranged(
    pairs: list[tuple[str, bytes]], layouts: list[Layout], dictionary: Dictionary
) -> Iterator[Shown]:
    """The fields in their groups."""
    open_groups: list[Group] = []
    for tag, value in pairs:
        number = int(tag[:9])
        while open_groups and number not in open_groups[-1].members.tags:
            open_groups.pop()
        begins = bool(open_groups) and number == open_groups[-1].delimiter
        yield field(tag, printable(value), dictionary, len(open_groups), begins)
        inside = [open_groups[-1].members] if open_groups else layouts
        open_groups += [group for layout in inside if (group := layout.group(number))][:1]


def field(tag: str, value: str, dictionary: Dictionary, depth: int, begins: bool) -> Shown:
    stated = dictionary.fields.get(int(tag[:9]))
    if stated is None:
        return Shown(tag, "", value, "", False, depth, begins)
    if stated.tag == REASON:
        meaning = reason_text(int(value)) if value.isdigit() else ""
        return Shown(tag, stated.name, value, meaning, False, depth, begins)
    words = value.split(" ") if stated.type in LISTS else [value]
    meaning = " ".join(stated.values.get(word, word) for word in words) if stated.values else ""
    strange = bool(stated.values) and stated.closed and any(word not in stated.values for word in words)
    return Shown(tag, stated.name, value, "" if strange else meaning, strange, depth, begins)
