# A framed FIX message -> Input record.

from libc.stdint cimport uint8_t

from gateway.fix_build cimport Identity

cdef enum:
    MAX_INPUT = 640             # bytes; `room` that scan always needs

# A framed message -> one INPUT_MESSAGE record at `input` (8-aligned): kind, verdict, size and everything that
# is in the message; incarnation, session, gateway_number, epoch, connection and received_ns are left zero for
# the caller. Bytes written (a multiple of 8); 0: it is not a framed message; -1: room < MAX_INPUT.
cdef ssize_t scan(const uint8_t* message, size_t length, const Identity* identity, uint8_t* input,
                  size_t room) noexcept nogil
