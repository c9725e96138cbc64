# The fields of a body that travels as text, one after the other: what `apply` reads of a request.
#
#   cdef Fields field = fields_of(m.body, m.fields.body_length)
#   while next_field(&field):
#       if field.tag == 262: ...

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t

cdef struct Fields:
    uint32_t tag                # of the field that was found last
    uint32_t data_tag           # of the data field that should follow it; 0 = none
    const uint8_t* value        # without its separator, which lies behind it
    size_t length
    const uint8_t* at           # the next field
    const uint8_t* end

cdef Fields fields_of(const uint8_t* body, size_t size) noexcept nogil

# On to the next field. False: there is none, or what follows is no field.
cdef bint next_field(Fields* field) noexcept nogil

# Printable ASCII only, ' ' to '~': what may be echoed.
cdef bint is_plain(const uint8_t* value, size_t length) noexcept nogil

# The first field with this tag, in a group or not. False: there is none.
cdef bint find_field(const uint8_t* body, size_t size, uint32_t tag, Fields* found) noexcept nogil
