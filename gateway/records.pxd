# What travels between the edge and the state machine.
#
#   Input   edge -> log -> Exchange.apply    one thing in a log entry
#   Egress  Exchange.apply -> edge           one message or effect for one session
#
# A log entry's payload is Inputs end to end. Both records are a fixed head, a
# body chosen by `kind`, then a tail of strings (no terminators, in the order of
# their length fields), padded with zero bytes to a multiple of 8. Little endian.
# All unused bytes are zero. `size` counts everything.
#
# Decimals are mantissa * 10**exponent, as in FIX text without the point:
# "101.50" is 10150, -2. Absent times are EMPTY_TIME.

from libc.stdint cimport (int8_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t,
                          uint64_t, INT64_MIN)

cdef enum:
    MAX_CL_ORD_ID = 64      # bytes; a longer one is refused, never cut
    MAX_ACCOUNT = 64
    MAX_PARTIES = 512       # bytes of what is carried of an order as text: its parties and terms
    MAX_TERM = 32           # bytes of the value of one of these terms
    MAX_SYMBOL = 32
    MAX_COMP_ID = 64
    MAX_TEXT = 128          # bytes of Text (58) that we build; also TestReqID echoed
    MAX_ROUTE = 255         # bytes of its header fields that are sent back
    MAX_BODY = 65536        # bytes of a body that is carried as text
    NOT_REJECTED = 255      # InputHead.verdict: the edge found nothing wrong

# ---------------------------------------------------------------- inputs

cdef enum InputKind:
    INPUT_GATEWAY_START = 1     # a gateway asks for an incarnation
    INPUT_GATEWAY_LOST = 2      # incarnation's sessions count as disconnected
    INPUT_MESSAGE = 3           # one FIX message
    INPUT_DISCONNECT = 4        # the session's connection is gone (TCP close, ZeroMQ bye frame, cut-off)
    INPUT_TIMER = 5             # nothing but the entry's time
    INPUT_INSTRUMENT = 6        # define an instrument
    INPUT_SETTING = 7           # genesis: defaults of sessions, limits
    INPUT_ACTIVATE = 8          # rules version
    INPUT_DROP_COPY = 9         # genesis: a session sees the reports of another; from rules 2 on
    INPUT_OPERATOR = 10         # genesis: a session may send OperatorRequests; from rules 3 on
    INPUT_OPERATION = 11        # what such a request may ask for, asked by the exchange itself; from rules 3 on

cdef struct InputHead:  # 40 bytes
    uint32_t size
    uint8_t kind                # InputKind
    uint8_t verdict             # MESSAGE: SessionRejectReason (373) the edge found, or NOT_REJECTED
    uint16_t reserved
    uint32_t incarnation        # of the gateway that numbered it; 0 = the leader itself (timer, genesis)
    uint32_t session            # session id, 0 = not known (a Logon)
    uint64_t gateway_number     # 1, 2, 3, ... within the incarnation
    uint32_t epoch              # of the session's connection; for a Logon the epoch its gateway knew
    uint32_t connection         # the gateway's number of the connection, echoed in Egress so that it can answer a Logon
    int64_t received_ns         # wall clock at the edge; audit only

cdef enum MessageType:          # MsgType (35), one byte each
    MSG_HEARTBEAT = 48          # '0'
    MSG_TEST_REQUEST = 49       # '1'
    MSG_RESEND_REQUEST = 50     # '2'
    MSG_REJECT = 51             # '3'
    MSG_SEQUENCE_RESET = 52     # '4'
    MSG_LOGOUT = 53             # '5'
    MSG_EXECUTION_REPORT = 56   # '8'
    MSG_ORDER_CANCEL_REJECT = 57  # '9'
    MSG_LOGON = 65              # 'A'
    MSG_NEW_ORDER = 68          # 'D'
    MSG_CANCEL_REQUEST = 70     # 'F'
    MSG_REPLACE_REQUEST = 71    # 'G'
    MSG_STATUS_REQUEST = 72     # 'H'
    MSG_BUSINESS_REJECT = 106   # 'j'
    MSG_MASS_CANCEL_REQUEST = 113  # 'q'
    MSG_MASS_CANCEL_REPORT = 114   # 'r'
    MSG_MASS_STATUS_REQUEST = 1    # 'AF'
    MSG_OTHER = 255             # a message whose type is text (input: in the tail; egress: see TextFields)

