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
    if code == TERM_OFF_INCREMENT:
        return b"StopPx (99), PegOffsetValue (211), MinQty (110) or MaxFloor (111) is no multiple of its increment"
    if code == TERM_OUT_OF_RANGE:
        return b"StopPx (99), PegOffsetValue (211), MinQty (110) or MaxFloor (111) is too large"
    if code == FIXED_FOR_LIFE:
        return b"a replace cannot change ExecInst (18), MinQty (110), whether it is hidden, or tags 20012 to 20014"
    if code == TEXT_TOO_LONG:
        return b"parties and terms of the order would have more than 512 bytes together"
    if code == TOO_MANY_SUBSCRIPTIONS:
        return b"the session has as many subscriptions as it may have"
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
    if code == UNKNOWN_TRADE:
        return b"no trade has this TrdMatchID (880), or it was too long ago"
    if code == TRADE_IS_BUSTED:
        return b"the trade was busted before"
    if code == UNEXPECTED_FIELD:
        return b"the operation takes no such field"
    if code == TOO_MANY_OPEN_ORDERS:
        return b"the session has as many open orders as it may have"
    if code == MASS_CANCELLED:
        return b"cancelled by mass cancel"
    if code == KILLED:
        return b"cancelled by the kill switch"
    if code == DISCONNECTED:
        return b"cancelled on disconnect"
    return b"refused"


cdef const char* text_under_3(int code) noexcept nogil:
    if code == types.INVALID_ORDER_TYPE or code == UNSUPPORTED_ORDER_TYPE:
        return b"OrdType (40) must be 1, 2, 3, 4, K or P"
    if code == types.INVALID_TIME_IN_FORCE or code == UNSUPPORTED_TIME_IN_FORCE:
        return b"TimeInForce (59) is none that there is, or none for this type of order"
    if code == types.INVALID_POST_ONLY:
        return b"post-only (18=6, 20014=R or S) is for limit orders that may rest, in one of its two ways"
    if code == types.INVALID_HIDDEN:
        return b"hidden (MaxFloor (111) = 0) is for limit, stop-limit and pegged orders that may rest"
    if code == types.INVALID_ALL_OR_NONE:
        return b"all-or-none (18=G) is for limit and market orders, not post-only, hidden, FOK or for an auction"
    if code == types.INVALID_PRICE:
        return b"Price (44): limit and stop-limit orders have one, a pegged order may, others none"
    if code == CANNOT_CHANGE:
        return b"a replace cannot change OrdType (40), Account (1) or whether an order is post-only"
    if code == types.NOT_IN_THIS_PHASE:
        return b"not in this phase of the instrument"
    if code == types.AT_ONCE_IN_AUCTION:
        return b"nothing trades at once while orders collect for an auction"
    if code == types.POST_ONLY_IN_AUCTION:
        return b"post-only is not for the time while orders collect for an auction"
    if code == types.OPENING_IS_OVER:
        return b"an order for the opening (59=2) when that is over, or there is none"
    if code == types.INVALID_DEFINITION:
        return b"these terms contradict each other or what the instrument has, or name a tick table that there is not"
    if code == types.INVALID_PHASE:
        return b"that phase may not follow: a halt and the close lead to trading by an auction"
    if code == types.INVALID_PROTECTION:
        return b"a breaker (20041) goes with its times (20042, 20043), and they with it"
    if code == types.DELISTED:
        return b"the instrument is delisted"
    if code == types.PRICE_OFF_TICK:
        return b"Price (44) or StopPx (99) is no increment of the instrument's tick table"
    if code == types.INVALID_DISPLAY:
        return b"MaxFloor (111) is above OrderQty (38), or below zero"
    if code == types.NO_ICEBERG:
        return b"MaxFloor (111) is for limit and stop-limit orders that may rest"
    if code == types.DISPLAY_TOO_SMALL:
        return b"MaxFloor (111) is below 1/10,000 of OrderQty (38)"
    if code == types.DISPLAY_NOT_ROUND_LOT:
        return b"MaxFloor (111) is not a multiple of the instrument's round lot"
    if code == types.INVALID_QUANTITY:
        return b"OrderQty (38) is zero"
    if code == types.NEGATIVE_QUANTITY:
        return b"OrderQty (38) is below zero"
    if code == types.INVALID_MINIMUM:
        return b"MinQty (110) is zero, above OrderQty (38), or not for this order"
    if code == types.INVALID_STOP_PRICE:
        return b"StopPx (99): stop orders have one, others none"
    if code == types.STOP_ON_WRONG_SIDE:
        return b"StopPx (99) is reached already"
    if code == types.INVALID_OFFSET:
        return b"PegOffsetValue (211): above zero for a trailing stop, of a pegged order any, others none"
    if code == types.INVALID_PEG:
        return b"a pegged order (40=P) names one of R, P, M and a in ExecInst (18), others none"
    if code == types.INVALID_EXPIRY:
        return b"ExpireTime (126) or ExpireDate (432): of a good-till-date order (59=6) only"
    if code == types.EXPIRY_IN_THE_PAST:
        return b"ExpireTime (126) or ExpireDate (432) is past"
    if code == types.INVALID_SELF_MATCH:
        return b"SelfMatchGroup (20012) and SelfMatchMode (20013, 1 to 4) go together"
    if code == types.NO_REFERENCE_PRICE:
        return b"there is nothing to trail yet: StopPx (99) is missing"
    if code == types.PRICE_OUTSIDE_BAND:
        return b"Price (44) is outside the static price band"
    if code == types.PRICE_TOO_FAR:
        return b"Price (44) is too far past the last trade"
    if code == types.NOTIONAL_ABOVE_MAXIMUM:
        return b"price times quantity is above the instrument's limit"
    if code == types.NOTIONAL_OVERFLOW:
        return b"price times quantity is more than an order can have"
    if code == types.INVALID_FILTER:
        return b"LowLimitPrice (20009) is above HighLimitPrice (20010), or one is no multiple of its increment"
    if code == types.INVALID_AMEND:
        return b"a replace with Price (44) of an order that has no limit of its own"
    if code == types.MINIMUM_UNFILLABLE:
        return b"MinQty (110) is not there at once"
    if code == types.ALL_OR_NONE_UNFILLABLE:
        return b"all-or-none order cannot be filled at once"
    if code == types.SELF_MATCH:
        return b"it would have traded with its own group"
    if code == types.EXPIRED:
        return b"its time has come"
    if code == types.MASS_REQUESTED:
        return b"cancelled by the exchange"
    if code == types.END_OF_DAY:
        return b"the day has closed"
    if code == types.AUCTION_REMAINDER:
        return b"the auction that it was for is over"
    if code == types.BAND_REMAINDER:
        return b"what would have traded beyond the price band"
    if code == types.INSTRUMENT_DELISTED:
        return b"the instrument was delisted"
    return text_of(code)


