# cython: boundscheck=False, wraparound=False, initializedcheck=False
# Safe: no Python sequence is indexed; pointers into an input were checked when the entry began (framing.pyx).
"""An application that answers every message with itself, so that the session layer can be tested by itself.

Holds the ClOrdIDs it has seen with each message type, which are no part of a snapshot: an exchange that echoes makes
none. Raises MemoryError.
"""

from gateway.fields cimport Fields, find_field
from gateway.reasons cimport UNSUPPORTED_MESSAGE, text_of
from gateway.records cimport FLAG_POSS_RESEND

cdef enum:
    BUSINESS_UNSUPPORTED_TYPE = 3   # BusinessRejectReason (380)
    SEEN = 10000                    # ClOrdIDs of a session that are remembered

# Messages that only an exchange sends: from a client it takes none of them, and neither does an echo.
cdef set ONE_WAY = {b"8", b"9", b"r", b"W", b"X", b"Y", b"y", b"f", b"h", b"AE", b"AQ", b"AR"}


cdef class Echo:
    def __init__(self, Sessions sessions not None) -> None:
        self.sessions = sessions
        self.seen = {}

    cdef int act(self, Session* s, const Message* m) except -1 nogil:
        cdef size_t type_length = m.fields.msg_type_length
        with gil:
            if m.msg_type[:type_length] in ONE_WAY:
                return self.sessions.business_reject(s, m, BUSINESS_UNSUPPORTED_TYPE, 0,
                                                     text_of(UNSUPPORTED_MESSAGE), m.text, 0)
            if not self._is_new(s, m):
                return 0
        self.sessions.text(s, m.msg_type, type_length, m.body, m.fields.body_length).flags = (
            m.fields.flags & FLAG_POSS_RESEND)
        return 0

    cdef bint _is_new(self, const Session* s, const Message* m) except -1:
        # False: it may be a copy (PossResend) of one of its kind that was seen. FIX 4.4, volume 2, test case 19.
        cdef Fields field
        cdef tuple name
        cdef dict seen
        if not find_field(m.body, m.fields.body_length, 11, &field):
            return True
        name = m.msg_type[:m.fields.msg_type_length], field.value[:field.length]
        if self.seen.get(s.id, (0, None))[0] != s.epoch:
            self.seen[s.id] = (s.epoch, {})
        seen = self.seen[s.id][1]
        if m.fields.flags & FLAG_POSS_RESEND and name in seen:
            return False
        seen[name] = None
        if len(seen) > SEEN:
            del seen[next(iter(seen))]
        return True
