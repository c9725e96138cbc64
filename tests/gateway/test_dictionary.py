"""Dictionaries in XML: read, added to FIX 4.4, and scanned by; what is said of wrong ones."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from every_message import everything, whole
from fix_records import header, message, read_input

from gateway import fix
from gateway.dictionary import TYPES, Dictionary, DictionaryError, Field, Group, Layout, Message, read
from gateway.fix44 import FIX44

NOT_REJECTED = 255
OURS = sum(tag >= 1024 for tag in FIX44.fields)  # private tags
ORDER = "11=a|55=AAPL|54=1|38=1|40=1|60=20260102-03:04:05|"
QUICKFIX = (
    Path(sys.prefix) / "share" / "quickfix" / "FIX44.xml"
)  # where pip puts it with the package quickfix


@pytest.fixture(autouse=True)
def ours_again() -> Iterator[None]:
    yield
    fix.use(FIX44)


def user(text: str) -> Dictionary:
    """What a file of these sections adds to FIX 4.4."""
    return read(f'<fix type="FIX" major="4" minor="4">\n{text}\n</fix>'.encode(), "own.xml", FIX44)


def fields(*names_and_types: str) -> str:
    """A section of private fields from 6001 on."""
    pairs = (pair.split() for pair in names_and_types)
    lines = (
        f'<field number="{n}" name="{name}" type="{kind}"/>' for n, (name, kind) in enumerate(pairs, 6001)
    )
    return f"<fields>{''.join(lines)}</fields>"


def messages(*names_types_bodies: str) -> str:
    """A section of messages, of each its name, its type and what is in it."""
    parts = (text.split(maxsplit=2) for text in names_types_bodies)
    stated = (
        f'<message name="{name}" msgtype="{kind}" msgcat="app">{"".join(body)}</message>'
        for name, kind, *body in parts
    )
    return f"<messages>{''.join(stated)}</messages>"


# ---------------------------------------------------------------- our own


def layouts(layout: Layout) -> Iterator[Layout]:
    """It and those of its groups."""
    yield layout
    for group in layout.groups:
        yield from layouts(group.members)


def test_our_dictionary_is_whole() -> None:
    assert FIX44.begin_string == "FIX.4.4"
    parts = [FIX44.header, FIX44.trailer, *(message.body for message in FIX44.messages.values())]
    for layout in (inner for part in parts for inner in layouts(part)):
        assert set(layout.required) <= set(layout.tags)
        assert set(layout.tags) <= set(FIX44.fields) <= FIX44.defined
        counters = [tag for tag in layout.tags if FIX44.fields[tag].type == "NUMINGROUP"]
        assert counters == [group.counter for group in layout.groups]
    for length, data in FIX44.lengths.items():
        assert (FIX44.fields[length].type, FIX44.fields[data].type) == ("LENGTH", "DATA")
        assert FIX44.fields[length].name.startswith(FIX44.fields[data].name)
    assert set(FIX44.lengths.values()) == {t for t, field in FIX44.fields.items() if field.type == "DATA"}
    assert set(FIX44.messages) <= FIX44.message_types
    assert FIX44.unserved <= set(FIX44.messages["D"].body.tags)


def test_a_decoder_finds_names_meanings_and_groups() -> None:
    assert FIX44.fields[54].name == "Side"
    assert FIX44.fields[54].values["2"] == "SELL"
    assert (FIX44.messages["D"].name, FIX44.messages["D"].admin) == ("NewOrderSingle", False)
    assert (FIX44.messages["A"].name, FIX44.messages["A"].admin) == ("Logon", True)
    parties = FIX44.messages["D"].body.group(453)
    assert parties is not None
    assert parties.delimiter == 448
    assert parties.members.group(802) == Group(802, Layout((523, 803)))
    assert FIX44.messages["D"].body.group(55) is None


def test_a_group_may_be_another_in_another_message() -> None:
    full, incremental = (FIX44.messages[kind].body.group(268) for kind in "WX")
    assert full is not None
    assert incremental is not None
    assert (full.delimiter, incremental.delimiter) == (269, 279)


def test_every_element_is_read() -> None:
    text = b"""<?xml version="1.0"?>
