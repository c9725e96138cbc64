"""docs/fix-messages.md is what `quorumbook fix rules` prints, and what that says is what the exchange does."""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from memory_edge import MemoryEdge
from stories import HEADER, SCENARIOS, STORIES, build

from engine.records import Reason
from gateway import inputs
from gateway.dictionary import Layout, read
from gateway.engagement import OWN, SENT, SERVED, TAKEN, UNREACHED, VALUES, page
from gateway.fix44 import FIX44
from gateway.fix_commands import fix as command
from gateway.reasons import GatewayReason

DOCS = Path(__file__).parents[2] / "docs"
FIX_PAGE = (DOCS / "fix.md").read_text()
VERDICTS = (SCENARIOS.parent / "fix_verdicts.txt").read_text()
HIDDEN_BY_STORIES = {60, 75, 272, 273}
SAMPLES = {
    "INT": "1", "LENGTH": "1", "SEQNUM": "1", "NUMINGROUP": "1", "QTY": "1", "PRICE": "1", "AMT": "1",
    "PERCENTAGE": "1", "BOOLEAN": "Y", "UTCTIMESTAMP": "20260105-10:00:00",
    "LOCALMKTDATE": "20260105", "UTCDATEONLY": "20260105",
}  # fmt: skip


def test_the_page_is_what_the_command_prints() -> None:
    """Written anew by: quorumbook fix rules > docs/fix-messages.md"""
    printed = CliRunner().invoke(command, ["rules"])
    assert printed.exit_code == 0
    assert printed.output == (DOCS / "fix-messages.md").read_text() == page(FIX44)


def test_its_links_lead_to_its_headings() -> None:
    text = page(FIX44)
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    slugs = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    assert len(slugs) == len(titles)
    assert set(re.findall(r"\]\(#([^)]*)\)", text)) <= slugs


def test_a_dictionary_of_ones_own_is_in_it(tmp_path: Path) -> None:
    own = b"""<fix type="FIX" major="4" minor="4"><messages><message name="NewOrderSingle" msgtype="D" msgcat="app">
        <field name="Desk" required="Y"/></message><message name="Ping" msgtype="U7" msgcat="app">
        <field name="Text" required="Y"/></message></messages><fields><field number="6001" name="Desk" type="STRING">
        <value enum="F|X" description="CURRENCIES"/></field></fields></fix>"""
    (tmp_path / "own.xml").write_bytes(own)
    text = CliRunner().invoke(command, ["rules", "--dictionary", str(tmp_path / "own.xml")]).output
    assert text == page(read(own, "own", FIX44))
    assert "| 6001 | Desk | STRING | required |" in text
    assert "| 6001 | Desk | `F\\|X` CURRENCIES |" in text
    assert "| 6001 | Desk | STRING | D |  |" in text
    assert "| U7 | [Ping](#ping-u7) |" in text
    assert "\n| 58 | Text | STRING | required |\n" in text.split("### Ping (U7)")[1].split("#")[0]


# ---------------------------------------------------------------- what it says, and what the exchange does


def told() -> Iterator[tuple[str, dict[str, str]]]:
    """MsgType and fields of every message that leaves the exchange in a story."""
    for path in STORIES:
        for line in path.read_text().splitlines():
            if found := re.match(r"\s*< \S+ (?:again |kept )?35=([^|]*)\|(.*)", line):
                yield found[1], dict(field.partition("=")[::2] for field in found[2].split("|"))


def all_tags(layout: Layout) -> set[int]:
    return set(layout.tags).union(*(all_tags(group.members) for group in layout.groups))


def test_what_is_sent_is_what_the_stories_tell() -> None:
    sent: dict[str, set[int]] = defaultdict(set)
    for kind, fields in told():
        sent[kind] |= {int(tag) for tag in fields if tag not in HEADER and tag != "34"}
    assert set(sent) == set(SENT)
    for kind, message in SENT.items():
        assert sent[kind] == message.tags - HIDDEN_BY_STORIES, kind
        assert message.tags <= all_tags(FIX44.messages[kind].body), kind


def test_the_values_that_are_sent_are_those_of_the_stories() -> None:
    sent: dict[int, set[str]] = defaultdict(set)
    for _, fields in told():
        for tag in VALUES:
            if str(tag) in fields:
                sent[tag].add(fields[str(tag)])
    sent[373] |= set(re.findall(r"^verdict=(\d+)", VERDICTS, re.MULTILINE))
    assert {tag: set(values) for tag, values in VALUES.items()} == sent


