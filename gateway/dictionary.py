"""FIX data dictionaries in the XML form that QuickFIX users know, read into a `Dictionary`. Pure: no files.

`read` takes the text of one. With a `base` it may use the base's fields and components, and what it states
is added to the base: nothing that the base allows or requires is taken away.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from xml.parsers import expat

TYPES = frozenset(
    [
        "STRING",
        "CHAR",
        "INT",
        "LENGTH",
        "SEQNUM",
        "NUMINGROUP",
        "TAGNUM",
        "DAYOFMONTH",
        "PRICE",
        "QTY",
        "AMT",
        "FLOAT",
        "PERCENTAGE",
        "PRICEOFFSET",
        "BOOLEAN",
        "UTCTIMESTAMP",
        "TIME",
        "UTCTIMEONLY",
        "UTCDATEONLY",
        "UTCDATE",
        "LOCALMKTDATE",
        "DATE",
        "MONTHYEAR",
        "CURRENCY",
        "COUNTRY",
        "EXCHANGE",
        "MULTIPLEVALUESTRING",
        "MULTIPLECHARVALUE",
        "MULTIPLESTRINGVALUE",
        "DATA",
        "XMLDATA",
        "LOCALMKTTIME",
        "TZTIMEONLY",
        "TZTIMESTAMP",
        "LANGUAGE",
        "XID",
        "XIDREF",
    ]
)
LAST_TAG = 9_999_999  # seven digits: what a message may have
LONGEST_TYPE = 8  # characters of a MsgType
DEEPEST = 32  # elements in each other
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
PRINTABLE = re.compile(r"[!-~]+")


class DictionaryError(ValueError):
    """The file is wrong; the text says where and what is allowed."""


@dataclass(frozen=True, slots=True)
class Field:
    """A tag with its FIX type name. `values`, with what each means: when there are any and the list is closed,
    no others are allowed.
    """

    tag: int
    name: str
    type: str
    values: Mapping[str, str] = field(default_factory=dict)
    closed: bool = True


@dataclass(frozen=True, slots=True)
class Layout:
    """What may stand, and what must, in a message, a header or trailer, or one instance of a group."""

    tags: tuple[int, ...] = ()
    """In the order of the file; the counters of groups are among them, the groups' members are not."""
    required: tuple[int, ...] = ()
    groups: tuple["Group", ...] = ()

    def group(self, counter: int) -> "Group | None":
        return next((group for group in self.groups if group.counter == counter), None)


@dataclass(frozen=True, slots=True)
class Group:
    """A repeating group: `counter` says how often, each instance begins with the delimiter."""

    counter: int
    members: Layout

    @property
    def delimiter(self) -> int:
        return self.members.tags[0]


@dataclass(frozen=True, slots=True)
class Message:
    msg_type: str
    name: str
    admin: bool
    """A message of the session, not of an application."""
    body: Layout


@dataclass(frozen=True, slots=True)
class Dictionary:
    """One version of FIX."""

    begin_string: str
    fields: Mapping[int, Field]
    components: Mapping[str, Layout]
    header: Layout
    trailer: Layout
    messages: Mapping[str, Message]
    """By MsgType."""
    defined: frozenset[int]
    """Every tag the version defines, also those whose types are not stated."""
    message_types: frozenset[str]
    """Every MsgType the version defines, also those whose bodies are not stated."""
    unserved: frozenset[int]
    """Fields that change what an order means and are not served: the order is refused, never misread."""
    lengths: Mapping[int, int]
    """Length field -> the data field that must follow it."""


def read(text: bytes, file: str, base: Dictionary | None = None) -> Dictionary:
    """What the XML text says, added to `base`. Raises DictionaryError, for people; `file` is its name there."""
    reader = _Reader(file, _Tree(text, file).root, base)
    if base is None:
        return reader.dictionary()
    return _added(base, reader.dictionary())


# ---------------------------------------------------------------- one dictionary added to another