cdef enum MessageFlag:          # bits of MessageHead.flags
    FLAG_POSS_DUP = 1           # 43=Y
    FLAG_POSS_RESEND = 2        # 97=Y
    FLAG_GAP_FILL = 4           # 123=Y
    FLAG_RESET_SEQ_NUM = 8      # 141=Y
    FLAG_WRONG_COMP_ID = 16     # 49 or 56 is not what this connection proved
    FLAG_NO_ORIG_SENDING_TIME = 32  # PossDup without 122
    FLAG_BEGIN_STRING = 64      # 8 is not FIX.4.4
    FLAG_SENDING_TIME_PROBLEM = 128  # 52 is missing or not a time

cdef struct MessageHead:  # 40 bytes, follows InputHead when kind is INPUT_MESSAGE
    uint64_t msg_seq_num        # 34; 0 = missing or unreadable
    int64_t sending_time_ns     # 52, since 1970-01-01 UTC
    int64_t orig_sending_time_ns  # 122
    uint16_t ref_tag            # 371 for the verdict; 0 = none
    uint8_t msg_type            # MessageType
    uint8_t flags               # MessageFlag
    uint8_t text_length         # tail, first string: text (58) of the verdict, of a Logout, or the TestReqID (112)
    uint8_t msg_type_length     # tail, last string: MsgType as text when msg_type is MSG_OTHER
    uint8_t more                # MoreFlag; this and what follows is zero before rules 2
    uint8_t route_length        # tail, after the MsgType: the header fields that send an answer back the way it came
    uint32_t body_length        # tail, after that: the fields of the body as they came
    int32_t stated_tag          # HAS_STATED_TAG: 371 for the verdict, instead of ref_tag

cdef enum MoreFlag:             # bits of MessageHead.more
    HAS_STATED_TAG = 1
    TOO_LONG = 2                # one came that is too long to be taken: nothing else of it is there

cdef struct SessionBody:  # 32 bytes: Logon, ResendRequest, SequenceReset
    uint64_t begin_seq_no       # 7; in a SequenceReset NewSeqNo (36), in a Logon StartInputNumber (20006), 0 = none
    uint64_t end_seq_no         # 16; in a Logon MaxMessageSize (383), 0 = not given
    uint32_t heartbeat_seconds  # 108
    uint8_t encrypt_method      # 98
    uint8_t sender_length       # Logon tail, after text: SenderCompID (49)
    uint8_t target_length       # then TargetCompID (56)
    uint8_t cancel_on_disconnect  # Logon 20003: 0 = not given, 1 = N (off), 2 = Y (on)
    uint32_t grace_ms           # Logon 20004: 0xFFFFFFFF = not given
    uint8_t reserved[4]

cdef enum OrderPresent:         # bits of OrderBody.present
    HAS_PRICE = 1               # 44
    HAS_QUANTITY = 2            # 38
    HAS_UNSUPPORTED = 4         # a field whose meaning we do not serve (max show, discretion, ...):
                                # unsupported_tag says which
    HAS_TERMS = 8               # from rules 3 on: D, G: some of 18, 99, 110, 111, 126, 211, 432, 20012, 20013, 20014;
                                # q: 20009, 20010
                                # among the text behind the symbol. 18 has one of G, R, P, M, a there, and perhaps 6
                                # and what means nothing: 1, 2, 4, 5

cdef struct OrderBody:  # 48 bytes: D, F, G, H, q, AF
    int64_t price_mantissa      # 44
    int64_t quantity_mantissa   # 38
    uint64_t order_id           # 37 as a number; 0 = not given; UINT64_MAX = given but not a number
    int8_t price_exponent
    int8_t quantity_exponent
    uint8_t side                # 54, the FIX character; 0 = absent
    uint8_t ord_type            # 40
    uint8_t time_in_force       # 59; 0 = absent (Day)
    uint8_t post_only           # 18 holds '6', and nothing that is among the terms
    uint8_t request_type        # 530 or 585, the FIX character
    uint8_t present             # OrderPresent
    uint8_t cl_ord_id_length    # tail, after text: 11 (AF: MassStatusReqID 584)
    uint8_t orig_cl_ord_id_length   # 41 (H: OrdStatusReqID 790)
    uint8_t account_length      # 1
    uint8_t symbol_length       # 55
    uint16_t unsupported_tag
    uint16_t parties_length     # D, G: the fields of NoPartyIDs (453) and the terms as they came, in the order of the
                                # message, without the last separator; zero before rules 2
    uint8_t reserved[8]