def tags(cell: str) -> set[int]:
    return {int(tag) for tag in re.findall(r"(?:^|, | and )\**(\d+)\b", cell)}


def test_the_fields_that_matter_are_those_of_the_fix_page() -> None:
    rows = re.findall(
        r"^\| (\w+) \((\w+)\) \| (.*) \|$", FIX_PAGE.split("### Messages from a client")[1], re.MULTILINE
    )
    for name, kind, cell in rows[: len(TAKEN)]:
        body = FIX44.messages[kind].body
        assert FIX44.messages[kind].name == name
        assert tags(cell.partition(";")[0]) == TAKEN[kind].matter, name
        bold = {int(tag) for tag in re.findall(r"\*\*(\d+)\*\*", cell)}
        assert bold == (set(body.required) | TAKEN[kind].required) & TAKEN[kind].matter, name
    assert {kind for _, kind, _ in rows[: len(TAKEN)]} == set(TAKEN)


def test_the_reason_codes_are_those_of_the_fix_page() -> None:
    rows = re.findall(r"^\| ([\d, ]+) \|", FIX_PAGE.split("### Reason codes (20002)")[1], re.MULTILINE)
    codes = {int(code) for row in rows for code in row.split(",")}
    listed = re.findall(r"^\| (\d+) \|", page(FIX44).split("## Reason codes (20002)")[1], re.MULTILINE)
    assert {int(code) for code in listed if int(code) < min(OWN)} == codes
    assert {int(code) for code in [*Reason, *GatewayReason]} >= UNREACHED


def minimal(layout: Layout) -> list[tuple[str, str]]:
    """What a message must have, at least."""
    fields = []
    for tag in layout.tags:
        field = FIX44.fields[tag]
        if tag in layout.required:
            fields.append((str(tag), next(iter(field.values), SAMPLES.get(field.type, "A"))))
            if group := layout.group(tag):
                members = minimal(group.members)
                if not members or members[0][0] != str(group.delimiter):
                    members.insert(0, (str(group.delimiter), "A"))
                fields += members
    return fields


@pytest.mark.parametrize("kind", [kind for kind, one in FIX44.messages.items() if not one.admin])
def test_what_is_not_taken_is_refused(kind: str) -> None:
    edge = MemoryEdge()
    edge.start(inputs.setting(), inputs.instrument("A"))
    edge.connect("A")
    head = [("49", "A"), ("56", "QUORUMBOOK"), ("52", "20260105-10:00:00")]
    edge.send("A", build([("35", "A"), *head, ("34", "1"), ("98", "0"), ("108", "30")]))
    edge.out.clear()
    body = minimal(FIX44.messages[kind].body)
    if kind in TAKEN:
        body += [(str(tag), "1") for tag in TAKEN[kind].required]
    edge.send("A", build([("35", kind), *head, ("34", "2"), *body]))
    answers = [message for _, _, message in edge.out if isinstance(message, bytes)]
    assert any(b"\x01380=3\x01" in answer for answer in answers) == (kind not in TAKEN), answers
    assert not any(b"\x0135=3\x01" in answer for answer in answers), answers


def test_the_values_that_are_served_are_lists_of_fields_that_are_read() -> None:
    for tag, values in SERVED.items():
        assert set(values) < set(FIX44.fields[tag].values)
        assert any(tag in all_tags(FIX44.messages[kind].body) for kind in TAKEN)


@pytest.mark.parametrize(("tag", "code"), [("54", 106), ("40", 107), ("59", 108), ("18", 109)])
def test_other_values_are_refused(tag: str, code: int) -> None:
    for value in FIX44.fields[int(tag)].values:
        edge = MemoryEdge()
        edge.start(inputs.setting(), inputs.instrument("A"))
        edge.connect("A")
        head = [("49", "A"), ("56", "QUORUMBOOK"), ("52", "20260105-10:00:00")]
        edge.send("A", build([("35", "A"), *head, ("34", "1"), ("98", "0"), ("108", "30")]))
        edge.out.clear()
        order = {"11": "a", "55": "A", "54": "1", "38": "1", "40": "2", "59": "1", "60": "20260105-10:00:00"}
        order[tag] = value
        if order["40"] != "1":
            order["44"] = "1"
        edge.send("A", build([("35", "D"), *head, ("34", "2"), *order.items()]))
        refused = any(f"\x0120002={code}\x01".encode() in bytes(message) for _, _, message in edge.out)
        assert refused == (value not in SERVED[int(tag)]), value
