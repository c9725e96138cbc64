# A framed FIX message -> Input record.

from libc.stdint cimport uint8_t, uint32_t

from gateway.fix_build cimport Identity

cdef enum:
    MAX_INPUT = 896             # bytes of an Input that carries nothing as text
    TEXT_BODIES = 2             # the rules from which on bodies and parties are carried as text,
    ORDER_TERMS = 3             # and the terms of orders that have no room in their bodies

# A framed message -> one INPUT_MESSAGE record at `input` (8-aligned): kind, verdict, size and everything that
# is in the message; incarnation, session, gateway_number, epoch, connection and received_ns are left zero for
# the caller. version: of the rules that hold. Bytes written (a multiple of 8); 0: it is not a framed message; -1: room
# is less than MAX_INPUT and, where something may be carried as text, the message's length.
cdef ssize_t scan(const uint8_t* message, size_t length, const Identity* identity, uint32_t version, uint8_t* input,
                  size_t room) noexcept nogil
