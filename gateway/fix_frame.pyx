# cython: boundscheck=False, wraparound=False, cdivision=True
"""Finds whole FIX messages in a stream of bytes.

Holds nothing, needs no GIL, cannot raise. boundscheck and wraparound are off because only C pointers are
indexed; every index is compared with `size` before it is used.
"""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcmp

from gateway.fix_values cimport SOH, checksum

cdef FrameResult frame(const uint8_t* data, size_t size, size_t* length) noexcept nogil:
    cdef size_t i, start, body = 0, total
    cdef uint32_t digit
    length[0] = 0
    i = 5
    if size < 5:
        return FRAME_INCOMPLETE if memcmp(data, b"8=FIX", size) == 0 else skip(data, size, length)
    if memcmp(data, b"8=FIX", 5) != 0:
        return skip(data, size, length)
    while i < size and data[i] != SOH:
        i += 1
        if i > 16:
            return skip(data, size, length)
    start = i + 3
    if size < start:                    # not yet "<separator>9="
        if i + 1 < size and data[i + 1] != 57:
            return skip(data, size, length)
        return FRAME_INCOMPLETE
    if data[i + 1] != 57 or data[i + 2] != 61:
        return skip(data, size, length)
    i = start
    while i < size and data[i] != SOH:
        digit = <uint32_t>data[i] - 48
        i += 1
        if digit > 9 or i - start > 8:
            return skip(data, size, length)
        body = body * 10 + digit
    if i == start and i < size:
        return skip(data, size, length)
    total = i + 1 + body + 7
    if total > MAX_MESSAGE:
        skip(data, size, length)
        return FRAME_TOO_LONG
    if i >= size or total > size:
        return FRAME_INCOMPLETE
    if body < 5 or not ends_in_trailer(data, total):
        return skip_stated(data, size, total - 8, length)
    length[0] = total
    if memcmp(data + i + 1, b"35=", 3) != 0 or not checksum_is_right(data, total):
        return FRAME_GARBLED
    return FRAME_OK


cdef FrameResult skip(const uint8_t* data, size_t size, size_t* length) noexcept nogil:
    """Garbled: everything up to the next "8=FIX" after the first byte, or to a tail that may become one."""
    cdef size_t i = 1, left
    while i < size:
        if data[i] == 56:
            left = size - i
            if memcmp(data + i, b"8=FIX", 5 if left > 5 else left) == 0:
                break
        i += 1
    length[0] = i
    return FRAME_GARBLED


cdef FrameResult skip_stated(const uint8_t* data, size_t size, size_t end, size_t* length) noexcept nogil:
    """Garbled, with a BodyLength that is wrong: everything up to its end, where the last separator of the body should
    stand, and from there to the end of a CheckSum field or to "8=FIX", whatever comes first.

    What is found depends on the bytes alone, not on how many have come so far.
    """
    cdef size_t i
    cdef bint in_trailer = False
    for i in range(end, size if size < MAX_MESSAGE else <size_t>MAX_MESSAGE):
        if data[i] == SOH:
            if in_trailer:
                length[0] = i + 1
                return FRAME_GARBLED
            in_trailer = size - i > 3 and memcmp(data + i + 1, b"10=", 3) == 0
        elif data[i] == 56 and size - i > 4 and memcmp(data + i, b"8=FIX", 5) == 0:
            length[0] = i
            return FRAME_GARBLED
    if size < MAX_MESSAGE + 4:      # what begins in them may not have come whole
        return FRAME_INCOMPLETE
    length[0] = MAX_MESSAGE
    return FRAME_GARBLED


cdef inline bint checksum_is_right(const uint8_t* message, size_t length) noexcept nogil:
    cdef const uint8_t* digits = message + length - 4
    cdef uint32_t stated = (digits[0] - 48) * 100 + (digits[1] - 48) * 10 + (digits[2] - 48)
    return stated == checksum(message, length - 7)
