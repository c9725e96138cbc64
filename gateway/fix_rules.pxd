# What the scanner does with each tag of each message: the tables of a dictionary, and the judgement of single
# values.
#
# `rules` is filled when the module is imported, by gateway.fix44; `load` puts another dictionary in its place
# before anything is scanned. Nothing writes it while the exchange runs.
#
# The tables are indexed by a tag's place: a tag below TAGS is its own place, the others that the dictionary
# has come behind, found by `place_of`. Place 0 is no tag.

from libc.stdint cimport int16_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    TAGS = 1024             # FIX 4.4 ends at 956
    PLACES = 2048
    BITS = 32               # words of a bit a place
    SLOTS = 256             # message types whose bodies are stated, and slot 0 for all others
    GROUPS = 1024
    MESSAGE_GROUPS = 8192   # of all messages
    MEMBERS = 16384         # of all groups
    MEMBER_BITS = 4         # words of a bit a member of one group
    SETS = 1024             # lists of allowed values
    WORDS = 65536           # bytes of allowed values longer than a character
    TAG_HASHES = 4096       # powers of two, more than twice of what is kept there
    TYPE_HASHES = 1024
    NAME = 32               # bytes of a field's name, with a zero at the end

cdef enum Kind:             # what text a value must be
    KIND_NONE = 0           # not a tag of the dictionary
    KIND_STRING = 1         # any bytes
    KIND_CHAR = 2
    KIND_INT = 3
    KIND_LENGTH = 4         # not negative
    KIND_SEQNUM = 5         # positive, but EndSeqNo
    KIND_COUNT = 6
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
    KIND_WORDS = 17         # words separated by spaces
    KIND_DAY = 18           # 1 to 31

cdef enum Section:          # the upper two bits of a rule, in the order of a message
    HEADER = 0
    BODY = 64
    TRAILER = 128

cdef enum Action:           # the lower six bits of a rule
    NOT_ALLOWED = 0
    SKIP = 1                # not even that: a body that the dictionary does not state
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
    TAKE_CANCEL_ON_DISCONNECT = 35
    TAKE_GRACE = 36
    TAKE_ROUTE = 37
    TAKE_START_INPUT = 38
    TAKE_MAX_SIZE = 39
    NO_TESTS = 40           # TestMessageIndicator: N
    TAKE_TERM = 41          # carried as text, where terms are
    TAKE_SELF_MATCH_GROUP = 42

cdef struct ValueSet:
    uint64_t characters[2]  # one bit an ASCII character
    uint32_t first          # words: length byte and text, end to end
    uint32_t count

cdef struct Member:
    uint32_t tag
    uint16_t place
    uint16_t group          # that it counts; 0 = it is no counter

cdef struct GroupRule:
    uint32_t counter        # tag
    uint16_t first          # in members; the first member begins an instance
    uint16_t count
    uint64_t required[MEMBER_BITS]

cdef struct Served:
    uint8_t msg_type        # MessageType
    uint8_t body_size
    uint8_t orders          # the body is an OrderBody
    uint8_t carried         # the body is carried as text, where bodies are carried
    uint16_t first_group    # in message_groups
    uint16_t group_count
    uint64_t required[BITS]     # one bit a place

cdef struct TagHash:
    uint32_t tag            # 0 = free
    uint16_t place

cdef struct TypeHash:
    uint64_t text           # 0 = free
    int16_t slot

cdef struct Rules:
    uint8_t kinds[PLACES]
    uint16_t sets[PLACES]           # 0 = any value
    uint8_t actions[SLOTS][PLACES]  # Section | Action
    Served served[SLOTS]
    int16_t slots[128]              # one-character MsgType -> slot; 0: its body is not stated, -1: unknown
    TypeHash type_hashes[TYPE_HASHES]   # the same of longer ones; those that are not here are unknown
    TagHash tag_hashes[TAG_HASHES]
    uint8_t echo                    # private tags that no dictionary has are refused; what is for others is taken
    uint32_t used_bits              # words of BITS that some place needs
    ValueSet value_sets[SETS]
    uint8_t words[WORDS]
    GroupRule groups[GROUPS]
    uint16_t message_groups[MESSAGE_GROUPS]
    Member members[MEMBERS]
    uint32_t data_of[PLACES]        # length field -> tag of the data field
    uint32_t length_of[PLACES]      # data field -> tag of the length field
    uint32_t tags[PLACES]
    char names[PLACES][NAME]        # for people

cdef Rules rules

cdef inline uint32_t tag_hash(uint32_t tag) noexcept nogil:
    return (tag * <uint32_t>2654435761) >> 20


cdef inline uint32_t place_of(uint32_t tag) noexcept nogil:
    """0: the dictionary does not have it, and it is not below TAGS."""
    cdef uint32_t at
    if tag < TAGS:
        return tag
    at = tag_hash(tag)
    while rules.tag_hashes[at].tag != tag and rules.tag_hashes[at].tag != 0:
        at = (at + 1) & (TAG_HASHES - 1)
    return rules.tag_hashes[at].place


cdef inline uint32_t type_hash(uint64_t text) noexcept nogil:
    return <uint32_t>((text * <uint64_t>0x9E3779B97F4A7C15) >> 54)

cdef enum Verdict:          # SessionRejectReason (373)
    INVALID_TAG = 0
    MISSING_TAG = 1
    NOT_IN_MESSAGE = 2
    NO_VALUE = 4
    INCORRECT_VALUE = 5
    INCORRECT_FORMAT = 6
    ENCRYPTED = 7
    WRONG_SIGNATURE = 8
    FOR_SOMEBODY_ELSE = 9
    INVALID_MSG_TYPE = 11
    REPEATED_TAG = 13
    OUT_OF_ORDER = 14
    GROUP_OUT_OF_ORDER = 15
    INCORRECT_COUNT = 16
    CUT_VALUE = 17
    OTHER_REASON = 99

# A value against the tag's type and its list of values: NOT_REJECTED, INCORRECT_VALUE or INCORRECT_FORMAT.
# length > 0.
cdef uint8_t judge_value(uint32_t tag, const uint8_t* value, size_t length) noexcept nogil

# A verdict for people, at most MAX_TEXT bytes, not terminated; detail NULL = the words of the verdict itself.
cdef size_t describe(uint8_t verdict, uint32_t tag, const char* detail, char* text) noexcept nogil

cdef inline bint is_one_of(uint32_t tag, const uint8_t* value, size_t length) noexcept nogil:
    """The value is a single character of the tag's list. tag < TAGS, length > 0."""
    cdef uint8_t character = value[0]
    return (length == 1 and character < 128
            and (rules.value_sets[rules.sets[tag]].characters[character >> 6] >> (character & 63)) & 1)
