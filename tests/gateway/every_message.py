"""Messages with all that a dictionary lets them have, groups and data fields included."""

from collections.abc import Iterator
from dataclasses import replace

from fix_records import header, message

from gateway.dictionary import Dictionary, Layout

SAMPLES = {
    "CHAR": "c", "INT": "3", "LENGTH": "4", "SEQNUM": "5", "NUMINGROUP": "2", "PRICE": "1.5", "QTY": "10",
    "AMT": "-2", "FLOAT": "0.5", "PERCENTAGE": "0.1", "PRICEOFFSET": "-1", "BOOLEAN": "Y", "CURRENCY": "USD",
    "UTCTIMESTAMP": "20260102-03:04:05", "UTCTIMEONLY": "03:04:05", "UTCDATEONLY": "20260102", "COUNTRY": "US",
    "LOCALMKTDATE": "20260102", "MONTHYEAR": "202601", "MULTIPLEVALUESTRING": "A",
}  # fmt: skip
WRITTEN = (8, 9, 35, 49, 56, 34, 52, 10)  # by the helpers


def everything(layout: Layout, of: Dictionary) -> str:
    """Every field of a layout, two instances of each group, and data with a separator in it."""
    text = ""
    for tag in layout.tags:
        group = layout.group(tag)
        if group:
            text += f"{tag}=2|" + 2 * everything(group.members, of)
        elif tag in of.lengths:
            text += f"{tag}=3|{of.lengths[tag]}=a|b|"
        elif tag not in WRITTEN and of.fields[tag].type != "DATA":
            text += f"{tag}={next(iter(of.fields[tag].values), SAMPLES.get(of.fields[tag].type, 'x'))}|"
    return text


REFUSED = (90, 91, 115, 128, 212, 213, 464)  # where the dictionary has them, too


def whole(kind: str, of: Dictionary) -> str:
    """Every field that a message of a type may have, but for REFUSED and the required ones of the header."""
    header, body = (
        replace(layout, tags=tuple(tag for tag in layout.tags if tag not in REFUSED))
        for layout in (of.header, of.messages[kind].body)
    )
    return everything(header, of) + everything(body, of) + everything(of.trailer, of)


def every_message(of: Dictionary) -> Iterator[bytes]:
    """One of each type."""
    return (message(header(kind) + whole(kind, of)) for kind in of.messages)