<fix type="FIX" major="4" minor="2" servicepack="0">
  <header><field name="One" required="Y"/></header>
  <trailer/>
  <messages><message name="Ask" msgtype="a" msgcat="app">
    <component name="Outer" required="Y"/><component name="Inner" required="N"/><field name="Two" required="Y"/>
  </message></messages>
  <components>
    <component name="Outer"><component name="Inner" required="Y"/>
      <group name="NoThings" required="Y"><field name="Thing" required="Y"/><field name="More" required="N"/></group>
    </component>
    <component name="Inner"><field name="Three" required="Y"/></component>
  </components>
  <fields>
    <field number="1" name="One" type="CHAR"><value enum="x" description="AN_X"/><value enum="y"/></field>
    <field number="2" name="Two" type="string" allowOtherValues="true"><value enum="any"/></field>
    <field number="3" name="Three" type="INT"/>
    <field number="4" name="NoThings" type="INT"/>
    <field number="5" name="Thing" type="LENGTH"/>
    <field number="6" name="More" type="STRING"/>
  </fields>
</fix>"""
    group = Group(4, Layout((5, 6), (5,)))
    inner = Layout((3,), (3,))
    outer = Layout((3, 4), (3, 4), (group,))
    assert read(text, "own.xml") == Dictionary(
        begin_string="FIX.4.2",
        fields={
            1: Field(1, "One", "CHAR", {"x": "AN_X", "y": ""}),
            2: Field(2, "Two", "STRING", {"any": ""}, closed=False),
            3: Field(3, "Three", "INT"),
            4: Field(4, "NoThings", "INT"),
            5: Field(5, "Thing", "LENGTH"),
            6: Field(6, "More", "STRING"),
        },
        components={"Outer": outer, "Inner": inner},
        header=Layout((1,), (1,)),
        trailer=Layout(),
        messages={"a": Message("a", "Ask", False, Layout((3, 4, 2), (3, 4, 2), (group,)))},
        defined=frozenset(range(1, 7)),
        message_types=frozenset("a"),
        unserved=frozenset(),
        lengths={},
    )


# ---------------------------------------------------------------- wrong ones

WRONG = {
    "not XML": ("<fix", "line 1: not XML: unclosed token"),
    "nothing": ("", "line 1: not XML: no element found"),
    "an entity": ('<!DOCTYPE fix [<!ENTITY a "b">]><fix major="4" minor="4"/>', "entity a: entities are not"),
    "another root": ("<feed/>", "line 1: <feed>: not a FIX data dictionary; allowed: <fix>"),
    "no version": ('<fix major="4"/>', "<fix>: no attribute minor; allowed: a number"),
    "another version": ('<fix type="FIX" major="4" minor="2"/>', "it is of FIX.4.2; allowed: FIX.4.4"),
    "too deep": ("<fix>" * 40, "line 1: <fix>: more than 32 elements in each other"),
}
WRONG_PART = {
    "an unknown section": ("<enums/>", "line 2: <enums>: not known in <fix>; allowed there: header, trailer"),
    "a section twice": ("<fields/>\n<fields/>", "line 3: <fields>: it is there twice, first in line 2"),
    "an unknown field in a message": (
        messages('M U7 <field name="No" required="N"/>'),
        'line 2: <field name="No">: there is no such field; allowed: the names in <fields>',
    ),
    "an unknown component": (
        messages('M U7 <component name="No" required="N"/>'),
        '<component name="No">: there is no such component',
    ),
    "a field number twice": (
        '<fields><field number="6001" name="A" type="INT"/><field number="6001" name="B" type="INT"/></fields>',
        '<field name="B">: number 6001 is A already',
    ),
    "a field name twice": (fields("A INT", "A INT"), '<field name="A">: the name is field 6001 already'),
    "a number of ours under another name": (
        '<fields><field number="11" name="Desk" type="STRING"/></fields>',
        'line 2: <field name="Desk">: number 11 is ClOrdID; allowed: that name, or another number',
    ),
    "a name of ours under another number": (
        fields("ClOrdID STRING"),
        '<field name="ClOrdID">: the name is field 11 already',
    ),
    "an unknown type": (fields("A WORD"), '<field name="A">: type="WORD"; allowed: AMT, BOOLEAN, CHAR'),
    "no type": ('<fields><field number="6001" name="A"/></fields>', "no attribute type; allowed: AMT"),
    "a number that is none": (
        '<fields><field number="0" name="A" type="INT"/></fields>',
        'number="0"; allowed: 1 to 9999999',
    ),
    "a name with a space": (
        '<fields><field number="6001" name="A B" type="INT"/></fields>',
        '<field name="A B">: its name; allowed: letters, digits and _',
    ),
    "a value twice": (
        '<fields><field number="6001" name="A" type="INT"><value enum="1"/>\n<value enum="1"/></field></fields>',
        'line 3: <value enum="1">: the value is there twice in <field name="A">',
    ),
    "a value that no message can have": (
        '<fields><field number="6001" name="A" type="INT"><value enum="a b"/></field></fields>',
        '<value enum="a b">: allowed: 1 to 255 printable ASCII characters, no space',
    ),
    "required maybe": (
        '<header><field name="Text" required="maybe"/></header>',
        '<field name="Text">: required="maybe"; allowed: Y, N',
    ),
    "required unsaid": ('<header><field name="Text"/></header>', "no attribute required; allowed: Y, N"),
    "a category that is none": (
        '<messages><message name="M" msgtype="U7" msgcat="application"/></messages>',
        '<message name="M">: msgcat="application"; allowed: admin, app',
    ),
    "a message type twice": (
        messages("M U7", "N U7"),
        '<message name="N">: msgtype U7 is M already',
    ),
    "a message name twice": (
        messages("M U7", "M U2"),
        '<message name="M">: the name is taken by the message in line 2',
    ),
    "a long message type": (
        messages("M UABCDEFGH"),
        'msgtype="UABCDEFGH"; allowed: 1 to 8 printable ASCII characters',
    ),
    "a component twice": (
        '<components><component name="C"/><component name="C"/></components>',
        '<component name="C">: the name is taken by the component in line 2',
    ),
    "components in each other": (
        '<components><component name="A"><component name="B" required="N"/></component>'
        '<component name="B"><component name="A" required="N"/></component></components>',
        '<component name="A">: it contains itself: A in B in A',
    ),
    "a component in a group of itself": (
        '<components><component name="A"><group name="NoPartyIDs" required="N">'
        '<component name="A" required="N"/></group></component></components>',
        '<component name="A">: it contains itself: A in A',
    ),
    "a group without fields": (
        '<header><group name="NoPartyIDs" required="N"/></header>',
        '<group name="NoPartyIDs">: a group without fields',
    ),
    "a group that text counts": (
        '<header><group name="Text" required="N"><field name="Price" required="N"/></group></header>',
        '<group name="Text">: its type is STRING; allowed for a group: NUMINGROUP',
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_file_that_is_no_dictionary(name: str) -> None:
    text, said = WRONG[name]
    with pytest.raises(DictionaryError, match=r"^own\.xml, line 1: ") as caught:
        read(text.encode(), "own.xml", FIX44)
    assert said in str(caught.value)


@pytest.mark.parametrize("name", WRONG_PART)
def test_a_wrong_part_is_named(name: str) -> None:
    text, said = WRONG_PART[name]
    with pytest.raises(DictionaryError, match=r"^own\.xml, line \d+: <") as caught:
        user(text)
    assert said in str(caught.value)


def test_components_in_each_other_without_end() -> None:
    chain = "".join(
        f'<component name="C{n}"><component name="C{n + 1}" required="N"/></component>' for n in range(400)
    )
    with pytest.raises(DictionaryError, match="more than 32 components in each other"):
        user(f'<components>{chain}<component name="C400"/></components>')


# ---------------------------------------------------------------- what a user's file adds

DESK = """
<messages>
  <message name="NewOrderSingle" msgtype="D" msgcat="app">
    <field name="Desk" required="Y"/>
    <group name="NoHints" required="N">
      <field name="Hint" required="Y"/>
      <field name="Weight" required="N"/>
    </group>
    <group name="NoPartyIDs" required="N">
      <field name="PartyID" required="Y"/>
      <field name="Weight" required="N"/>
    </group>
  </message>
  <message name="Ping" msgtype="U9" msgcat="app"><field name="ClOrdID" required="Y"/></message>
  <message name="Pong" msgtype="XYZ" msgcat="app">
    <component name="Parties" required="N"/>
    <field name="Words" required="N"/><field name="Day" required="N"/><field name="Old" required="N"/>
    <field name="Marks" required="N"/>
  </message>
