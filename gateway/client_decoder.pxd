from gateway.client_records cimport Message

cdef class Batch:
    cdef readonly bytes data
    cdef readonly size_t count
    cdef Message* messages
    cdef Py_ssize_t shape[1]

cdef class Report:
    cdef Batch batch
    cdef const Message* message
    cdef object text_of(self, int which)
