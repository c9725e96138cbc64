# A framed FIX message -> Input record.

from libc.stdint cimport uint8_t

from gateway.fix_build cimport Identity

cdef enum:
    MAX_INPUT = 896             # bytes of an Input that carries no body

# A framed message -> one INPUT_MESSAGE record at `input` (8-aligned): kind, verdict, size and everything that
# is in the message; incarnation, session, gateway_number, epoch, connection and received_ns are left zero for
# the caller. carry: bodies of messages that are acted on as text go along (rules 2). Bytes written (a multiple
# of 8); 0: it is not a framed message; -1: room is less than MAX_INPUT, and with `carry` the message's length.
cdef ssize_t scan(const uint8_t* message, size_t length, const Identity* identity, bint carry, uint8_t* input,
                  size_t room) noexcept nogil
