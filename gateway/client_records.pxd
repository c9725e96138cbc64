# The client's records: what it asks (Request) and what it is told (Message).
#
# Little endian, 8-aligned, no padding that a compiler chooses. Decimals are
# mantissa * 10**exponent; an absent one is ABSENT. `client_types.py` states the
# same layouts for NumPy and a test compares the two.

from libc.stdint cimport int8_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t, INT64_MIN

cdef inline int64_t ABSENT() noexcept nogil:
    return INT64_MIN

cdef struct Request:            # 384 bytes; strings end at their first zero byte or fill their field
    int64_t price               # 44; ABSENT = none (a market order; a mass request)
    int64_t quantity            # 38; ABSENT = none
    uint64_t order_id           # 37; 0 = none
    int8_t price_exponent
    int8_t quantity_exponent
    uint8_t kind                # MessageType of records.pxd: D, F, G, H, q, AF
    uint8_t side                # 54, the FIX character; 0 = absent
    uint8_t ord_type            # 40
    uint8_t time_in_force       # 59
    uint8_t post_only           # 1: ExecInst (18) = 6
    uint8_t request_type        # 530 or 585
    uint8_t symbol[32]          # 55
    uint8_t cl_ord_id[64]       # 11; AF: 584
    uint8_t orig_cl_ord_id[64]  # 41
    uint8_t account[64]         # 1
    uint8_t terms[128]          # D, G: other fields, with separators between them

cdef enum Text:                 # which of Message.at / Message.length
    TEXT_CL_ORD_ID = 0          # 11
    TEXT_ORIG_CL_ORD_ID = 1     # 41
    TEXT_ACCOUNT = 2            # 1
    TEXT_SYMBOL = 3             # 55
    TEXT_TEXT = 4               # 58
    TEXT_EXEC_ID = 5            # 17
    TEXT_REQUEST_ID = 6         # 584
    TEXT_REF_ID = 7             # 379
    TEXT_REF_MSG_TYPE = 8       # 372
    TEXT_TEST_REQ_ID = 9        # 112
    TEXTS = 10

cdef enum MessageNote:          # bits of Message.flags
    NOTE_POSS_DUP = 1           # 43=Y
    NOTE_TERMS = 2              # it has some of the fields that client_terms.py reads
    NOTE_GAP_FILL = 4           # 123=Y
    NOTE_RESET = 8              # 141=Y
    NOTE_WRONG_COMP_ID = 16     # 49 or 56 is not what this session is about

cdef struct Message:            # 240 bytes: one message from the exchange
    uint64_t msg_seq_num        # 34
    int64_t sending_time_ns     # 52, since 1970-01-01 UTC; ABSENT = none or unreadable
    int64_t transact_time_ns    # 60
    uint64_t order_id           # 37; 0 = none
    uint64_t input_number       # 20001; 0 = none
    uint64_t trade_id           # 880; 0 = none
    uint64_t cl_ord_id_number   # the digits at the start of 11; 0 = none (or beyond 64 bits)
    uint64_t cl_ord_id_entry    # the digits after its first dot; 0 = none
    uint64_t ref_seq_num        # 45; SequenceReset: NewSeqNo (36); ResendRequest: BeginSeqNo (7)
    uint64_t end_seq_no         # 16
    uint64_t affected           # 533 or 911
    int64_t price               # 44, and so on: mantissas
    int64_t quantity            # 38
    int64_t leaves              # 151
    int64_t cumulative          # 14
    int64_t last_price          # 31
    int64_t last_quantity       # 32
    int64_t average_price       # 6
    int8_t price_exponent
    int8_t quantity_exponent
    int8_t leaves_exponent
    int8_t cumulative_exponent
    int8_t last_price_exponent
    int8_t last_quantity_exponent
    int8_t average_price_exponent
    uint8_t msg_type            # MessageType; MSG_OTHER = not one we know
    uint8_t flags               # MessageNote
    uint8_t exec_type           # 150, the FIX character; 0 = absent, as for all that follow
    uint8_t ord_status          # 39
    uint8_t side                # 54
    uint8_t ord_type            # 40
    uint8_t time_in_force       # 59
    uint8_t post_only           # 1: 18 holds '6'
    uint8_t maker_taker         # 851: '1' maker, '2' taker
    uint8_t response_to         # 434 or 530
    uint8_t mass_response       # 531
    uint8_t last_fragment       # 912
    uint8_t restatement         # 378
    uint16_t reason_code        # 20002; 0 = none
    uint16_t fix_reason         # 103, 102, 532, 373 or 380; 65535 = none
    uint16_t ref_tag            # 371
    uint16_t heartbeat_seconds  # 108
    uint32_t at[10]             # where each Text begins in Batch.data
    uint16_t length[10]         # its bytes; 0 = absent
    uint32_t message_at         # the whole message in Batch.data
    uint32_t message_length
