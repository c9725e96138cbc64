# The replicated state machine, for Python.

cimport cython
from libc.stdint cimport uint32_t

from gateway.session cimport Session
from gateway.snapshot_reader cimport SnapshotReader
from gateway.snapshot_writer cimport SnapshotWriter
from gateway.state_machine cimport StateMachine


@cython.final
cdef class Exchange(StateMachine):
    cdef int _write_gateways(self, SnapshotWriter writer) except -1
    cdef int _read_gateways(self, SnapshotReader reader) except -1
    cdef str _comp_id(self, uint32_t session)
    cdef str _schedule(self, uint32_t number)
    cdef dict _instrument_facts(self, uint32_t number)
    cdef dict _session(self, const Session* s)
