"""The engine's records for Python: NumPy dtypes and enumerations of `types.pxd`.

`types.pxd` documents every field with its unit and empty value; this file states
the same layout and the same numbers, and a test compares the two. The records
are little endian and packed, so an array of them is also the byte format.
"""

from enum import IntEnum, IntFlag
from typing import Final

import numpy as np

RULES_VERSION: Final = 3

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
    MASS_CANCEL = 7
    ADVANCE = 8
    PHASE = 9
    CHANGE = 10
    TICK = 11
    PROTECT = 12


class Side(IntEnum):
    BUY = 0
    SELL = 1


class OrderType(IntEnum):
    """Versions 1 and 2 of the rules serve LIMIT and MARKET."""

    LIMIT = 1
    MARKET = 2
    MARKET_TO_LIMIT = 3
    STOP = 4
    STOP_LIMIT = 5
    TRAILING_STOP = 6
    PEGGED = 7


class TimeInForce(IntEnum):
    """Versions 1 and 2 of the rules serve DAY, GTC, IOC and FOK."""

    DAY = 0
    GTC = 1
    IOC = 2
    FOK = 3
    GTD = 4
    AT_OPEN = 5
    AT_CLOSE = 6
    GOOD_FOR_AUCTION = 7


class CommandFlag(IntFlag):
    """Bits of `flags`. Versions 1 and 2 of the rules serve POST_ONLY."""

    POST_ONLY = 1
    POST_ONLY_SLIDE = 2
    HIDDEN = 4
    ALL_OR_NONE = 8
    EXTENDED = 128


class CancelFilter(IntFlag):
    """Bits of a MASS_CANCEL's `flags`: which of its fields an order must match. None: every order of the machine."""

    BY_OWNER = 1
    BY_ACCOUNT = 2
    BY_INSTRUMENT = 4
    BY_SIDE = 8
    BY_PRICES = 16


class SelfMatchMode(IntEnum):
    """What an incoming order does when it meets a resting one of its own group."""

    SELF_MATCH_OFF = 0
    CANCEL_RESTING = 1
    CANCEL_INCOMING = 2
    CANCEL_BOTH = 3
    DECREMENT_BOTH = 4


class PegKind(IntEnum):
    """What a pegged order follows: its own side's best, the opposite best, or the middle of both."""

    NO_PEG = 0
    PRIMARY_PEG = 1
    MARKET_PEG = 2
    MID_PEG = 3


class Algorithm(IntEnum):
    """How a level is shared out among the orders that rest there."""

    PRICE_TIME = 0
    PRO_RATA = 1


class Trigger(IntEnum):
    """What stop orders of an instrument are tested against."""

    LAST_TRADE = 0
    OPPOSITE_BEST = 1


class Phase(IntEnum):
    """What an instrument is doing."""

    CONTINUOUS = 0
    PRE_OPEN = 1
    OPENING_AUCTION = 2
    VOLATILITY_AUCTION = 3
    CLOSING_AUCTION = 4
    HALT = 5
    CLOSED = 6


class Shows(IntEnum):
    """How much of an order others see."""

    SHOWS_ALL = 0
    SHOWS_SLICE = 1
    SHOWS_NOTHING = 2


class ReportKind(IntEnum):
    """What happened."""

    DEFINED = 1
    ACCEPTED = 2
    REJECTED = 3
    TRADE = 4
    CANCELLED = 5
    REDUCED = 6
    REPLACED = 7
    MASS_CANCELLED = 8
    ADVANCED = 9
    PHASE_CHANGED = 10
    CHANGED = 11
    TRIGGERED = 12
    DISPLAYED = 13
    REPRICED = 14


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
    NOT_IN_THIS_PHASE = 18
    DELISTED = 19
    PRICE_OFF_TICK = 20
    INVALID_DISPLAY = 21
    INVALID_MINIMUM = 22
    INVALID_STOP_PRICE = 23
    STOP_ON_WRONG_SIDE = 24
    INVALID_OFFSET = 25
    INVALID_PEG = 26
    INVALID_EXPIRY = 27
    EXPIRY_IN_THE_PAST = 28
    INVALID_SELF_MATCH = 29
    NO_REFERENCE_PRICE = 30
    PRICE_OUTSIDE_BAND = 31
    PRICE_TOO_FAR = 32
    NOTIONAL_ABOVE_MAXIMUM = 33
    NOTIONAL_OVERFLOW = 34
    INVALID_PHASE = 35
    INVALID_TICK_TABLE = 36
    INVALID_PROTECTION = 37
    INVALID_FILTER = 38
    INVALID_AMEND = 39
    TIME_GOES_BACK = 40
    INVALID_POST_ONLY = 41
    INVALID_HIDDEN = 42
    INVALID_ALL_OR_NONE = 43
    NO_ICEBERG = 44
    DISPLAY_TOO_SMALL = 45
    DISPLAY_NOT_ROUND_LOT = 46
    NEGATIVE_QUANTITY = 47
    QUANTITY_OVERFLOW = 48
    AT_ONCE_IN_AUCTION = 49
    POST_ONLY_IN_AUCTION = 50
    OPENING_IS_OVER = 51
    REQUESTED = 64
    IOC_REMAINDER = 65
    FOK_UNFILLABLE = 66
    MARKET_REMAINDER = 67
    MINIMUM_UNFILLABLE = 68
    ALL_OR_NONE_UNFILLABLE = 69
    SELF_MATCH = 70
    EXPIRED = 71
    MASS_REQUESTED = 72
    END_OF_DAY = 73
    AUCTION_REMAINDER = 74
    BAND_REMAINDER = 75
    INSTRUMENT_DELISTED = 76


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
        ("algorithm", "u1"),
        ("top_order", "u1"),
        ("trigger", "u1"),
        ("phase", "u1"),
        ("tick_table", "<u4"),
        ("pro_rata_minimum_lots", "<i8"),
        ("delist", "u1"),
        ("reserved_81", "u1", (47,)),
    ]
)
"""A command of kind DEFINE or CHANGE, read with other names: `commands.view(DEFINITION)`."""

PHASE_CHANGE: Final = np.dtype(
    [
        ("kind", "u1"),
        ("phase", "u1"),
        ("next_phase", "u1"),
        ("reserved_3", "u1", (5,)),
        ("instrument", "<u4"),
        ("reserved_12", "<u4"),
        ("until_ns", "<i8"),
        ("random", "<u8"),
        ("window_ns", "<i8"),
        ("reserved_40", "u1", (88,)),
    ]
)
"""A command of kind PHASE."""

TICK_ROW: Final = np.dtype(
    [
        ("kind", "u1"),
        ("reserved_1", "u1", (7,)),
        ("table", "<u4"),
        ("reserved_12", "<u4"),
        ("from_ticks", "<i8"),
        ("tick_ticks", "<i8"),
        ("reserved_32", "u1", (96,)),
    ]
)
"""A command of kind TICK: one more row of a tick-size table."""

PROTECTION: Final = np.dtype(
    [
        ("kind", "u1"),
        ("reserved_1", "u1", (7,)),
        ("instrument", "<u4"),
        ("breaker_bp", "<u4"),
        ("reference_ticks", "<i8"),
        ("static_ticks", "<i8"),
        ("dynamic_ticks", "<i8"),
        ("distance_ticks", "<i8"),
        ("max_notional", "<i8"),
        ("halt_ns", "<i8"),
        ("auction_ns", "<i8"),
        ("reserved_72", "u1", (56,)),
    ]
)
"""A command of kind PROTECT: the protections of an instrument, all anew."""

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
        ("maker_shows", "<u4"),
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
