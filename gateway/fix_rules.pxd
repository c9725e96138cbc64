# What the scanner does with each tag of each message: the tables of gateway.fix44, and the judgement of
# single values.
#
# `rules` is filled once when the module is imported and never written again.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    TAGS = 1024             # tags below this index the tables; FIX 4.4 ends at 956
    SLOTS = 16              # served message types, and slot 0 for all others
    GROUPS = 32
    MEMBERS = 256           # of all groups
    SETS = 128              # lists of allowed values
    WORDS = 4096            # bytes of allowed values longer than a character

cdef enum Kind:             # what text a value must be
    KIND_NONE = 0           # not a tag of FIX 4.4
    KIND_STRING = 1         # any bytes
    KIND_CHAR = 2
    KIND_INT = 3
    KIND_LENGTH = 4         # not negative
    KIND_SEQNUM = 5         # positive, but EndSeqNo
    KIND_COUNT = 6          # positive
    KIND_DECIMAL = 7
    KIND_BOOLEAN = 8
    KIND_TIMESTAMP = 9
    KIND_TIME = 10
    KIND_DATE = 11
    KIND_MONTH = 12
    KIND_CURRENCY = 13      # three letters
    KIND_COUNTRY = 14       # two letters
    KIND_VALUES = 15        # single characters separated by spaces
    KIND_DATA = 16

cdef enum Section:          # the upper two bits of a rule, in the order of a message
    HEADER = 0
    BODY = 64
    TRAILER = 128

cdef enum Action:           # the lower six bits of a rule
    NOT_ALLOWED = 0
    SKIP = 1                # not even that: the body of a message we do not serve
    GROUP = 2
    LENGTH = 3              # of the data field that follows
    DATA = 4                # these five have no value to take
    JUDGE = 5               # check the value, nothing more
    UNSERVED = 6
    TAKE_SENDER = 7
    TAKE_TARGET = 8
    TAKE_SEQ_NUM = 9
    TAKE_SENDING_TIME = 10
    TAKE_ORIG_SENDING_TIME = 11
    TAKE_POSS_DUP = 12
    TAKE_POSS_RESEND = 13
    TAKE_GAP_FILL = 14
    TAKE_RESET = 15
    TAKE_TEXT = 16          # Logout
    TAKE_TEST_REQ_ID = 17
    TAKE_BEGIN = 18
    TAKE_END = 19
    TAKE_HEARTBEAT = 20
    TAKE_ENCRYPT = 21
    TAKE_CL_ORD_ID = 22
    TAKE_ORIG_CL_ORD_ID = 23
    TAKE_ACCOUNT = 24
    TAKE_SYMBOL = 25
    TAKE_SIDE = 26
    TAKE_ORD_TYPE = 27
    TAKE_TIME_IN_FORCE = 28
    TAKE_EXEC_INST = 29
    TAKE_PRICE = 30
    TAKE_QUANTITY = 31
    TAKE_ORDER_ID = 32
    TAKE_REQUEST_TYPE = 33
    ONLY_UNITS = 34         # PriceType (423): 2, QtyType (854): 0; others are not served

cdef struct ValueSet:
    uint64_t characters[2]  # one bit an ASCII character
    uint16_t first          # words: length byte and text, end to end
    uint16_t count

cdef struct GroupRule:
    uint16_t counter
    uint16_t first          # in members; the first member begins an instance
    uint16_t count

cdef struct Served:
    uint8_t msg_type        # MessageType
    uint8_t body_size
    uint8_t orders          # the body is an OrderBody
    uint64_t required[16]   # one bit a tag

cdef struct Rules:
    uint8_t kinds[TAGS]
    uint8_t sets[TAGS]              # 0 = any value
    uint8_t actions[SLOTS][TAGS]    # Section | Action
    Served served[SLOTS]
    uint8_t slots[128]              # one-character MsgType -> slot
    uint8_t slot_of_mass_status     # "AF"
    uint64_t known_types[2]         # one-character MsgTypes of FIX 4.4, a bit each
    uint32_t known_pairs[2]         # the same for "A?" and "B?", a bit a letter
    ValueSet value_sets[SETS]
    uint8_t words[WORDS]
    GroupRule groups[GROUPS]
    uint16_t members[MEMBERS]
    uint8_t group_of[TAGS]          # counter -> group
    uint16_t data_of[TAGS]          # length field -> data field
    char names[TAGS][32]            # for people

cdef Rules rules

cdef enum Verdict:          # SessionRejectReason (373)
    INVALID_TAG = 0
    MISSING_TAG = 1
    NOT_IN_MESSAGE = 2
    UNDEFINED_TAG = 3
    NO_VALUE = 4
    INCORRECT_VALUE = 5
    INCORRECT_FORMAT = 6
    INVALID_MSG_TYPE = 11
    REPEATED_TAG = 13
    OUT_OF_ORDER = 14
    GROUP_OUT_OF_ORDER = 15
    INCORRECT_COUNT = 16

# A value against the tag's type and its list of values: NOT_REJECTED, INCORRECT_VALUE or INCORRECT_FORMAT.
# length > 0.
cdef uint8_t judge_value(uint32_t tag, const uint8_t* value, size_t length) noexcept nogil

# A verdict for people, at most MAX_TEXT bytes, not terminated; detail NULL = the words of the verdict itself.
cdef size_t describe(uint8_t verdict, uint32_t tag, const char* detail, char* text) noexcept nogil

cdef inline bint is_one_of(uint32_t tag, const uint8_t* value, size_t length) noexcept nogil:
    """The value is a single character of the tag's list. length > 0."""
    cdef uint8_t character = value[0]
    return (length == 1 and character < 128
            and (rules.value_sets[rules.sets[tag]].characters[character >> 6] >> (character & 63)) & 1)
