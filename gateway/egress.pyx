# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# `append` checks each record's size against the buffer before it reads further; all other indexes are
# of arrays that this object sized itself.
"""The egress store: numbered messages kept for ResendRequests, derived from the log as it is applied.

Holds one stream of records, its newest `window_bytes` in memory and all finished blocks of it in a file
(written in blocks of 1 MiB, never synced: it is made again from the log). Memory: the window, 56 bytes
a session, and 1/8 byte a message (8 bytes for every 64 of a session's messages).

The object owns its blocks and index; records are copied in and out. The GIL is held throughout.
Raises: ValueError for bytes that are no records or numbers that do not follow; OSError from the file;
RuntimeError when the file does not hold what was written; MemoryError. After an OSError the store is
unusable: stop, and make it again from the log.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memset

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.memoryview cimport PyMemoryView_FromMemory
from cpython.buffer cimport PyBUF_READ

from gateway.records cimport EGRESS_MESSAGE, EgressHead, MSG_LOGON, SessionFields

WINDOW_BYTES = 64 << 20


cdef bint goes_on(const EgressHead* head, const uint8_t* record) noexcept:
    """Whether it is the answer to a Logon behind which the session's numbers go on."""
    cdef SessionFields fields
    if head.msg_type != MSG_LOGON or head.size < sizeof(EgressHead) + sizeof(SessionFields):
        return False
    memcpy(&fields, record + sizeof(EgressHead), sizeof(SessionFields))
    return fields.ref_seq_num != 0


