"""What a replica goes on from, as bytes and back: genesis, the exchange, the messages that can be resent.

The bytes depend on the log alone (docs/snapshot-format.md). No I/O of its own.
"""

import struct
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from gateway import egress_snapshot
from gateway.egress import EgressStore
from gateway.exchange import Exchange
from gateway.inputs import RULES_VERSION

if TYPE_CHECKING:
    from gateway.egress import ResendFile

HEAD = struct.Struct("<8sIIQ")  # magic, format version, bytes of genesis, bytes of the exchange
MAGIC, VERSION = b"QBREPLIC", 1


class Restored(NamedTuple):
    genesis: bytes  # payload of the log's first entry that has one; empty: there was none yet
    exchange: Exchange
    store: EgressStore


def pieces(genesis: bytes, exchange: Exchange, store: EgressStore) -> Iterator[bytes]:
    """Between two entries. Raises OSError from the store's file."""
    state = list(exchange.snapshot_pieces())
    yield HEAD.pack(MAGIC, VERSION, len(genesis), sum(map(len, state)))
    yield genesis
    yield from state
    yield from egress_snapshot.snapshot_pieces(store)


def restore(source: Iterable[bytes], file: "ResendFile", newest_rules: int = RULES_VERSION) -> Restored:
    """file: an empty one for the store; to be thrown away after a ValueError, which says what is wrong with the bytes.
    Raises NewerRules, OSError from the file, and what the source raises."""
    genesis, exchange, rest = restore_exchange(source, newest_rules)
    return Restored(genesis, exchange, egress_snapshot.restore(file, rest))


def restore_exchange(
    source: Iterable[bytes], newest_rules: int = RULES_VERSION
) -> tuple[bytes, Exchange, Iterator[bytes]]:
    """Genesis, the exchange, and what follows them: the messages. Raises ValueError, NewerRules, and what the source
    raises."""
    source = iter(source)
    data = bytearray()
    take(source, data, HEAD.size)
    magic, version, genesis_bytes, exchange_bytes = HEAD.unpack_from(data)
    if (magic, version) != (MAGIC, VERSION):
        raise ValueError(f"not a replica's snapshot of format version {VERSION}, which this program reads")
    begin = HEAD.size + genesis_bytes
    end = begin + exchange_bytes
    take(source, data, end)
    exchange = Exchange.restore(memoryview(data)[begin:end], newest_rules)
    return bytes(data[HEAD.size : begin]), exchange, chain([bytes(data[end:])], source)


def take(source: Iterator[bytes], data: bytearray, size: int) -> None:
    """So many bytes at least."""
    while len(data) < size:
        piece = next(source, None)
        if piece is None:
            raise ValueError("it ends too early")
        data += piece
