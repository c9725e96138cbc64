from enum import IntEnum

class GatewayReason(IntEnum):
    """Reason codes (tag 20002) of the gateway; 1 to 99 are the engine's."""

    UNKNOWN_SYMBOL = 100
    DUPLICATE_CL_ORD_ID = 101
    PRICE_OFF_TICK = 102
    PRICE_OUT_OF_RANGE = 103
    QUANTITY_OFF_INCREMENT = 104
    QUANTITY_OUT_OF_RANGE = 105
    UNSUPPORTED_SIDE = 106
    UNSUPPORTED_ORDER_TYPE = 107
    UNSUPPORTED_TIME_IN_FORCE = 108
    UNSUPPORTED_FIELD = 109
    ORDER_CLOSED = 110
    ORDER_REPLACED = 111
    NOT_THIS_ORDER = 112
    CANNOT_CHANGE = 113
    UNSUPPORTED_REQUEST_TYPE = 114
    MISSING_FIELD = 115
    UNSUPPORTED_MESSAGE = 116
    NO_SUCH_ORDER = 117
    NO_OPEN_ORDERS = 118
    TOO_MANY_MESSAGES = 120
    WATCHES_ONLY = 121
    NOT_ITS_NAME = 122
    MASS_CANCELLED = 150
    DISCONNECTED = 151

def reason_text(code: int) -> str:
    """What a reason code (20002) means, for people. An unknown code is "refused"."""
