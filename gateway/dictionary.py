"""What a FIX dictionary says: fields, repeating groups, messages. Pure data; the scanner loads it at import.

`gateway.fix44` states FIX 4.4 as far as it is served, in the compact text that `parse_fields` and
`parse_layout` read. Any other source that builds a `Dictionary` (an XML file, say) would do as well.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_TOKEN = re.compile(r"\s*(?:(\d+)(!?)(\()?|(@\w+)(!?)|(\)))")


@dataclass(frozen=True, slots=True)
class Field:
    """A tag with its FIX type name; `values` are the only ones allowed, none given means any."""

    tag: int
    name: str
    type: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """A repeating group: `counter` says how often, each instance begins with the first of `members`."""

    counter: int
    members: tuple[int, ...]

    @property
    def delimiter(self) -> int:
        """The tag that begins an instance."""
        return self.members[0]


@dataclass(frozen=True, slots=True)
class Layout:
    """Which tags may stand at the top level of a part of a message, and which must."""

    tags: tuple[int, ...]
    required: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Dictionary:
    """One version of FIX."""

    begin_string: str
    fields: Mapping[int, Field]
    defined: frozenset[int]
    """Every tag the version defines, also those that no served message has."""
    message_types: frozenset[str]
    """Every MsgType the version defines, served or not."""
    groups: Mapping[int, Group]
    header: Layout
    trailer: Layout
    messages: Mapping[str, Layout]
    """The served messages by MsgType."""
    lengths: Mapping[int, int]
    """Length field -> the data field that must follow it."""
    unserved: frozenset[int]
    """Fields that change what an order means and are not served: the order is refused, never misread."""


def parse_fields(text: str) -> dict[int, Field]:
    """Lines `tag Name TYPE [value ...]`; `1..38` and `A..Z` are ranges of values."""
    fields: dict[int, Field] = {}
    for line in text.splitlines():
        if not line.strip():
            continue
        tag, name, kind, *values = line.split()
        if int(tag) in fields:
            raise ValueError(f"field {tag} is stated twice")
        fields[int(tag)] = Field(int(tag), name, kind, tuple(_ranges(values)))
    return fields


def parse_layout(text: str, components: Mapping[str, str], groups: dict[int, Group]) -> Layout:
    """`11! 1 @Parties 78(79 80)`: tags, `!` = required, @ = a component's tags, brackets = a repeating group.

    Groups found are added to `groups`; raises ValueError when one is stated twice with other members.
    """
    tags: list[int] = []
    required: list[int] = []
    open_groups: list[tuple[int, list[int]]] = []
    for match in _TOKEN.finditer(_expand(text, components)):
        tag, must, bracket, _, _, close = match.groups()
        if close:
            counter, members = open_groups.pop()
            group = Group(counter, tuple(members))
            if groups.setdefault(counter, group) != group:
                raise ValueError(f"group {counter} is stated twice with other members")
            continue
        (open_groups[-1][1] if open_groups else tags).append(int(tag))
        if must and not open_groups:
            required.append(int(tag))
        if bracket:
            open_groups.append((int(tag), []))
    return Layout(tuple(tags), tuple(required))


def _ranges(values: Iterable[str]) -> Iterable[str]:
    for value in values:
        first, dots, last = value.partition("..")
        if dots and first.isdigit():
            yield from map(str, range(int(first), int(last) + 1))
        elif dots:
            yield from map(chr, range(ord(first), ord(last) + 1))
        else:
            yield value


def _expand(text: str, components: Mapping[str, str]) -> str:
    while "@" in text:
        text = re.sub(r"@(\w+)", lambda match: components[match[1]], text)
    return text