def _added(base: Dictionary, more: Dictionary) -> Dictionary:
    messages = dict(base.messages)
    for kind, message in more.messages.items():
        body = _joined(messages[kind].body, message.body) if kind in messages else message.body
        messages[kind] = replace(message, body=body)
    fields = {**base.fields, **more.fields}
    return replace(
        base,
        fields=fields,
        components={**base.components, **more.components},
        header=_joined(base.header, more.header),
        trailer=_joined(base.trailer, more.trailer),
        messages=messages,
        defined=base.defined | more.defined,
        message_types=base.message_types | more.message_types,
        lengths=_lengths(fields),
    )


def _joined(base: Layout, more: Layout) -> Layout:
    """All tags of both; those of `more` come first, so that its groups keep their delimiters."""
    groups = {group.counter: group for group in base.groups}
    for group in more.groups:
        old = groups.get(group.counter)
        groups[group.counter] = Group(group.counter, _joined(old.members, group.members)) if old else group
    return Layout(
        tuple(dict.fromkeys(more.tags + base.tags)),
        tuple(dict.fromkeys(more.required + base.required)),
        tuple(groups.values()),
    )


def _lengths(fields: Mapping[int, Field]) -> dict[int, int]:
    """By their names: EncodedTextLen or RawDataLength, then EncodedText or RawData."""
    data = {field.name: tag for tag, field in fields.items() if field.type in ("DATA", "XMLDATA")}
    pairs = {}
    for tag, stated in fields.items():
        name = re.sub(r"(Len|Length)$", "", stated.name)
        if stated.type == "LENGTH" and name in data:
            pairs[tag] = data[name]
    return pairs


# ---------------------------------------------------------------- the elements


@dataclass(slots=True)
class _Element:
    name: str
    attributes: dict[str, str]
    line: int
    children: list["_Element"] = field(default_factory=list)

    def __str__(self) -> str:
        """As people find it: its name, and the attribute that tells it from others of its kind."""
        for key in ("name", "enum"):
            if key in self.attributes:
                return f'<{self.name} {key}="{self.attributes[key][:60]}">'
        return f"<{self.name}>"


class _Tree:
    """The elements of an XML text with their lines. Entities are not read, so none is fetched or multiplied."""

    def __init__(self, text: bytes, file: str) -> None:
        self._file = file
        self._open: list[_Element] = [_Element("", {}, 0)]
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.EntityDeclHandler = self._entity
        try:
            self._parser.Parse(text, True)
        except expat.ExpatError as error:
            what = expat.ErrorString(error.code)
            raise DictionaryError(f"{file}, line {error.lineno}: not XML: {what}") from None
        self.root = self._open[0].children[0]

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        element = _Element(name, attributes, self._parser.CurrentLineNumber)
        if len(self._open) > DEEPEST:
            raise DictionaryError(
                f"{self._file}, line {element.line}: {element}: more than {DEEPEST} elements in each other"
            )
        self._open[-1].children.append(element)
        self._open.append(element)

    def _end(self, _: str) -> None:
        self._open.pop()

    def _entity(self, name: str, *_: object) -> None:
        line = self._parser.CurrentLineNumber
        raise DictionaryError(f"{self._file}, line {line}: entity {name}: entities are not read here")


# ---------------------------------------------------------------- what they say


