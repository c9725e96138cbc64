# cython: boundscheck=False, wraparound=False, initializedcheck=False
# Safe: no Python sequence is indexed; the outbox holds whole records, which this process has written.
"""Drop copies: numbered copies of reports for who watches other sessions.

Owns the list of who sees whom, which the log fills, at its begin or later, and nothing empties. A copy is a message of
the session that sees it, with a number of its own; it follows what its input led to. Runs without the GIL; raises
MemoryError.
"""

from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

from gateway.records cimport (
    EGRESS_MESSAGE, EgressHead, ExecutionFields, MSG_EXECUTION_REPORT, MSG_MASS_CANCEL_REPORT, MSG_ORDER_CANCEL_REJECT,
)
from gateway.session cimport Session


cdef inline bint is_report(const EgressHead* head) noexcept nogil:
    return head.kind == EGRESS_MESSAGE and (
        head.msg_type == MSG_EXECUTION_REPORT or head.msg_type == MSG_ORDER_CANCEL_REJECT
        or head.msg_type == MSG_MASS_CANCEL_REPORT)


cdef inline size_t body_size(const ExecutionFields* fields) noexcept nogil:
    # With its strings, without what pads them.
    return (sizeof(ExecutionFields) + fields.cl_ord_id_length + fields.orig_cl_ord_id_length + fields.account_length
            + fields.parties_length + fields.symbol_length + fields.text_length + fields.request_id_length)


cdef class DropCopies:
    def __cinit__(self, Sessions sessions not None) -> None:
        self.sessions = sessions

    def __dealloc__(self) -> None:
        free(self.pairs)

    cdef int enter(self, const DropCopyBody* body) except -1 nogil:
        # Both sessions exist from here on. Who has open orders goes on as a trader: it could not cancel them any more.
        cdef const uint8_t* name = <const uint8_t*> (body + 1)
        cdef const Session* s = self.sessions.named(name, body.comp_id_length)
        cdef uint32_t of = 0
        if body.of_length:
            of = self.sessions.named(name + body.comp_id_length, body.of_length).id
        if s.open_count or self.has(s.id, of):
            return 0
        if of == 0:
            self._forget(s.id)      # those that it has seen so far are among all
        return self.add(s.id, of)

    cdef void _forget(self, uint32_t session) noexcept nogil:
        cdef uint32_t i, kept = 0
        for i in range(self.count):
            if self.pairs[i].session != session:
                self.pairs[kept] = self.pairs[i]
                kept += 1
        self.count = kept

    cdef bint has(self, uint32_t session, uint32_t of) noexcept nogil:
        cdef uint32_t i
        for i in range(self.count):
            if self.pairs[i].session == session and (self.pairs[i].of == of or self.pairs[i].of == 0):
                return True
        return False

    cdef int add(self, uint32_t session, uint32_t of) except -1 nogil:
        cdef uint32_t room
        cdef DropCopy* grown
        if self.count == self.room:
            room = self.room * 2 if self.room else 8
            grown = <DropCopy*> realloc(self.pairs, room * sizeof(DropCopy))
            if grown == NULL:
                with gil:
                    raise MemoryError("no memory for a drop copy")
            self.pairs = grown
            self.room = room
        self.pairs[self.count].session = session
        self.pairs[self.count].of = of
        self.count += 1
        self.sessions.by_id(session).sees_others = 1
        return 0

    cdef int copy(self, size_t begin) except -1 nogil:
        cdef size_t at = begin, end = self.sessions.outbox.size
        cdef const EgressHead* head
        cdef uint32_t i, session
        cdef bint watches
        while at < end:
            head = <const EgressHead*> (self.sessions.outbox.data + at)
            if is_report(head):
                session = head.session
                watches = self.sessions.by_id(session).sees_others
                for i in range(self.count):
                    if self.pairs[i].of == session or (self.pairs[i].of == 0 and not watches):
                        self._copy_one(at, self.pairs[i].session)
            at += (<const EgressHead*> (self.sessions.outbox.data + at)).size
        return 0

    cdef int _copy_one(self, size_t at, uint32_t session) except -1 nogil:
        # The outbox may move while it grows.
        cdef const EgressHead* head = <const EgressHead*> (self.sessions.outbox.data + at)
        cdef const Session* whose = self.sessions.by_id(head.session)
        cdef Session* s = self.sessions.by_id(session)
        cdef size_t size = body_size(<const ExecutionFields*> (head + 1))
        cdef uint8_t* body
        if s.outbound == 1:     # which is a Logon's whenever the session's numbers begin anew
            s.outbound = 2
        body = self.sessions.message(s, head.msg_type, size + whose.comp_id_length)
        head = <const EgressHead*> (self.sessions.outbox.data + at)
        memcpy(body, head + 1, size)
        (<ExecutionFields*> body).on_behalf_length = whose.comp_id_length
        memcpy(body + size, whose.comp_id, whose.comp_id_length)
        return 0
