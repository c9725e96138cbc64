# One whole FIX message in a stream of bytes.

from libc.stdint cimport uint8_t, uint32_t

from gateway.fix_values cimport SOH

cdef enum:
    MAX_MESSAGE = 65536         # bytes; a longer message is garbled

cdef enum FrameResult:
    FRAME_OK = 0                # *length = bytes of the message
    FRAME_INCOMPLETE = 1        # so far it may be a message: more bytes wanted
    FRAME_GARBLED = 2           # *length = bytes to drop (>= 1)
    FRAME_TOO_LONG = 3          # garbled: it would have more than MAX_MESSAGE. *length as above

# One message at data[0 .. size). The message holds 8, 9 and 35 first and 10 last, BodyLength and CheckSum are
# right. A message whose length is right but whose checksum is not is dropped whole. One that has no trailer where its
# length says is dropped, as QuickFIX does, up to the next CheckSum field behind that place, but not beyond a beginning
# that stands there; when neither comes within MAX_MESSAGE, that much is. O(bytes of the message).
cdef FrameResult frame(const uint8_t* data, size_t size, size_t* length) noexcept nogil

# Everything up to the next "8=FIX" after the first byte, or to a tail that may become one: FRAME_GARBLED.
cdef FrameResult skip(const uint8_t* data, size_t size, size_t* length) noexcept nogil

cdef inline bint ends_in_trailer(const uint8_t* message, size_t length) noexcept nogil:
    """<separator>10=nnn<separator> ends the message of at least eight bytes."""
    cdef const uint8_t* end = message + length - 8
    return (end[0] == SOH and end[1] == 49 and end[2] == 48 and end[3] == 61 and <uint32_t>end[4] - 48 <= 9
            and <uint32_t>end[5] - 48 <= 9 and <uint32_t>end[6] - 48 <= 9 and end[7] == SOH)
