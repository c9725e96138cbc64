# Why something was refused or cancelled, beyond the engine's own reasons (engine/types.pxd, 1 to 99): tag 20002.
#
# Numbers never change. docs/fix.md lists them with the FIX reasons (103, 102, 532, 380) they go with.

from libc.stdint cimport uint8_t

cpdef enum GatewayReason:
    UNKNOWN_SYMBOL = 100
    DUPLICATE_CL_ORD_ID = 101       # of an open order, or of a closed one still remembered
    PRICE_OFF_TICK = 102            # not a multiple of the price increment
    PRICE_OUT_OF_RANGE = 103        # too large for a count of price increments
    QUANTITY_OFF_INCREMENT = 104    # not a multiple of the quantity increment
    QUANTITY_OUT_OF_RANGE = 105
    UNSUPPORTED_SIDE = 106
    UNSUPPORTED_ORDER_TYPE = 107
    UNSUPPORTED_TIME_IN_FORCE = 108
    UNSUPPORTED_FIELD = 109         # a field is present whose meaning is not served
    ORDER_CLOSED = 110              # filled or cancelled before
    ORDER_REPLACED = 111            # OrigClOrdID is not the order's name any more
    NOT_THIS_ORDER = 112            # symbol, side or OrderID is not that order's
    CANNOT_CHANGE = 113             # a replace may change price and quantity only
    UNSUPPORTED_REQUEST_TYPE = 114  # 530 or 585
    MISSING_FIELD = 115             # conditionally required
    UNSUPPORTED_MESSAGE = 116
    NO_SUCH_ORDER = 117             # neither ClOrdID nor OrderID names an order of this session
    NO_OPEN_ORDERS = 118            # nothing for a mass status request to report
    TOO_MANY_MESSAGES = 120         # in a second of log time
    WATCHES_ONLY = 121              # a drop copy session enters no orders
    NOT_ITS_NAME = 122              # OrderID names an order, OrigClOrdID does not
    TERM_OFF_INCREMENT = 123        # a price or quantity beside 44 and 38 is no multiple of its increment
    TERM_OUT_OF_RANGE = 124         # it is too large
    FIXED_FOR_LIFE = 125            # a replace would change what an order keeps
    TEXT_TOO_LONG = 126             # its parties and terms would have more bytes than an order may carry
    TOO_MANY_SUBSCRIPTIONS = 127    # of a session
    # of operators
    NOT_AN_OPERATOR = 130           # an OperatorRequest of a session that is none
    UNKNOWN_OPERATION = 131
    INVALID_OPERATION = 132         # a field whose value is none that is allowed: the text says which
    UNKNOWN_SESSION = 133
    UNKNOWN_SCHEDULE = 134
    INSTRUMENT_EXISTS = 135
    SESSION_KILLED = 136            # an order, while the kill switch holds
    TOO_MANY_OPEN_ORDERS = 137
    UNKNOWN_TRADE = 138             # never made, or longer ago than trades are remembered
    TRADE_IS_BUSTED = 139
    UNEXPECTED_FIELD = 140          # one that the operation does not take: the text says which
    # why an order was cancelled
    MASS_CANCELLED = 150
    DISCONNECTED = 151              # cancel-on-disconnect
    KILLED = 152                    # the kill switch

cdef const char* text_of(int code) noexcept nogil
cdef const char* text_under_3(int code) noexcept nogil  # from rules 3 on, where other words hold; else text_of
cdef uint8_t ord_rej_reason(int code) noexcept nogil    # 103
cdef uint8_t cxl_rej_reason(int code) noexcept nogil    # 102
cdef uint8_t restatement_of(int code) noexcept nogil    # 378 of a cancel; 0: it was asked for
