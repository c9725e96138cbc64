"""Reason codes (20002) and what FIX and people call them. Holds constants only."""

from libc.stdint cimport uint8_t

from engine cimport types

cdef enum:
    OTHER = 99      # OrdRejReason, CxlRejReason, ExecRestatementReason


cdef const char* text_of(int code) noexcept nogil:
    if code == 0:
        return b""
    if code == types.UNKNOWN_INSTRUMENT or code == UNKNOWN_SYMBOL:
        return b"unknown Symbol (55)"
    if code == types.UNKNOWN_ORDER or code == NO_SUCH_ORDER:
        return b"unknown order"
    if code == types.DUPLICATE_CLIENT_REF or code == DUPLICATE_CL_ORD_ID:
        return b"ClOrdID (11) was used before"
    if code == types.INVALID_SIDE or code == UNSUPPORTED_SIDE:
        return b"Side (54) must be 1 (buy) or 2 (sell)"
    if code == types.INVALID_ORDER_TYPE or code == UNSUPPORTED_ORDER_TYPE:
        return b"OrdType (40) must be 1 (market) or 2 (limit)"
    if code == types.INVALID_TIME_IN_FORCE or code == UNSUPPORTED_TIME_IN_FORCE:
        return b"TimeInForce (59) must be 0 (day), 1 (GTC), 3 (IOC) or 4 (FOK)"
    if code == types.INVALID_FLAGS:
        return b"post-only (ExecInst (18) = 6) wants a limit order that may rest"
    if code == types.INVALID_PRICE:
        return b"Price (44): a limit order has one, a market order none"
    if code == types.PRICE_OUTSIDE_LIMITS:
        return b"Price (44) is outside the instrument's price limits"
    if code == types.INVALID_QUANTITY:
        return b"OrderQty (38) must be above zero"
    if code == types.QUANTITY_BELOW_MINIMUM:
        return b"OrderQty (38) is below the instrument's minimum"
    if code == types.QUANTITY_ABOVE_MAXIMUM:
        return b"OrderQty (38) is above the instrument's maximum"
    if code == types.QUANTITY_NOT_ROUND_LOT:
        return b"OrderQty (38) is not a multiple of the instrument's round lot"
    if code == types.POST_ONLY_WOULD_TRADE:
        return b"post-only order would trade"
    if code == types.TOO_LATE:
        return b"too late: OrderQty (38) is at or below what has been filled"
    if code == types.REQUESTED:
        return b"cancelled on request"
    if code == types.IOC_REMAINDER:
        return b"what an immediate-or-cancel order could not fill"
    if code == types.FOK_UNFILLABLE:
        return b"fill-or-kill order cannot be filled at once"
    if code == types.MARKET_REMAINDER:
        return b"what a market order could not fill"
    if code == PRICE_OFF_TICK:
        return b"Price (44) is not a multiple of the instrument's price increment"
    if code == PRICE_OUT_OF_RANGE:
        return b"Price (44) is too large"
    if code == QUANTITY_OFF_INCREMENT:
        return b"OrderQty (38) is not a multiple of the instrument's quantity increment"
    if code == QUANTITY_OUT_OF_RANGE:
        return b"OrderQty (38) is too large"
    if code == UNSUPPORTED_FIELD:
        return b"a field is not supported"
    if code == ORDER_CLOSED:
        return b"too late: the order is filled or cancelled"
    if code == ORDER_REPLACED:
        return b"the order was replaced and has a newer ClOrdID"
    if code == NOT_THIS_ORDER:
        return b"Symbol (55), Side (54) or OrderID (37) is not that order's"
    if code == CANNOT_CHANGE:
        return b"a replace may change Price (44) and OrderQty (38) only"
    if code == UNSUPPORTED_REQUEST_TYPE:
        return b"request type must be 1 (a security) or 7 (all orders)"
    if code == MISSING_FIELD:
        return b"a conditionally required field is missing"
    if code == UNSUPPORTED_MESSAGE:
        return b"this message type is not supported"
    if code == NO_OPEN_ORDERS:
        return b"no open orders"
    if code == TOO_MANY_MESSAGES:
        return b"more messages a second than a session may send"
    if code == WATCHES_ONLY:
        return b"a drop copy session has no orders"
    if code == NOT_ITS_NAME:
        return b"OrigClOrdID (41) is no ClOrdID of the order that OrderID (37) names"
    if code == NOT_AN_OPERATOR:
        return b"only an operator's session may ask for this"
    if code == UNKNOWN_OPERATION:
        return b"Operation (20021) is none that there is"
    if code == INVALID_OPERATION:
        return b"a field of the operation is wrong"
    if code == UNKNOWN_SESSION:
        return b"no session has this SessionCompID (20048)"
    if code == UNKNOWN_SCHEDULE:
        return b"there is no schedule of this ScheduleName (20028)"
    if code == INSTRUMENT_EXISTS:
        return b"Symbol (55) is an instrument's already"
    if code == SESSION_KILLED:
        return b"an operator has stopped the session, or all: only cancels are taken"
    if code == TOO_MANY_OPEN_ORDERS:
        return b"the session has as many open orders as it may have"
    if code == MASS_CANCELLED:
        return b"cancelled by mass cancel"
    if code == KILLED:
        return b"cancelled by the kill switch"
    if code == DISCONNECTED:
        return b"cancelled on disconnect"
    return b"refused"


cdef uint8_t ord_rej_reason(int code) noexcept nogil:
    if code == types.UNKNOWN_INSTRUMENT or code == UNKNOWN_SYMBOL:
        return 1
    if code == types.QUANTITY_ABOVE_MAXIMUM:
        return 3            # order exceeds limit
    if code == NO_SUCH_ORDER:
        return 5
    if code == types.DUPLICATE_CLIENT_REF or code == DUPLICATE_CL_ORD_ID:
        return 6
    if (code == types.INVALID_SIDE or code == types.INVALID_ORDER_TYPE or code == types.INVALID_TIME_IN_FORCE
            or code == types.INVALID_FLAGS or UNSUPPORTED_SIDE <= code <= UNSUPPORTED_FIELD):
        return 11           # unsupported order characteristic
    if (types.INVALID_QUANTITY <= code <= types.QUANTITY_NOT_ROUND_LOT or code == QUANTITY_OFF_INCREMENT
            or code == QUANTITY_OUT_OF_RANGE):
        return 13           # incorrect quantity
    return OTHER


cdef uint8_t cxl_rej_reason(int code) noexcept nogil:
    if code == types.TOO_LATE or code == ORDER_CLOSED:
        return 0
    if code == types.UNKNOWN_ORDER or code == NO_SUCH_ORDER or code == ORDER_REPLACED:
        return 1
    if code == DUPLICATE_CL_ORD_ID:
        return 6
    return OTHER


cdef uint8_t restatement_of(int code) noexcept nogil:
    if types.IOC_REMAINDER <= code <= types.MARKET_REMAINDER:
        return 8                # the exchange's own way with what is left of such orders
    return OTHER if code == MASS_CANCELLED or code == DISCONNECTED else 0


def reason_text(code: int) -> str:
    """What a reason code (20002) means, for people. An unknown code is "refused"."""
    return text_of(code).decode()
