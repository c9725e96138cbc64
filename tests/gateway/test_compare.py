"""Logs side by side: what they have in common, where they part, which is damaged."""

import hashlib
from collections.abc import Iterator

from gateway import compare
from gateway.compare import Comparison, told
from replication.files import LogDamaged
from replication.messages import Entry


def log(text: str) -> list[Entry]:
    """An entry a character, of term 1; chained."""
    entries: list[Entry] = []
    before = b""
    for index, payload in enumerate(text.encode(), 1):
        before = hashlib.sha256(before + bytes([payload])).digest()
        entries.append(Entry(index, 1, index, memoryview(bytes([payload])), before))
    return entries


def pieces(entries: list[Entry], damaged: bool = False, size: int = 2) -> Iterator[list[Entry]]:
    for start in range(0, len(entries), size):
        yield entries[start : start + size]
    if damaged:
        raise LogDamaged("1.segment", 512, "a bit is wrong")


def compared(*texts: str, kept: int = 0) -> tuple[Comparison, str]:
    """A text that ends with ! is damaged there. Also what all have in common."""
    common: list[Entry] = []
    logs = {f"log{at}": pieces(log(text.rstrip("!")), text.endswith("!")) for at, text in enumerate(texts)}
    comparison = Comparison(logs, common.extend, kept)
    assert [entry.index for entry in common] == list(range(1, comparison.common_index + 1))
    return comparison, "".join(bytes(entry.payload).decode() for entry in common)


def test_a_log_without_entries_is_empty() -> None:
    comparison, common = compared("abc", "")
    assert common == ""
    assert "log1: whole, and empty" in list(told(comparison))
    begun = Comparison({"a": pieces([])}, list.clear, begins={"a": 7})
    assert list(told(begun)) == ["a: whole, no entry behind the snapshot at entry 7"]


def test_logs_of_different_lengths_have_the_shortest_in_common() -> None:
    comparison, common = compared("abcdefg", "abc", "abcde")
    assert common == "abc"
    assert comparison.parting is None
    assert [side.last_index for side in comparison.sides.values()] == [7, 3, 5]
    assert "the same up to entry 3" in list(told(comparison))


def test_what_a_log_does_not_hold_any_more_is_not_compared() -> None:
    common: list[Entry] = []
    logs = {
        "all": pieces(log("abcdef")),
        "rest": pieces(log("abcdefg")[3:]),
        "other": pieces(log("abcdX")[2:]),
    }
    comparison = Comparison(logs, common.extend, 2, {"rest": 3, "other": 2})
    assert comparison.parting is not None
    assert comparison.parting.index == 5
    assert [entry.index for entry in common] == [4]
    assert comparison.common_index == 4
    assert list(comparison.kept) == ["all"]
    assert any(
        line.startswith("rest: whole, entries 4 to 7, the ones before in") for line in told(comparison)
    )


def test_logs_part_at_the_first_entry_that_differs_even_behind_the_end_of_another() -> None:
    comparison, common = compared("abcdXf", "ab", "abcdYf")
    assert common == "ab"
    assert comparison.parting is not None
    assert comparison.parting.index == 5
    assert {name: at.hash for name, at in comparison.parting.entries.items()} == {
        "log0": log("abcdX")[-1].chain_hash,
        "log2": log("abcdY")[-1].chain_hash,
    }
    text = "\n".join(told(comparison))
    assert "part at entry 5" in text
    assert log("abcdX")[-1].chain_hash.hex() in text
    assert "the same" not in text.replace("before it they are the same", "")


def test_nothing_behind_a_parting_is_common_though_it_reads_alike() -> None:
    comparison, common = compared("abXdef", "abYdef")
    assert common == "ab"
    assert comparison.parting is not None
    assert comparison.parting.index == 3


def test_a_damaged_log_is_left_out_behind_its_damage_and_compared_before_it() -> None:
    comparison, common = compared("abcdef", "abc!", "abcdef")
    assert common == "abcdef"
    assert list(comparison.damaged) == ["log1"]
    lines = list(told(comparison))
    assert "log1: whole up to entry 3, then DAMAGED: 1.segment, offset 512: a bit is wrong" in lines
    assert "the same up to entry 6, the damaged left out" in lines
    parted, _ = compared("abcdef", "aXc!", "abcdef")
    assert parted.parting is not None
    assert parted.parting.index == 2


def test_the_entry_that_is_wanted_is_kept_of_every_log_that_has_it() -> None:
    comparison, _ = compared("abc", "aXcd", "ab", kept=3)
    assert {name: at.hash for name, at in comparison.kept.items()} == {
        "log0": log("abc")[-1].chain_hash,
        "log1": log("aXc")[-1].chain_hash,
    }
    assert compared("abc", kept=4)[0].kept == {}


def test_what_is_common_is_handed_on_in_pieces() -> None:
    seen: list[int] = []
    length = compare.PIECE * 2 + 1
    entries = log("x" * length)
    Comparison({"a": pieces(entries, size=1_000)}, lambda piece: seen.append(len(piece)))
    assert seen == [compare.PIECE, compare.PIECE, 1]
