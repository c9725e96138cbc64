"""Whether an exchange would take what a configuration says of its instruments: it is entered into one that ends with
the answer. What the door for operators refuses is so no configuration either.
"""

import re
from collections.abc import Sequence

from gateway import inputs
from gateway.config import ConfigError, Instrument
from gateway.operation_fields import OperationTag as Tag
from gateway.operation_inputs import DISTANCES, OTHERS, PRICES, QUANTITIES

PIECE = 4096  # inputs in one entry
NAMES: dict[int, str] = {
    int(tag): key for keys in (PRICES, DISTANCES, QUANTITIES, OTHERS) for key, tag in keys.items()
}


def judge(instruments: Sequence[Instrument], genesis: Sequence[bytes]) -> None:
    """Raises ConfigError with the key of the first instrument that is refused, or whose terms or protections are."""
    from gateway.exchange import Exchange

    exchange = Exchange()
    exchange.feed.ignore(b"")
    exchange.discards_egress = True
    exchange.record_operations = True
    pieces = [
        inputs.activate(),
        *(b"".join(genesis[at : at + PIECE]) for at in range(0, len(genesis), PIECE)),
    ]
    try:
        for index, piece in enumerate(pieces, 1):
            exchange.apply(piece, index, 1, index)
    except ValueError as error:
        raise ConfigError(f"instruments: {error}") from None
    for _, _, _, text, done, *_, why in exchange.take_operations():
        if done:
            continue
        symbol = dict(field.split(b"=", 1) for field in text.split(b"\x01")[:-1]).get(b"%d" % Tag.SYMBOL, b"")
        number = next(n for n, one in enumerate(instruments) if one.symbol == symbol.decode())
        raise ConfigError(f"instruments[{number}] ({symbol.decode()}): {in_keys(why)}")


def in_keys(why: str) -> str:
    """A refusal with the keys of a configuration for the tags."""
    return re.sub(
        r"field (\d+)|\w+ \((\d+)\)",
        lambda found: NAMES.get(int(found[1] or found[2]), found[0]),
        why,
    )