cdef struct InstrumentBody:  # 80 bytes, INPUT_INSTRUMENT
    int64_t price_increment     # mantissa
    int64_t quantity_increment  # mantissa
    int64_t lot_lots
    int64_t min_lots
    int64_t max_lots
    int64_t low_ticks
    int64_t high_ticks
    int64_t protection_ticks
    int8_t price_exponent
    int8_t quantity_exponent
    uint8_t symbol_length       # tail: symbol
    uint8_t reserved[13]

cdef struct SettingBody:  # 32 bytes, INPUT_SETTING: defaults for sessions made by a first Logon
    uint32_t grace_ms           # cancel-on-disconnect grace
    uint8_t cancel_on_disconnect  # 1 off, 2 on
    uint8_t open_to_any         # 1: an unknown SenderCompID makes a session; 0: refused
    uint8_t application         # Application; from rules 2 on
    uint8_t reset_on_logon      # 1: every accepted Logon begins at 1 again; from rules 2 on
    uint32_t closed_cl_ord_ids  # how many ClOrdIDs of closed orders a session remembers
    uint32_t max_heartbeat_seconds
    uint8_t comp_id_length      # tail: the exchange's own CompID
    uint8_t reserved_17
    uint16_t reset_minute       # of the day (UTC), + 1: all sessions begin anew then; 0 = never; from rules 2 on
    uint32_t sending_time_seconds  # how far SendingTime may be from the entry's time; 0 = not judged
    uint32_t max_sessions       # a Logon that would make one more is refused; 0 = no bound
    uint32_t messages_per_second    # of a session; of cancels twice as many; 0 = no bound; from rules 2 on

cdef enum Application:          # what acts on application messages
    APPLICATION_EXCHANGE = 0
    APPLICATION_ECHO = 1        # each comes back as it was: for tests of the session layer

cdef struct DropCopyBody:  # 8 bytes, INPUT_DROP_COPY
    uint8_t comp_id_length      # tail: of the session that sees
    uint8_t of_length           # then of the one whose reports they are; 0 = every one
    uint8_t reserved[6]

cdef struct OperatorBody:       # 8 bytes, INPUT_OPERATOR
    uint8_t comp_id_length      # tail: of the session
    uint8_t reserved[7]

cdef struct OperationBody:      # 8 bytes, INPUT_OPERATION
    uint32_t text_length        # tail: the fields of an OperatorRequest (UQ), each with its separator
    uint32_t reserved

cdef struct GatewayBody:        # 8 bytes, INPUT_GATEWAY_LOST
    uint32_t incarnation        # whose sessions count as disconnected; 0 = of every incarnation so far
    uint32_t reserved

cdef struct ActivateBody:       # 8 bytes, INPUT_ACTIVATE
    uint32_t rules_version
    uint32_t reserved

# ---------------------------------------------------------------- egress

cdef enum EgressKind:
    EGRESS_MESSAGE = 1      # one numbered FIX message
    EGRESS_RESEND = 2       # send again begin_seq_no .. end_seq_no (SessionFields) on this connection; what lies before
                            # the input ref_seq_num as a gap fill, or without begin_seq_no not at all
    EGRESS_CLOSE = 3        # close the connection, after what was sent before
    EGRESS_OPEN = 4         # a Logon was accepted: `connection` now carries `session` at `epoch`; precedes its answer
    EGRESS_REFUSE = 5       # a Logon was refused: close `connection`, nothing numbered is sent (text says why)

cdef struct EgressHead:  # 64 bytes
    uint32_t size
    uint8_t kind            # EgressKind
    uint8_t msg_type        # MessageType
    uint8_t flags           # MessageFlag of the message itself (GAP_FILL, RESET_SEQ_NUM)
    uint8_t reserved_7
    uint32_t session
    uint32_t epoch
    uint64_t msg_seq_num
    int64_t sending_time_ns # the entry's timestamp
    uint64_t input_number   # 20001
    uint64_t previous       # filled by the egress store: offset of the session's previous message
    uint32_t incarnation    # OPEN, REFUSE: whose connection
    uint32_t connection
    uint64_t reserved_56

