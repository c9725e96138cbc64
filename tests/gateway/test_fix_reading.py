"""Messages as people read them."""

from collections.abc import Callable

import pytest
from stories import build

from gateway.dictionary import Dictionary, read
from gateway.fix44 import FIX44
from gateway.fix_reading import Message, Shown, read_message

HEAD = [("49", "ALICE"), ("56", "QB"), ("34", "2")]


def message(msg_type: str, *fields: tuple[str, str], dictionary: Dictionary = FIX44) -> Message:
    return read_message(build([("35", msg_type), *HEAD, *fields]), dictionary)


def field(read: Message, tag: int) -> Shown:
    return next(one for one in read.fields if one.tag == str(tag))


def test_fields_have_names_and_values_meanings() -> None:
    read = message("D", ("11", "a"), ("54", "1"), ("18", "6 1"), ("20002", "12"))
    assert (read.name, read.value(11), read.wrong) == ("NewOrderSingle", "a", ())
    assert field(read, 54) == Shown("54", "Side", "1", "BUY", False, 0, False)
    assert field(read, 18).meaning == "PARTICIPATE_DONT_INITIATE NOT_HELD"
    assert field(read, 20002).meaning == "OrderQty (38) is zero"


def test_what_the_dictionary_does_not_have_is_marked() -> None:
    read = message("D", ("54", "Z"), ("18", "6 %"), ("9999", "x"))
    assert field(read, 54).strange
    assert field(read, 18).strange
    assert field(read, 9999).name == ""
    assert message("ZZ").wrong == ("MsgType (35) ZZ is unknown",)
    assert message("J").wrong == ()  # FIX 4.4 has it, the dictionary not its fields


def test_a_dictionary_of_ones_own_names_its_fields() -> None:
    own = read(
        b"""<fix type="FIX" major="4" minor="4"><messages><message name="Quick" msgtype="U7" msgcat="app">
        <field name="Desk" required="Y"/></message></messages><fields><field number="6001" name="Desk" type="STRING">
        <value enum="FX" description="CURRENCIES"/></field></fields></fix>""",
        "own",
        FIX44,
    )
    shown = message("U7", ("6001", "FX"), dictionary=own)
    assert (shown.name, field(shown, 6001).name, field(shown, 6001).meaning) == (
        "Quick",
        "Desk",
        "CURRENCIES",
    )


def test_groups_are_inside_each_other() -> None:
    read = message(
        "D",
        ("453", "2"), ("448", "A"), ("447", "D"), ("802", "1"), ("523", "S"), ("803", "1"), ("448", "B"), ("54", "1"),
    )  # fmt: skip
    assert [(one.tag, one.depth, one.begins) for one in read.fields[6:-1]] == [
        ("453", 0, False), ("448", 1, True), ("447", 1, False), ("802", 1, False), ("523", 2, True), ("803", 2, False),
        ("448", 1, True), ("54", 0, False),
    ]  # fmt: skip


def test_data_is_as_long_as_is_said() -> None:
    read = message("B", ("148", "h"), ("354", "5"), ("355", "a\x01b=c"), ("58", "t"))
    assert field(read, 355).value == "a\\x01b=c"
    assert field(read, 58).value == "t"


def test_nothing_reaches_a_terminal_that_it_obeys() -> None:
    read = message("B", ("148", "\x1b[2J\n\x9b\u202e"))
    assert field(read, 148).value == "\\x1b[2J\\n\\x9b\\u202e"


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        (lambda m: m.replace(b"11=a", b"11=b"), "CheckSum (10) is"),
        (lambda m: m.replace(b"9=30", b"9=130"), "BodyLength (9) is 130, its body has 30 bytes"),
        (lambda m: m.replace(b"\x019=30", b""), "no BodyLength"),
        (lambda m: m[:-8], "no CheckSum (10) at its end"),
        (lambda m: m.replace(b"11=a", b"11_a"), "11_a is not a field"),
        (lambda m: m.replace(b"35=D\x01", b""), "no MsgType"),
    ],
)
def test_what_is_wrong_is_said(broken: Callable[[bytes], bytes], what: str) -> None:
    good = build([("35", "D"), *HEAD, ("11", "a")])
    assert read_message(good, FIX44).wrong == ()
    assert any(one.startswith(what) for one in read_message(broken(good), FIX44).wrong)


def test_a_password_is_not_shown_and_breaks_nothing() -> None:
    logon = build([("35", "A"), *HEAD, ("554", "secret")])
    for form in (logon, logon.replace(b"secret", b"***")):
        read = read_message(form, FIX44)
        assert (read.value(554), read.wrong) == ("***", ())
    assert "CheckSum" in read_message(logon.replace(b"secret", b"Secret"), FIX44).wrong[0]
