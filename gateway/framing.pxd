# The framing of a log entry: Inputs end to end, each as gateway/records.pxd says.

from libc.stdint cimport uint8_t

from gateway.records cimport InputHead
from gateway.session cimport Message

# Checks every length in a whole payload once, so that nothing after it has to. ValueError with the offset.
cdef int check_payload(const uint8_t* payload, size_t size) except -1

# The pieces of a checked INPUT_MESSAGE. O(1)
cdef void split_message(const InputHead* head, Message* message) noexcept nogil