cdef struct SessionFields:  # 48 bytes: body of admin messages, RESEND, REJECT, BUSINESS_REJECT, CLOSE, REFUSE
    uint64_t begin_seq_no   # 7; NewSeqNo (36) in a SequenceReset
    uint64_t end_seq_no     # 16; MaxMessageSize (383) in a Logon, 0 = none
    uint64_t ref_seq_num    # 45; of a Logon numbered 1: the number behind which the session's go on, 0 = its own
    uint32_t heartbeat_seconds  # 108
    uint16_t ref_tag        # 371; 0 = none
    uint8_t reject_reason   # 373 or 380; NOT_REJECTED = none
    uint8_t ref_msg_type    # 372: MessageType; MSG_OTHER: in ref_type string
    uint16_t reason_code    # 20002; 0 = none
    uint8_t text_length     # tail: 58, or 112 in Heartbeat and TestRequest
    uint8_t ref_type_length # tail: MsgType text
    uint8_t ref_id_length   # tail: BusinessRejectRefID (379)
    uint8_t route_length    # tail: header fields, each with its separator
    uint8_t has_stated_tag
    uint8_t reserved_39
    int32_t stated_tag      # 371, when it has one; else ref_tag
    uint8_t reserved_44[4]

cdef struct TextFields:         # 8 bytes: body of a message of type MSG_OTHER
    uint32_t body_length        # tail, second string: its fields as they are sent, each with its separator
    uint8_t type_length         # tail, first string: MsgType
    uint8_t reserved[3]

cdef enum StatusRequest:        # what a report answers
    NO_STATUS_REQUEST = 0
    STATUS_REQUEST = 1          # AF, H, or a possible resend
    STATUS_OF_ONE = 2           # H with an OrdStatusReqID

cdef struct ExecutionFields:  # 136 bytes: body of 8, 9 and r
    uint64_t order_id       # 37; 0 = "NONE"
    uint64_t exec_id        # 17, unique for ever
    uint64_t trade_id       # 880; 0 = none
    int64_t transact_time_ns    # 60
    int64_t price           # 44 mantissa (price_exponent); EMPTY when none
    int64_t quantity        # 38 mantissa (quantity_exponent)
    int64_t leaves          # 151
    int64_t cumulative      # 14
    int64_t last_price      # 31
    int64_t last_quantity   # 32
    int64_t average_price   # 6, mantissa at price_exponent - 2
    uint64_t affected       # r: TotalAffectedOrders (533); ExecType H: ExecRefID (19)
    int8_t price_exponent
    int8_t quantity_exponent
    uint8_t exec_type       # 150, FIX character
    uint8_t ord_status      # 39
    uint8_t side            # 54
    uint8_t ord_type        # 40
    uint8_t time_in_force   # 59
    uint8_t post_only
    uint8_t maker_taker     # 851: 0 none, '1' added liquidity (maker), '2' removed (taker)
    uint8_t fix_reason      # OrdRejReason (103) / CxlRejReason (102) / MassCancelRejectReason (532); 255 = none
    uint16_t reason_code    # 20002; 0 = none
    uint8_t response_to     # 9: CxlRejResponseTo (434); r: MassCancelRequestType (530)
    uint8_t mass_response   # r: MassCancelResponse (531)
    uint8_t last_fragment   # AF answers: LastRptRequested (912): 0 none, 'Y', 'N'
    uint8_t status_request  # StatusRequest; ExecType is I then
    uint8_t cl_ord_id_length    # tail: 11
    uint8_t orig_cl_ord_id_length  # 41
    uint8_t account_length  # 1; behind it the parties
    uint8_t symbol_length   # 55
    uint8_t text_length     # 58
    uint8_t request_id_length  # 584 (MassStatusReqID); STATUS_OF_ONE: 790 (OrdStatusReqID)
    uint16_t parties_length    # as in OrderBody: 453 and the fields of its group, and the terms
    uint8_t on_behalf_length    # of a drop copy: OnBehalfOfCompID (115), behind the other strings
    uint8_t restatement     # 378; 0 = none
    uint8_t reserved_122[6]
    uint64_t mass_total     # AF: TotNumReports (911)
