# The framing of a log entry: Inputs end to end, each as gateway/records.pxd says.

from libc.stdint cimport int64_t, uint8_t

from gateway.records cimport InputHead
from gateway.session cimport Message

# Checks every length in the payload of entry `index` once, so that nothing after it has to. ValueError with the offset.
cdef int check_payload(int64_t index, const uint8_t* payload, size_t size) except -1 nogil

# The pieces of a checked INPUT_MESSAGE. O(1)
cdef void split_message(const InputHead* head, Message* message) noexcept nogil