class _Reader:
    """Makes a dictionary of the elements of one file."""

    def __init__(self, file: str, root: _Element, base: Dictionary | None) -> None:
        self._file = file
        self._base = base
        self._sections = self._find_sections(root)
        self._fields: dict[int, Field] = {}
        self._tags = {field.name: tag for tag, field in base.fields.items()} if base else {}
        self._types = {tag: field.type for tag, field in base.fields.items()} if base else {}
        self._read_fields()
        self._stated = self._find_components()
        self._components: dict[str, Layout] = {}
        self._open: list[str] = []  # components that are being read

    def dictionary(self) -> Dictionary:
        for name in self._stated:
            self._component(name)
        messages = self._read_messages()
        return Dictionary(
            begin_string=self._begin_string,
            fields=self._fields,
            components=self._components,
            header=self._layout(self._sections.get("header")),
            trailer=self._layout(self._sections.get("trailer")),
            messages=messages,
            defined=frozenset(self._fields),
            message_types=frozenset(messages),
            unserved=frozenset(),
            lengths=_lengths(self._fields),
        )

    def _wrong(self, element: _Element, what: str) -> DictionaryError:
        return DictionaryError(f"{self._file}, line {element.line}: {element}: {what}")

    def _attribute(self, element: _Element, name: str, allowed: str) -> str:
        value = element.attributes.get(name, "")
        if value == "":
            raise self._wrong(element, f"no attribute {name}; allowed: {allowed}")
        return value

    def _choice(self, element: _Element, name: str, choices: tuple[str, ...], absent: str = "") -> str:
        """One of a few words; `absent` when the attribute may be left out."""
        if absent and name not in element.attributes:
            return absent
        value = self._attribute(element, name, ", ".join(choices))
        if value not in choices:
            raise self._wrong(element, f'{name}="{value}"; allowed: {", ".join(choices)}')
        return value

    def _name(self, element: _Element) -> str:
        name = self._attribute(element, "name", "letters, digits and _")
        if not NAME.fullmatch(name):
            raise self._wrong(element, "its name; allowed: letters, digits and _, not a digit first")
        return name

    def _children(self, element: _Element | None, *names: str) -> Iterator[_Element]:
        for child in element.children if element else ():
            if child.name not in names:
                raise self._wrong(child, f"not known in {element}; allowed there: {', '.join(names)}")
            yield child

    def _find_sections(self, root: _Element) -> dict[str, _Element]:
        if root.name != "fix":
            raise self._wrong(root, "not a FIX data dictionary; allowed: <fix>")
        major, minor = (self._attribute(root, key, "a number") for key in ("major", "minor"))
        self._begin_string = f"{root.attributes.get('type', 'FIX')}.{major}.{minor}"
        if self._base and self._begin_string != self._base.begin_string:
            raise self._wrong(root, f"it is of {self._begin_string}; allowed: {self._base.begin_string}")
        sections: dict[str, _Element] = {}
        for child in self._children(root, "header", "trailer", "messages", "components", "fields"):
            if child.name in sections:
                raise self._wrong(child, f"it is there twice, first in line {sections[child.name].line}")
            sections[child.name] = child
        return sections

    def _read_fields(self) -> None:
        for element in self._children(self._sections.get("fields"), "field"):
            name = self._name(element)
            number = self._attribute(element, "number", f"1 to {LAST_TAG}")
            if not re.fullmatch(r"[1-9][0-9]{0,6}", number):
                raise self._wrong(element, f'number="{number[:60]}"; allowed: 1 to {LAST_TAG}')
            tag = int(number)
            kind = self._attribute(element, "type", ", ".join(sorted(TYPES)))
            if kind.upper() not in TYPES:
                raise self._wrong(element, f'type="{kind}"; allowed: {", ".join(sorted(TYPES))}')
            if tag in self._fields:
                raise self._wrong(element, f"number {tag} is {self._fields[tag].name} already")
            if self._base and tag in self._base.fields and self._base.fields[tag].name != name:
                base = self._base.fields[tag].name
                raise self._wrong(element, f"number {tag} is {base}; allowed: that name, or another number")
            if self._tags.get(name, tag) != tag:
                raise self._wrong(element, f"the name is field {self._tags[name]} already")
            others = self._choice(element, "allowOtherValues", ("true", "false", "Y", "N"), absent="N")
            closed = others in ("false", "N")
            self._fields[tag] = Field(tag, name, kind.upper(), self._read_values(element), closed)
            self._tags[name], self._types[tag] = tag, kind.upper()

    def _read_values(self, element: _Element) -> dict[str, str]:
        values: dict[str, str] = {}
        for child in self._children(element, "value"):
            value = self._attribute(child, "enum", "a value of the field")
            if len(value) > 255 or not PRINTABLE.fullmatch(value):
                raise self._wrong(child, "allowed: 1 to 255 printable ASCII characters, no space")
            if value in values:
                raise self._wrong(child, f"the value is there twice in {element}")
            values[value] = child.attributes.get("description", "")
        return values

    def _find_components(self) -> dict[str, _Element]:
        stated: dict[str, _Element] = {}
        for element in self._children(self._sections.get("components"), "component"):
            name = self._name(element)
            if name in stated:
                raise self._wrong(element, f"the name is taken by the component in line {stated[name].line}")
            stated[name] = element
        return stated

    def _component(self, name: str, user: _Element | None = None) -> Layout:
        """A component's layout; `user` is what asks for it."""
        if name in self._components:
            return self._components[name]
        if name in self._stated:
            element = self._stated[name]
            if name in self._open:
                chain = " in ".join([name, *reversed(self._open[self._open.index(name) :])])
                raise self._wrong(element, f"it contains itself: {chain}")
            if len(self._open) == DEEPEST:
                raise self._wrong(element, f"more than {DEEPEST} components in each other")
            self._open.append(name)
            self._components[name] = self._layout(element)
            self._open.pop()
            return self._components[name]
        if self._base and name in self._base.components:
            return self._base.components[name]
        assert user
        raise self._wrong(user, "there is no such component; allowed: the names in <components>")

    def _read_messages(self) -> dict[str, Message]:
        messages: dict[str, Message] = {}
        names: dict[str, int] = {}
        for element in self._children(self._sections.get("messages"), "message"):
            name = self._name(element)
            kind = self._attribute(element, "msgtype", f"1 to {LONGEST_TYPE} characters")
            if len(kind) > LONGEST_TYPE or not PRINTABLE.fullmatch(kind):
                what = f'msgtype="{kind[:60]}"; allowed: 1 to {LONGEST_TYPE} printable ASCII characters'
                raise self._wrong(element, what)
            if kind in messages:
                raise self._wrong(element, f"msgtype {kind} is {messages[kind].name} already")
            if name in names:
                raise self._wrong(element, f"the name is taken by the message in line {names[name]}")
            admin = self._choice(element, "msgcat", ("admin", "app")) == "admin"
            messages[kind] = Message(kind, name, admin, self._layout(element))
            names[name] = element.line
        return messages

    def _layout(self, element: _Element | None) -> Layout:
        """The fields, groups and components in an element. What stands there twice is there once."""
        tags: dict[int, None] = {}
        required: dict[int, None] = {}
        groups: dict[int, Group] = {}
        for child in self._children(element, "field", "group", "component"):
            must = self._choice(child, "required", ("Y", "N")) == "Y"
            name = self._attribute(child, "name", "a name of the file")
            if child.name == "component":
                layout = self._component(name, child)
                tags.update(dict.fromkeys(layout.tags))
                required.update(dict.fromkeys(layout.required if must else ()))
                groups.update((group.counter, group) for group in layout.groups)
                continue
            if name not in self._tags:
                raise self._wrong(child, "there is no such field; allowed: the names in <fields>")
            tag = self._tags[name]
            tags[tag] = None
            if must:
                required[tag] = None
            if child.name == "group":
                groups[tag] = self._group(child, tag)
        return Layout(tuple(tags), tuple(required), tuple(groups.values()))

    def _group(self, element: _Element, counter: int) -> Group:
        if self._types[counter] not in ("NUMINGROUP", "INT"):
            raise self._wrong(element, f"its type is {self._types[counter]}; allowed for a group: NUMINGROUP")
        members = self._layout(element)
        if not members.tags:
            raise self._wrong(element, "a group without fields")
        return Group(counter, members)
