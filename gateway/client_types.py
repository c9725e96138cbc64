"""The words of the client library: FIX's own codes as enums, and its records as NumPy dtypes."""

from enum import Enum
from typing import Any

import numpy as np

ABSENT = -(2**63)
"""The mantissa of a decimal that is not there (INT64_MIN)."""


class Side(Enum):
    """Side (54)."""

    BUY = "1"
    SELL = "2"


class OrdType(Enum):
    """OrdType (40)."""

    MARKET = "1"
    LIMIT = "2"
    STOP = "3"
    STOP_LIMIT = "4"
    MARKET_TO_LIMIT = "K"
    PEGGED = "P"
    """A trailing stop, too."""


class TimeInForce(Enum):
    """TimeInForce (59)."""

    DAY = "0"
    GTC = "1"
    AT_OPEN = "2"
    IOC = "3"
    FOK = "4"
    GTD = "6"
    AT_CLOSE = "7"
    GOOD_FOR_AUCTION = "B"


class ExecType(Enum):
    """ExecType (150): what an execution report tells."""

    NEW = "0"
    CANCELED = "4"
    REPLACED = "5"
    REJECTED = "8"
    EXPIRED = "C"
    RESTATED = "D"
    """Changed by the exchange; `Report.restatement` says why."""
    TRADE = "F"
    BUSTED = "H"
    """A fill was taken back, the one of `Report.trade_id`; the order's own numbers stay."""
    STATUS = "I"
    TRIGGERED = "L"
    """A stop order has come in."""


class OrdStatus(Enum):
    """OrdStatus (39). PENDING is the client's own: sent, and no report has come yet."""

    PENDING = ""
    NEW = "0"
    PARTIALLY_FILLED = "1"
    FILLED = "2"
    CANCELED = "4"
    REPLACED = "5"
    REJECTED = "8"
    EXPIRED = "C"

    @property
    def open(self) -> bool:
        """Whether an order in this state may still trade."""
        return self in (OrdStatus.PENDING, OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED, OrdStatus.REPLACED)


class MsgType(Enum):
    """MsgType (35) of what the exchange sends."""

    HEARTBEAT = "0"
    TEST_REQUEST = "1"
    RESEND_REQUEST = "2"
    REJECT = "3"
    SEQUENCE_RESET = "4"
    LOGOUT = "5"
    EXECUTION_REPORT = "8"
    ORDER_CANCEL_REJECT = "9"
    LOGON = "A"
    BUSINESS_REJECT = "j"
    MASS_CANCEL_REPORT = "r"
    OTHER = "\xff"


def _fields(text: str) -> list[Any]:
    return [tuple(field.split(":")) if ":" in field else (field, "u1") for field in text.split()]


REQUEST = np.dtype(
    [
        *_fields("price:<i8 quantity:<i8 order_id:<u8 price_exponent:i1 quantity_exponent:i1 kind side"),
        *_fields("ord_type time_in_force post_only request_type"),
        *_fields("symbol:S32 cl_ord_id:S64 orig_cl_ord_id:S64 account:S64 terms:S128"),
    ]
)
"""One request, as `Client.send` takes them by the array: `Request` in client_records.pxd, 384 bytes.

`kind`, `side`, `ord_type`, `time_in_force` are the FIX characters as numbers (`ord("D")`, `ord("1")`);
`price` and `quantity` are mantissas of the exponents beside them, `ABSENT` for none. `terms` is what else a new order
or a replace says, as fields of FIX with the separator between them: `b"99=101.25\\x01111=10"`.
"""

MESSAGE = np.dtype(
    [
        *_fields("msg_seq_num:<u8 sending_time_ns:<i8 transact_time_ns:<i8 order_id:<u8 input_number:<u8"),
        *_fields("trade_id:<u8 cl_ord_id_number:<u8 cl_ord_id_entry:<u8 ref_seq_num:<u8 end_seq_no:<u8"),
        *_fields("affected:<u8 price:<i8 quantity:<i8 leaves:<i8 cumulative:<i8 last_price:<i8"),
        *_fields("last_quantity:<i8 average_price:<i8 price_exponent:i1 quantity_exponent:i1"),
        *_fields("leaves_exponent:i1 cumulative_exponent:i1 last_price_exponent:i1"),
        *_fields("last_quantity_exponent:i1 average_price_exponent:i1 msg_type flags exec_type ord_status"),
        *_fields("side ord_type time_in_force post_only maker_taker response_to mass_response"),
        *_fields("last_fragment restatement reason_code:<u2 fix_reason:<u2 ref_tag:<u2"),
        *_fields("heartbeat_seconds:<u2"),
        ("at", "<u4", (10,)),
        ("length", "<u2", (10,)),
        *_fields("message_at:<u4 message_length:<u4"),
    ]
)
"""One message of the exchange, as `Batch.array` gives them: `Message` in client_records.pxd."""
