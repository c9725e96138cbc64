# The egress store: every numbered message that a session may ask to be sent again.
#
# One stream of EGRESS_MESSAGE records, end to end, each linked to the session's
# message before it (EgressHead.previous). The stream's newest blocks are in memory;
# all finished blocks are in a file at the same offsets. Of each session every
# INDEXED-th message's offset is kept, and of its last.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from gateway.records cimport EgressHead

cdef enum:
    INDEXED = 64            # every so many messages of a session one offset is kept
    BLOCK = 1 << 20         # bytes written to the file at once; no record is cut by a block's end
    PAGE = 16384            # bytes read from the file at once
    MAX_SESSIONS = 1 << 24  # session ids are dense: a higher one is damage

cdef struct SessionIndex:   # 56 bytes, plus 8 for every INDEXED messages
    uint64_t first          # oldest number that can be resent
    uint64_t first_offset
    uint64_t last           # newest; 0 = none
    uint64_t last_offset
    uint64_t* offsets       # of every message whose number is a multiple of INDEXED
    size_t count
    size_t room

cdef struct Block:
    uint64_t start          # offset of its first byte in the stream
    size_t used
    uint8_t* bytes          # BLOCK bytes

cdef class EgressStore:
    cdef object file
    cdef SessionIndex* sessions     # by session id
    cdef size_t session_room
    cdef Block* blocks              # a ring: the newest is blocks[block_count % window], the one being filled
    cdef size_t window              # blocks in memory
    cdef size_t block_count         # finished blocks
    cdef uint64_t end               # offset where the stream ends
    cdef bytes page                 # the last bytes read from the file
    cdef uint64_t page_start

    # for snapshots
    cdef bytes first_offsets(self)
    cdef bytes stretch(self, uint64_t offset, uint64_t end)

    cdef int _append(self, const EgressHead* head, const uint8_t* record) except -1
    cdef int _finish_block(self) except -1
    cdef int _open_block(self) except -1
    cdef int _grow_sessions(self, uint32_t session) except -1
    cdef int _index(self, SessionIndex* session, uint64_t offset) except -1
    cdef void _reset(self, SessionIndex* session, uint64_t first) noexcept
    cdef list _group(self, uint32_t session, uint64_t begin, uint64_t end)
    cdef bytes _record(self, uint64_t offset, uint32_t session, uint64_t number)
    cdef const uint8_t* _in_memory(self, uint64_t offset) noexcept
    cdef const Block* _block_at(self, uint64_t offset) noexcept
    cdef bytes _from_file(self, uint64_t offset, size_t size)