cdef class EgressStore:
    """What can be sent again, by session and MsgSeqNum.

    `file` has pwrite(data, offset) and pread(size, offset) (replication.disk.File) and begins empty;
    `window_bytes` of the newest messages are kept in memory (at least two blocks).
    """

    def __cinit__(self, file, size_t window_bytes=WINDOW_BYTES):
        cdef size_t position
        self.file = file
        self.page = b""
        self.window = max(<size_t>2, window_bytes // BLOCK)
        self.blocks = <Block*>calloc(self.window, sizeof(Block))
        if self.blocks == NULL:
            raise MemoryError("no memory for the egress store")
        for position in range(self.window):
            self.blocks[position].start = <uint64_t>-1      # nothing in it yet
        self._open_block()

    def __dealloc__(self):
        cdef size_t position
        if self.blocks != NULL:
            for position in range(self.window):
                free(self.blocks[position].bytes)
        if self.sessions != NULL:
            for position in range(self.session_room):
                free(self.sessions[position].offsets)
        free(self.blocks)
        free(self.sessions)

    def numbers(self, uint32_t session):
        """(first, last) MsgSeqNum of the session that can be resent; (0, 0): none."""
        if session >= self.session_room or self.sessions[session].last == 0:
            return 0, 0
        return self.sessions[session].first, self.sessions[session].last

    # ------------------------------------------------------------ append

    def append(self, const uint8_t[::1] records not None):
        """Keep the EGRESS_MESSAGE records of Egress bytes; other kinds are passed over. O(1) a record.

        A message numbered 1 starts its session's numbers again, unless it says that they go on behind it. Raises
        ValueError when the bytes are not whole records, or a number is not the session's next.
        """
        cdef Py_ssize_t offset = 0
        cdef Py_ssize_t length = records.shape[0]
        cdef EgressHead head
        while offset < length:
            head.size = 0
            if length - offset >= <Py_ssize_t>sizeof(EgressHead):
                memcpy(&head, &records[offset], sizeof(EgressHead))     # which may lie at any address
            if (head.size < sizeof(EgressHead) or head.size % 8 or head.size > BLOCK
                    or head.size > <size_t>(length - offset)):
                raise ValueError(f"no egress record at byte {offset} of {length}")
            if head.kind == EGRESS_MESSAGE:
                self._append(&head, &records[offset])
            offset += head.size

    cdef int _append(self, const EgressHead* head, const uint8_t* record) except -1:
        cdef SessionIndex* session
        cdef Block* block
        cdef EgressHead* kept
        if head.session >= self.session_room:
            self._grow_sessions(head.session)
        session = &self.sessions[head.session]
        if head.msg_seq_num == 1 and session.last and goes_on(head, record):
            return 0
        if session.last == 0 or head.msg_seq_num == 1:
            self._reset(session, head.msg_seq_num)
        elif head.msg_seq_num != session.last + 1:
            raise ValueError(
                f"session {head.session}: message {head.msg_seq_num} cannot follow {session.last}")
        block = &self.blocks[self.block_count % self.window]
        if block.used + head.size > BLOCK:
            self._finish_block()
            block = &self.blocks[self.block_count % self.window]
        kept = <EgressHead*>(block.bytes + block.used)
        memcpy(kept, record, head.size)
        kept.previous = session.last_offset     # of the first message: not read
        if head.msg_seq_num % INDEXED == 0:
            self._index(session, self.end)
        session.last = head.msg_seq_num
        session.last_offset = self.end
        block.used += head.size
        self.end += head.size
        return 0

    cdef int _finish_block(self) except -1:
        """Write the block out and begin the next, in place of the oldest."""
        cdef Block* block = &self.blocks[self.block_count % self.window]
        self.file.pwrite(PyMemoryView_FromMemory(<char*>block.bytes, block.used, PyBUF_READ), block.start)
        self.block_count += 1
        return self._open_block()

    cdef int _open_block(self) except -1:
        cdef Block* block = &self.blocks[self.block_count % self.window]
        if block.bytes == NULL:
            block.bytes = <uint8_t*>malloc(BLOCK)
            if block.bytes == NULL:
                raise MemoryError(f"no memory for {BLOCK} bytes of the egress window")
        block.start = self.end
        block.used = 0
        return 0

    cdef int _grow_sessions(self, uint32_t session) except -1:
        cdef size_t room = max(<size_t>64, 2 * self.session_room)
        cdef SessionIndex* bigger
        if session >= MAX_SESSIONS:
            raise ValueError(f"session id {session}: the egress store holds ids below {MAX_SESSIONS}")
        while room <= session:
            room *= 2
        bigger = <SessionIndex*>realloc(self.sessions, room * sizeof(SessionIndex))
        if bigger == NULL:
            raise MemoryError(f"no memory for {room} sessions of the egress store")
        memset(bigger + self.session_room, 0, (room - self.session_room) * sizeof(SessionIndex))
        self.sessions = bigger
        self.session_room = room
        return 0

    cdef int _index(self, SessionIndex* session, uint64_t offset) except -1:
        cdef size_t room
        cdef uint64_t* bigger
        if session.count == session.room:
            room = max(<size_t>8, 2 * session.room)
            bigger = <uint64_t*>realloc(session.offsets, room * sizeof(uint64_t))
            if bigger == NULL:
                raise MemoryError(f"no memory for an index of {room} entries of the egress store")
            session.offsets = bigger
            session.room = room
        session.offsets[session.count] = offset
        session.count += 1
        return 0

    cdef void _reset(self, SessionIndex* session, uint64_t first) noexcept:
        free(session.offsets)
        memset(session, 0, sizeof(SessionIndex))
        session.first = first
        session.first_offset = self.end

    # ------------------------------------------------------------ read

    def read(self, uint32_t session, uint64_t begin, uint64_t end, size_t limit_bytes):
        """The session's records numbered `begin` to `end` (0: to the last), in order, as bytes.

        Stops before a record that would exceed `limit_bytes`, though never before the first: call again from
        the number after the last one returned. Numbers that cannot be resent are left out; [] when none can.
        O(64 + the records returned), file reads included.
        """
        cdef SessionIndex* index
        cdef uint64_t last
        cdef size_t total = 0
        cdef list found = []
        cdef bytes record
        if session >= self.session_room or self.sessions[session].last == 0:
            return found
        index = &self.sessions[session]
        begin = max(begin, index.first)
        end = index.last if end == 0 else min(end, index.last)
        while begin <= end:
            last = min(end, begin - begin % INDEXED + INDEXED - 1)     # the group between two kept offsets
            for record in self._group(session, begin, last):
                total += len(record)
                if total > limit_bytes and found:
                    return found
                found.append(record)
            begin = last + 1
        return found

    def first_from(self, uint32_t session, uint64_t input_number):
        """The session's first message of this input, or of a later one; 0: none that can be resent. O(log n + 64)
        records are looked at, file reads included."""
        cdef SessionIndex* index
        cdef uint64_t first_kept, begin, end
        cdef size_t low = 0, high, middle
        cdef bytes record
        if session >= self.session_room or self.sessions[session].last == 0:
            return 0
        index = &self.sessions[session]
        first_kept = (index.first + INDEXED - 1) // INDEXED
        high = index.count
        while low < high:       # the first kept offset whose message is late enough
            middle = (low + high) // 2
            record = self._record(index.offsets[middle], session, (first_kept + middle) * INDEXED)
            if (<const EgressHead*>PyBytes_AS_STRING(record)).input_number < input_number:
                low = middle + 1
            else:
                high = middle
        begin = index.first if low == 0 else (first_kept + low - 1) * INDEXED + 1
        end = index.last if low == index.count else (first_kept + low) * INDEXED
        if begin > end:
            return 0
        for record in self._group(session, begin, end):
            if (<const EgressHead*>PyBytes_AS_STRING(record)).input_number >= input_number:
                return (<const EgressHead*>PyBytes_AS_STRING(record)).msg_seq_num
        return 0

    cdef list _group(self, uint32_t session, uint64_t begin, uint64_t end):
        """Records `begin` to `end`, which lie in one group, found backwards from the next kept offset."""
        cdef SessionIndex* index = &self.sessions[session]
        cdef uint64_t number = index.last
        cdef uint64_t offset = index.last_offset
        cdef uint64_t first_kept = (index.first + INDEXED - 1) // INDEXED
        cdef uint64_t kept = begin // INDEXED + 1
        cdef bytes record
        cdef list found = []
        if kept - first_kept < index.count:
            number = kept * INDEXED
            offset = index.offsets[kept - first_kept]
        while True:
            record = self._record(offset, session, number)
            if number <= end:
                found.append(record)
            if number == begin:
                break
            offset = (<const EgressHead*>PyBytes_AS_STRING(record)).previous
            number -= 1
        found.reverse()
        return found

    cdef bytes _record(self, uint64_t offset, uint32_t session, uint64_t number):
        """The record at an offset, which must be that message."""
        cdef const uint8_t* place = self._in_memory(offset)
        cdef const EgressHead* head
        cdef bytes record
        if place != NULL:
            return PyBytes_FromStringAndSize(<const char*>place, (<const EgressHead*>place).size)
        record = self._from_file(offset, sizeof(EgressHead))
        head = <const EgressHead*>PyBytes_AS_STRING(record)
        if (len(record) == sizeof(EgressHead) and head.session == session and head.msg_seq_num == number
                and sizeof(EgressHead) <= head.size <= BLOCK):
            record = self._from_file(offset, head.size)
            if len(record) == (<const EgressHead*>PyBytes_AS_STRING(record)).size:
                return record
        raise RuntimeError(
            f"the egress file does not hold message {number} of session {session} at offset {offset}: it was "
            "changed from outside; stop and start again to make it from the log")

    cdef const uint8_t* _in_memory(self, uint64_t offset) noexcept:
        """NULL: only in the file. O(log blocks)."""
        cdef const Block* block = self._block_at(offset)
        return NULL if block == NULL else block.bytes + (offset - block.start)

    cdef const Block* _block_at(self, uint64_t offset) noexcept:
        cdef size_t low, high, middle
        low = 0 if self.block_count < self.window else self.block_count - self.window + 1
        high = self.block_count
        if offset < self.blocks[low % self.window].start:
            return NULL
        while low < high:       # the last block that starts at or before the offset
            middle = (low + high + 1) // 2
            if self.blocks[middle % self.window].start <= offset:
                low = middle
            else:
                high = middle - 1
        return &self.blocks[low % self.window]

    cdef bytes _from_file(self, uint64_t offset, size_t size):
        """Bytes of a finished block; the page around them is kept, since neighbours are often next."""
        cdef uint64_t written = self.blocks[self.block_count % self.window].start
        cdef uint64_t start = offset - offset % PAGE
        cdef uint64_t size_wanted
        if offset < self.page_start or offset + size > self.page_start + len(self.page):
            size_wanted = max(<uint64_t>PAGE, offset - start + size)
            self.page = self.file.pread(min(size_wanted, written - start), start)
            self.page_start = start
        return self.page[offset - self.page_start:offset - self.page_start + size]

    # ------------------------------------------------------------ the stream

    cdef bytes first_offsets(self):
        """Of every session's oldest message that can be resent, 8 bytes each, by session id, up to the last one's."""
        cdef bytes offsets
        cdef uint64_t* place
        cdef size_t session, count = self.session_room
        while count and self.sessions[count - 1].last == 0:
            count -= 1
        offsets = PyBytes_FromStringAndSize(NULL, count * sizeof(uint64_t))
        place = <uint64_t*>PyBytes_AS_STRING(offsets)
        for session in range(count):
            place[session] = self.sessions[session].first_offset
        return offsets

    cdef bytes stretch(self, uint64_t offset, uint64_t end):
        """The stream from a record's offset on, at most a block of it; what it ends with may be cut."""
        cdef const Block* block = self._block_at(offset)
        cdef uint64_t written = self.blocks[self.block_count % self.window].start
        if block == NULL:
            return self.file.pread(min(<uint64_t>BLOCK, min(end, written) - offset), offset)
        return PyBytes_FromStringAndSize(
            <const char*>block.bytes + (offset - block.start), min(end, block.start + block.used) - offset)