cdef uint8_t ord_rej_reason(int code) noexcept nogil:
    if code == types.UNKNOWN_INSTRUMENT or code == UNKNOWN_SYMBOL:
        return 1
    if (code == types.NOT_IN_THIS_PHASE or code == types.DELISTED
            or types.AT_ONCE_IN_AUCTION <= code <= types.OPENING_IS_OVER):
        return 2            # exchange closed
    if code == types.QUANTITY_ABOVE_MAXIMUM or types.PRICE_OUTSIDE_BAND <= code <= types.NOTIONAL_OVERFLOW:
        return 3            # order exceeds limit
    if code == NO_SUCH_ORDER:
        return 5
    if code == types.DUPLICATE_CLIENT_REF or code == DUPLICATE_CL_ORD_ID:
        return 6
    if (code == types.INVALID_SIDE or code == types.INVALID_ORDER_TYPE or code == types.INVALID_TIME_IN_FORCE
            or code == types.INVALID_FLAGS or types.INVALID_DISPLAY <= code <= types.INVALID_SELF_MATCH
            or types.INVALID_POST_ONLY <= code <= types.DISPLAY_NOT_ROUND_LOT
            or UNSUPPORTED_SIDE <= code <= UNSUPPORTED_FIELD):
        return 11           # unsupported order characteristic
    if (types.INVALID_QUANTITY <= code <= types.QUANTITY_NOT_ROUND_LOT or code == QUANTITY_OFF_INCREMENT
            or code == types.NEGATIVE_QUANTITY
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
    if types.IOC_REMAINDER <= code <= types.SELF_MATCH or types.AUCTION_REMAINDER <= code <= types.BAND_REMAINDER:
        return 8                # the exchange's own way with what is left of such orders
    if code == types.MASS_REQUESTED or code == types.INSTRUMENT_DELISTED:
        return OTHER
    return OTHER if code == MASS_CANCELLED or code == DISCONNECTED or code == KILLED else 0


def reason_text(code: int) -> str:
    """What a reason code (20002) means, for people. An unknown code is "refused"."""
    return text_under_3(code).decode()
