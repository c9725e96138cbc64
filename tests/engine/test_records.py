"""records.py states what types.pxd states: the same fields at the same offsets, the same numbers."""

import re
from pathlib import Path

import numpy as np
import pytest

from engine import records

TYPES = (Path(__file__).parents[2] / "engine" / "types.pxd").read_text()
RECORDS = (Path(__file__).parents[2] / "engine" / "records.py").read_text()
ENUMERATIONS = [
    "Algorithm",
    "CancelFilter",
    "CommandFlag",
    "CommandKind",
    "OrderType",
    "PegKind",
    "Phase",
    "Reason",
    "ReportKind",
    "SelfMatchMode",
    "Shows",
    "Side",
    "TimeInForce",
    "Trigger",
]
SIZES = {"uint8_t": 1, "uint16_t": 2, "uint32_t": 4, "uint64_t": 8, "int64_t": 8}
FIELD = re.compile(r"^    (\w+) (\w+)(?:\[(\d+)\])?\s*#\s*(\d+)\b", re.M)
MEMBER = re.compile(r"^    (\w+) = (\d+)", re.M)


def block(header: str) -> str:
    """The indented lines under a header line."""
    return re.split(r"\n(?=\S)", TYPES.split(header, 1)[1], maxsplit=1)[0]


@pytest.mark.parametrize(
    ("struct", "dtype"),
    [
        ("Command", records.COMMAND),
        ("Definition", records.DEFINITION),
        ("PhaseChange", records.PHASE_CHANGE),
        ("TickRow", records.TICK_ROW),
        ("Protection", records.PROTECTION),
        ("Report", records.REPORT),
    ],
)
def test_a_dtype_is_its_struct(struct: str, dtype: np.dtype) -> None:
    stated = []
    offset = 0
    for type_name, name, count, comment in FIELD.findall(block(f"cdef struct {struct}:")):
        assert int(comment) == offset, f"{struct}.{name}: the offset in the comment"
        size = SIZES[type_name] * int(count or 1)
        stated.append((name, offset, size, type_name.startswith("int")))
        offset += size
    assert offset == 128
    assert dtype.itemsize == 128
    fields = dtype.fields
    assert fields is not None
    assert stated == [
        (name, fields[name][1], fields[name][0].itemsize, fields[name][0].kind == "i")
        for name in dtype.names or ()
    ]


def test_every_enumeration_is_compared() -> None:
    stated = set(re.findall(r"^cdef enum (\w+):", TYPES, re.M))
    assert stated == set(ENUMERATIONS)
    assert set(re.findall(r"^class (\w+)\(Int(?:Enum|Flag)\):", RECORDS, re.M)) == stated


@pytest.mark.parametrize("name", ENUMERATIONS)
def test_an_enumeration_has_the_same_numbers(name: str) -> None:
    stated = {member: int(value) for member, value in MEMBER.findall(block(f"cdef enum {name}:"))}
    assert stated
    assert {member.name: member.value for member in getattr(records, name)} == stated


def test_the_constants() -> None:
    assert {name: int(value) for name, value in MEMBER.findall(block("cdef enum:"))} == {
        "RULES_VERSION": records.RULES_VERSION
    }
    assert np.iinfo(np.int64).min == records.EMPTY_PRICE


def test_a_level_is_aligned() -> None:
    assert records.DEPTH.itemsize == 24
    assert records.DEPTH.names == ("price_ticks", "quantity_lots", "orders")
