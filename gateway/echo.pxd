# The application of a `fix-echo`: what a client sends comes back.

cimport cython

from gateway.session cimport Message, Session, Sessions


@cython.final
cdef class Echo:
    cdef Sessions sessions
    cdef dict seen              # session id -> (epoch, the last ClOrdIDs of that connection, oldest first)

    cdef int act(self, Session* s, const Message* m) except -1 nogil
    cdef bint _is_new(self, const Session* s, const Message* m) except -1