</messages>
<fields>
  <field number="6001" name="Desk" type="STRING">
    <value enum="RATES" description="INTEREST_RATES"/>
    <value enum="FX" description="CURRENCIES"/>
  </field>
  <field number="6002" name="NoHints" type="NUMINGROUP"/>
  <field number="6003" name="Hint" type="INT"/>
  <field number="9999999" name="Weight" type="PRICE"/>
  <field number="2000" name="Words" type="MULTIPLESTRINGVALUE"><value enum="ONE"/><value enum="TWO"/></field>
  <field number="2002" name="Marks" type="MULTIPLEVALUESTRING"><value enum="A"/><value enum="BB"/></field>
  <field number="453" name="NoPartyIDs" type="NUMINGROUP"><value enum="1"/></field>
  <field number="1001" name="Day" type="DAYOFMONTH"/>
  <field number="20" name="Old" type="CHAR"/>
</fields>"""


@pytest.fixture
def desk() -> None:
    fix.use(user(DESK))


def judged(kind: str, body: str) -> tuple[object, object]:
    record = read_input(fix.scan_message(message(header(kind) + body)))
    return record["verdict"], record["ref_tag"]


def test_what_is_added_takes_nothing_away() -> None:
    both = user(DESK)
    before, after = FIX44.messages["D"].body, both.messages["D"].body
    assert set(after.tags) == {*before.tags, 6001, 6002}
    assert set(after.required) == {*before.required, 6001}
    assert {kind: both.messages[kind] for kind in FIX44.messages if kind != "D"} == {
        kind: message for kind, message in FIX44.messages.items() if kind != "D"
    }
    parties = after.group(453)
    assert parties is not None
    assert parties.members.tags == (448, 9999999, 447, 452, 802)
    assert parties.members.required == (448,)
    assert both.header == FIX44.header
    assert {"U9", "XYZ"} == both.message_types - FIX44.message_types


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize(
    ("kind", "body", "verdict", "tag"),
    [
        ("D", ORDER + "6001=FX|", NOT_REJECTED, 0),
        ("D", ORDER, 1, 6001),
        ("D", ORDER + "6001=EQ|", 5, 6001),
        ("D", ORDER + "6001=|", 4, 6001),
        ("D", ORDER + "6001=FX|6001=FX|", 13, 6001),
        ("D", ORDER + "6001=FX|6002=2|6003=1|9999999=1.5|6003=2|", NOT_REJECTED, 0),
        ("D", ORDER + "6001=FX|6002=1|6003=1|6003=2|", 16, 6002),
        ("D", ORDER + "6001=FX|6002=1|6003=x|", 6, 6003),
        ("D", ORDER + "6001=FX|453=1|448=A|9999999=heavy|", 6, 0),  # RefTagID cannot hold it
        ("D", ORDER + "6001=FX|453=1|448=A|9999999=1|452=1|802=1|523=x|", NOT_REJECTED, 0),
        ("D", ORDER + "6001=FX|9999999=1|", 2, 0),
        ("D", ORDER + "6001=FX|7001=any|", NOT_REJECTED, 0),
        ("F", "41=b|" + ORDER.replace("38=1|40=1|", "") + "6001=FX|", 2, 6001),
        ("U9", "11=a|", NOT_REJECTED, 0),
        ("U9", "", 1, 11),
        ("U8", "11=|", 4, 11),
        ("XYZ", "453=1|448=A|", NOT_REJECTED, 0),
        ("XYZ", "11=a|", 2, 11),
        ("XYZ", "2000=ONE TWO|1001=31|20=x|", NOT_REJECTED, 0),
        ("XYZ", "2000=ONE THREE|", 5, 2000),
        ("XYZ", "2000=ONE  TWO|", 6, 2000),
        ("XYZ", "2000=ONE |", 6, 2000),
        ("XYZ", "2002=A BB A|", NOT_REJECTED, 0),
        ("XYZ", "2002=A B|", 5, 2002),
        ("XYZ", "453=2|448=A|448=B|", 5, 453),
        ("XYZ", "453=0|", NOT_REJECTED, 0),
        ("XYZ", "1001=32|", 6, 1001),
        ("XYZ", "20=xx|", 6, 20),
        ("XYZ", "2001=x|", 0, 2001),
        ("XYZA", "11=a|", 11, 0),
    ],
)
def test_messages_are_judged_by_it(kind: str, body: str, verdict: int, tag: int) -> None:
    assert judged(kind, body) == (verdict, tag)


def test_then_by_ours_again() -> None:
    fix.use(user(DESK))
    assert judged("D", ORDER)[0] == 1
    fix.use(FIX44)
    assert judged("D", ORDER)[0] == NOT_REJECTED
    assert judged("XYZ", "")[0] == 11
    assert judged("D", ORDER + "6001=EQ|")[0] == NOT_REJECTED  # a private tag of no dictionary


def test_every_type_has_values_that_are_judged() -> None:
    names = sorted(TYPES)
    stated = fields(*(f"F{name} {name}" for name in names))
    body = "".join(f'<field name="F{name}" required="N"/>' for name in names)
    fix.use(user(messages(f"M U7 {body}") + stated))
    wrong = {name for tag, name in enumerate(names, 6001) if judged("U7", f"{tag}=?  ?|") != (255, 0)}
    free = [
        "STRING",
        "EXCHANGE",
        "LANGUAGE",
        "XID",
        "XIDREF",
        "LOCALMKTTIME",
        "TZTIMEONLY",
        "TZTIMESTAMP",
        "DATA",
        "XMLDATA",
    ]
    assert wrong == TYPES - set(free)


def test_data_of_a_users_own() -> None:
    own = messages('M U7 <field name="BlobLen" required="N"/><field name="Blob" required="N"/>')
    fix.use(user(own + fields("BlobLen LENGTH", "Blob DATA")))
    verdicts = [judged("U7", body) for body in ("6001=3|6002=a|b|", "6002=ab|", "6001=3|")]
    assert verdicts == [(NOT_REJECTED, 0), (1, 6001), (1, 6002)]


def test_more_than_the_tables_hold_changes_nothing() -> None:
    many = replace(FIX44, defined=FIX44.defined | set(range(5000, 7000)))
    with pytest.raises(
        DictionaryError, match=f"it has {OURS + 2000} fields of 1024 and above; at most 1024 are served"
    ):
        fix.use(many)
    wide = fields("NoMany NUMINGROUP", *(f"A{n} INT" for n in range(300)))
    members = "".join(f'<field name="A{n}" required="N"/>' for n in range(300))
    with pytest.raises(DictionaryError, match="it has 300 fields in one group; at most 256 are served"):
        fix.use(user(f'<header><group name="NoMany" required="N">{members}</group></header>{wide}'))
    assert judged("D", ORDER) == (NOT_REJECTED, 0)


def test_what_the_exchange_reads_keeps_its_type() -> None:
    text = '<fields><field number="54" name="Side" type="INT"/></fields>'
    with pytest.raises(DictionaryError, match="field 54 Side: its type is INT; the exchange reads a CHAR"):
        fix.use(user(text))


def test_values_of_what_the_exchange_reads_may_be_fewer_but_not_open() -> None:
    fix.use(user('<fields><field number="54" name="Side" type="CHAR"><value enum="1"/></field></fields>'))
    fewer = [judged("D", ORDER.replace("54=1", f"54={side}"))[0] for side in "12"]
    fix.use(user('<fields><field number="54" name="Side" type="CHAR"/></fields>'))
    none = [judged("D", ORDER.replace("54=1", f"54={side}"))[0] for side in "2~"]
    assert (fewer, none) == ([NOT_REJECTED, 5], [NOT_REJECTED, 5])


def test_as_many_tags_and_types_as_the_tables_hold() -> None:
    tags = Random(1).sample(range(1024, 10_000_000), 1024 - OURS)
    stated = "".join(f'<field number="{tag}" name="F{tag}" type="INT"/>' for tag in tags)
    kinds = [f"U{n:x}" for n in range(16, 16 + 255 - len(FIX44.messages))]
    bodies = (
        "".join(f'<field name="F{tag}" required="N"/>' for tag in tags[n :: len(kinds)])
        for n in range(len(kinds))
    )
    own = (f"M{kind} {kind} {body}" for kind, body in zip(kinds, bodies, strict=True))
    fix.use(user(f"{messages(*own)}<fields>{stated}</fields>"))
    for n, tag in enumerate(tags):
        kind, other = kinds[n % len(kinds)], kinds[(n + 1) % len(kinds)]
        seen = tag if tag < 65536 else 0  # what RefTagID can hold
        assert judged(kind, f"{tag}=1|") == (NOT_REJECTED, 0)
        assert judged(kind, f"{tag}=x|") == (6, seen)
        assert judged(kind, f"{tag}=1|{tag}=1|") == (13, seen)
        assert judged(other, f"{tag}=1|") == (2, seen)


# ---------------------------------------------------------------- every message there is


def check_every_message(of: Dictionary) -> None:
    fix.use(of)
    for kind, stated in of.messages.items():
        full = whole(kind, of)
        assert judged(kind, full) == (NOT_REJECTED, 0), (kind, stated.name)
        for group in stated.body.groups:
            one = f"{group.counter}=2|" + everything(group.members, of)
            head, _, rest = full.partition(2 * everything(group.members, of))
            assert judged(kind, head.removesuffix(f"{group.counter}=2|") + one + rest) == (16, group.counter)
        for tag in set(stated.body.required) - {group.counter for group in stated.body.groups}:
            value = full.partition(f"|{tag}=")[2].partition("|")[0]
            assert judged(kind, full.replace(f"|{tag}={value}|", "|", 1))[0] == 1


def test_every_message_of_ours() -> None:
    check_every_message(FIX44)


@pytest.mark.skipif(not QUICKFIX.exists(), reason=f"{QUICKFIX} is not there: pip install quickfix")
def test_a_whole_dictionary_of_quickfix_is_held() -> None:
    theirs = read(QUICKFIX.read_bytes(), str(QUICKFIX), FIX44)
    assert len(theirs.messages) > 90
    check_every_message(theirs)
