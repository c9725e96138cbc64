# Egress records -> FIX 4.4 messages.

from libc.stdint cimport int64_t, uint8_t, uint64_t

from gateway.records cimport MAX_COMP_ID

cdef enum:
    MAX_ENCODED = 4096          # bytes; with the record's own size `room` that always suffices

cdef struct Identity:           # who talks on a connection
    uint8_t own[MAX_COMP_ID]    # the exchange's CompID
    uint8_t peer[MAX_COMP_ID]   # the client's
    uint8_t own_length          # 0 = not known: not checked
    uint8_t peer_length         # 0 = not logged on: not checked
    bint standard               # its messages have fields of FIX 4.4 alone: no tags of our own, 527 for 880 in 8

# One EGRESS_MESSAGE (8-aligned) -> FIX bytes. With resend_time_ns other than EMPTY_TIME: PossDupFlag=Y,
# SendingTime is that time and OrigSendingTime the record's. Bytes written; 0: not a message record, or its
# lengths contradict its size; -1: room too small.
cdef ssize_t encode(const uint8_t* egress, const Identity* identity, int64_t resend_time_ns, uint8_t* out,
                    size_t room) noexcept nogil

# SequenceReset-GapFill with PossDup that stands for the messages seq .. new_seq - 1.
cdef ssize_t encode_gap_fill(const Identity* identity, uint64_t seq, uint64_t new_seq, int64_t time_ns,
                             uint8_t* out,
                             size_t room) noexcept nogil
