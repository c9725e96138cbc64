"""The engine's records for Python: NumPy dtypes and enumerations of `types.pxd`.

`types.pxd` documents every field with its unit and empty value; this file states
the same layout and the same numbers, and a test compares the two. The records
are little endian and packed, so an array of them is also the byte format.
"""

from enum import IntEnum, IntFlag
from typing import Final

import numpy as np

RULES_VERSION: Final = 2

INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1
EMPTY_PRICE: Final = INT64_MIN
"""The absent price: of a market order, of "no limit" in a definition, of "keep the price" in a replace."""


class CommandKind(IntEnum):
    """What a command asks for; the comments of `types.pxd` say what quantity_lots means in each."""

    DEFINE = 1
    NEW = 2
    CANCEL = 3
    REDUCE = 4
    REPLACE = 5
    REENTER = 6


class Side(IntEnum):
    BUY = 0
    SELL = 1


class OrderType(IntEnum):
    """Version 1 of the rules serves LIMIT and MARKET; the rest keep their numbers."""

    LIMIT = 1
    MARKET = 2
    MARKET_TO_LIMIT = 3
    STOP = 4
    STOP_LIMIT = 5
    TRAILING_STOP = 6
    PEGGED = 7


class TimeInForce(IntEnum):
    """Version 1 of the rules serves DAY, GTC, IOC and FOK; the rest keep their numbers."""

    DAY = 0
    GTC = 1
    IOC = 2
    FOK = 3
    GTD = 4
    AT_OPEN = 5
    AT_CLOSE = 6
    GOOD_FOR_AUCTION = 7


class CommandFlag(IntFlag):
    """Bits of `flags`. Version 1 of the rules serves POST_ONLY."""

    POST_ONLY = 1
    POST_ONLY_SLIDE = 2
    HIDDEN = 4
    ALL_OR_NONE = 8
    EXTENDED = 128


class ReportKind(IntEnum):
    """What happened."""

    DEFINED = 1
    ACCEPTED = 2
    REJECTED = 3
    TRADE = 4
    CANCELLED = 5
    REDUCED = 6
    REPLACED = 7


class Reason(IntEnum):
    """Why a command was refused (1 to 63) or an order was cancelled (64 and up). Numbers never change."""

    NONE = 0
    UNKNOWN_COMMAND = 1
    UNKNOWN_INSTRUMENT = 2
    INVALID_DEFINITION = 3
    UNKNOWN_ORDER = 4
    DUPLICATE_CLIENT_REF = 5
    INVALID_SIDE = 6
    INVALID_ORDER_TYPE = 7
    INVALID_TIME_IN_FORCE = 8
    INVALID_FLAGS = 9
    INVALID_PRICE = 10
    PRICE_OUTSIDE_LIMITS = 11
    INVALID_QUANTITY = 12
    QUANTITY_BELOW_MINIMUM = 13
    QUANTITY_ABOVE_MAXIMUM = 14
    QUANTITY_NOT_ROUND_LOT = 15
    POST_ONLY_WOULD_TRADE = 16
    TOO_LATE = 17
    REQUESTED = 64
    IOC_REMAINDER = 65
    FOK_UNFILLABLE = 66
    MARKET_REMAINDER = 67


COMMAND: Final = np.dtype(
    [
        ("kind", "u1"),
        ("side", "u1"),
        ("order_type", "u1"),
        ("time_in_force", "u1"),
        ("flags", "u1"),
        ("capacity", "u1"),
        ("self_match_mode", "u1"),
        ("reserved_7", "u1"),
        ("instrument", "<u4"),
        ("owner", "<u4"),
        ("client_ref", "<u8"),
        ("order_id", "<u8"),
        ("price_ticks", "<i8"),
        ("quantity_lots", "<i8"),
        ("account", "<u4"),
        ("self_match_group", "<u4"),
        ("received_ns", "<i8"),
        ("display_lots", "<i8"),
        ("min_quantity_lots", "<i8"),
        ("stop_price_ticks", "<i8"),
        ("offset_ticks", "<i8"),
        ("peg_limit_ticks", "<i8"),
        ("expire_ns", "<i8"),
        ("link_group", "<u4"),
        ("link_role", "u1"),
        ("peg_kind", "u1"),
        ("trigger_source", "u1"),
        ("trail_kind", "u1"),
        ("reserved_120", "<u8"),
    ]
)
"""One command, 128 bytes."""

DEFINITION: Final = np.dtype(
    [
        ("kind", "u1"),
        ("reserved_1", "u1", (7,)),
        ("instrument", "<u4"),
        ("reserved_12", "<u4"),
        ("lot_lots", "<i8"),
        ("min_lots", "<i8"),
        ("max_lots", "<i8"),
        ("low_ticks", "<i8"),
        ("high_ticks", "<i8"),
        ("protection_ticks", "<i8"),
        ("reserved_64", "u1", (64,)),
    ]
)
"""A command of kind DEFINE, read with other names: `commands.view(DEFINITION)`."""

REPORT: Final = np.dtype(
    [
        ("kind", "u1"),
        ("side", "u1"),
        ("reason", "u1"),
        ("order_type", "u1"),
        ("time_in_force", "u1"),
        ("flags", "u1"),
        ("command_kind", "u1"),
        ("kept_priority", "u1"),
        ("instrument", "<u4"),
        ("owner", "<u4"),
        ("client_ref", "<u8"),
        ("order_id", "<u8"),
        ("price_ticks", "<i8"),
        ("quantity_lots", "<i8"),
        ("leaves_lots", "<i8"),
        ("cumulative_lots", "<i8"),
        ("command_number", "<u8"),
        ("trade_id", "<u8"),
        ("last_price_ticks", "<i8"),
        ("last_lots", "<i8"),
        ("maker_client_ref", "<u8"),
        ("maker_order_id", "<u8"),
        ("maker_leaves_lots", "<i8"),
        ("maker_owner", "<u4"),
        ("reserved_124", "<u4"),
    ]
)
"""One report, 128 bytes."""

DEPTH: Final = np.dtype(
    {
        "names": ["price_ticks", "quantity_lots", "orders"],
        "formats": ["<i8", "<i8", "<u4"],
        "offsets": [0, 8, 16],
        "itemsize": 24,
    }
)
"""One level of a book. quantity_lots is the level's total, INT64_MAX when the total is larger than that."""
