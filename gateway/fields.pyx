# cython: boundscheck=False, wraparound=False, initializedcheck=False
# Safe: no Python sequence is indexed; every read is behind a comparison with the end of the body.
"""Walks over the fields of a body. Holds no state.

The edge has judged them by its dictionary before they came into the log, but what is found here must not depend on
any dictionary: replicas may have different ones. So data fields, whose values may hold separators, are those of FIX 4.4
only. A data field of a user's own is cut at a separator in it, and the walk ends there unless a field seems to follow.
"""

from libc.stdint cimport uint64_t

from gateway.fix_values cimport SOH, next_field as cut_field, parse_uint


cdef inline uint32_t data_tag_of(uint32_t tag) noexcept nogil:
    # The data field that a field of FIX 4.4 states the length of; 0 = it is no length.
    if tag == 90 or tag == 95 or tag == 212 or tag == 445 or tag == 618 or tag == 621:
        return tag + 1
    if tag >= 348 and tag <= 364 and tag & 1 == 0:
        return tag + 1
    return 89 if tag == 93 else 0


cdef Fields fields_of(const uint8_t* body, size_t size) noexcept nogil:
    cdef Fields field
    field.tag = field.data_tag = 0
    field.value = field.at = body
    field.length = 0
    field.end = body + size
    return field


cdef bint next_field(Fields* field) noexcept nogil:
    cdef size_t position = 0, length = 0, most
    cdef uint64_t stated = 0
    cdef uint32_t wanted = field.data_tag
    if wanted and not parse_uint(field.value, field.length, &stated):
        wanted = 0
    if cut_field(field.at, <size_t> (field.end - field.at), &position, &field.tag, &field.value, &length) != 1:
        field.at = field.end
        return False
    if wanted and field.tag == wanted:
        most = <size_t> (field.end - field.value)
        if stated < most and field.value[stated] == SOH:
            length = <size_t> stated
    field.length = length
    field.data_tag = data_tag_of(field.tag)
    field.at = field.value + length + 1
    return True


cdef bint find_field(const uint8_t* body, size_t size, uint32_t tag, Fields* found) noexcept nogil:
    found[0] = fields_of(body, size)
    while next_field(found):
        if found.tag == tag:
            return True
    return False


cdef bint is_plain(const uint8_t* value, size_t length) noexcept nogil:
    cdef size_t i
    for i in range(length):
        if not 32 <= value[i] <= 126:
            return False
    return True


def walk(body: bytes) -> list[tuple[int, bytes]]:
    """The fields that are found in a body, for tests."""
    cdef Fields field = fields_of(<const uint8_t*> <const char*> body, len(body))
    found = []
    while next_field(&field):
        found.append((field.tag, field.value[:field.length]))
    return found


def first(body: bytes, tag: int) -> bytes | None:
    """The value of the first field with this tag, for tests; None: there is none."""
    cdef Fields field
    if find_field(<const uint8_t*> <const char*> body, len(body), tag, &field):
        return field.value[:field.length]
    return None
