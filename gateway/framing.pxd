# The framing of a log entry: Inputs end to end, each as gateway/records.pxd says.

from libc.stdint cimport int64_t, uint8_t, uint32_t

from gateway.records cimport InputHead
from gateway.session cimport Message

# Checks every length in the payload of entry `index` once, so that nothing after it has to. ValueError with the offset.
# NewerRules when it activates a version above `newest_rules`.
cdef int check_payload(int64_t index, const uint8_t* payload, size_t size, uint32_t newest_rules) except -1 nogil

# The pieces of a checked INPUT_MESSAGE. O(1)
cdef void split_message(const InputHead* head, Message* message) noexcept nogil

# A record that is all there, of a kind that is known, with what its lengths say. left: bytes from it on.
cdef bint is_whole(const InputHead* head, size_t left) noexcept nogil
