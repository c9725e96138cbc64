# Messages that came before their turn: numbered beyond the next one expected, kept until those between have come.
#
# Records as they came in the log, end to end, in order of arrival. Bounded: what does not fit is asked for again.

from libc.stdint cimport uint32_t, uint64_t, uint8_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memmove

from gateway.records cimport InputHead, MessageHead

cdef enum:
    MAX_EARLY = 256             # messages of a session
    MAX_EARLY_BYTES = 1 << 18

cdef struct Early:
    uint8_t* records
    uint32_t size               # bytes
    uint32_t room
    uint32_t count


cdef inline uint64_t number_of(const InputHead* head) noexcept nogil:
    return (<const MessageHead*> (head + 1)).msg_seq_num


cdef inline const InputHead* early_find(const Early* early, uint64_t number) noexcept nogil:
    # NULL: it did not come. O(messages kept)
    cdef uint32_t at = 0
    cdef const InputHead* head
    while at < early.size:
        head = <const InputHead*> (early.records + at)
        if number_of(head) == number:
            return head
        at += head.size
    return NULL


cdef inline bint early_keep(Early* early, const InputHead* head) noexcept nogil:
    # False: no memory. One that is kept already, or does not fit, is passed over.
    cdef uint32_t room
    cdef uint8_t* grown
    if (early.count == MAX_EARLY or early.size + head.size > MAX_EARLY_BYTES
            or early_find(early, number_of(head)) != NULL):
        return True
    if early.size + head.size > early.room:
        room = 2 * early.room + head.size
        grown = <uint8_t*> realloc(early.records, room)
        if grown == NULL:
            return False
        early.records = grown
        early.room = room
    memcpy(early.records + early.size, head, head.size)
    early.size += head.size
    early.count += 1
    return True


cdef inline void early_forget(Early* early) noexcept nogil:
    free(early.records)
    early.records = NULL
    early.size = early.room = early.count = 0


cdef inline void early_forget_before(Early* early, uint64_t number) noexcept nogil:
    # What came otherwise meanwhile, or was filled.
    cdef uint32_t at = 0, size
    cdef const InputHead* head
    while at < early.size:
        head = <const InputHead*> (early.records + at)
        size = head.size
        if number_of(head) < number:
            early.size -= size
            early.count -= 1
            memmove(early.records + at, early.records + at + size, early.size - at)
        else:
            at += size
    if early.count == 0:
        early_forget(early)
