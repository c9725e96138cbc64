# FIX tag=value messages <-> the records of gateway/records.pxd.
#
#   frame    one whole message in a stream of bytes: BodyLength and CheckSum verified
#   scan     a framed message -> Input record; judges bytes only, by gateway.fix44
#   encode   Egress record -> message (gateway/fix_build.pyx)
#
# Everything here is free of state and of the GIL and cannot raise. The text of
# single values is in gateway/fix_values.pxd; all names are also found here.

from libc.stdint cimport uint8_t

from gateway.fix_build cimport *
from gateway.fix_values cimport *
from gateway.records cimport MAX_COMP_ID

cdef enum:
    MAX_MESSAGE = 65536         # bytes; a longer message is garbled
    MAX_INPUT = 640             # bytes; `room` that scan always needs

cdef enum FrameResult:
    FRAME_OK = 0                # *length = bytes of the message
    FRAME_INCOMPLETE = 1        # so far it may be a message: more bytes wanted
    FRAME_GARBLED = 2           # *length = bytes to drop (>= 1), up to the next "8=FIX" or what may become one

# One message at data[0 .. size). The message holds 8, 9 and 35 first and 10 last, BodyLength and CheckSum are right.
# A message whose length is right but whose checksum is not is dropped whole. O(bytes of the message).
cdef FrameResult frame(const uint8_t* data, size_t size, size_t* length) noexcept nogil

# A framed message -> one INPUT_MESSAGE record at `input` (8-aligned): kind, verdict, size and everything that is in the
# message; incarnation, session, gateway_number, epoch, connection and received_ns are left zero for the caller.
# Bytes written (a multiple of 8); 0: it is not a framed message; -1: room < MAX_INPUT.
cdef ssize_t scan(const uint8_t* message, size_t length, const Identity* identity, uint8_t* input,
                  size_t room) noexcept nogil
