# cython: boundscheck=False, wraparound=False, initializedcheck=False
# Safe: no Python sequence is indexed; a schedule's number is one that was given out here.
"""Operators and what they ask for.

Owns the table of schedules, which operations name. Runs without the GIL; raises MemoryError.
"""

from libc.stdint cimport INT64_MIN, uint8_t, uint32_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memset

from gateway.records cimport OperatorBody
from gateway.session cimport Sessions
from gateway.short_strings cimport same


cdef class Operations:
    def __cinit__(self, Sessions sessions not None) -> None:
        self.sessions = sessions

    def __dealloc__(self) -> None:
        free(self.schedules)

    cdef int enter_operator(self, const OperatorBody* body) except -1 nogil:
        self.sessions.named(<const uint8_t*> (body + 1), body.comp_id_length).is_operator = 1
        return 0

    # ------------------------------------------------------------ schedules

    cdef uint32_t schedule_of(self, const uint8_t* name, size_t length) noexcept nogil:
        cdef uint32_t i
        for i in range(self.schedule_count):
            if same(self.schedules[i].name, self.schedules[i].name_length, name, length):
                return i + 1
        return 0

    cdef uint32_t add_schedule(self, const uint8_t* name, size_t length) except 0 nogil:
        cdef uint32_t room
        cdef Schedule* made
        if self.schedule_count == self.schedule_room:
            room = self.schedule_room * 2 if self.schedule_room else 8
            made = <Schedule*> realloc(self.schedules, room * sizeof(Schedule))
            if made == NULL:
                with gil:
                    raise MemoryError("no memory for a schedule")
            self.schedules = made
            self.schedule_room = room
        made = &self.schedules[self.schedule_count]
        memset(made, 0, sizeof(Schedule))
        made.step_ns = INT64_MIN
        made.name_length = <uint8_t> length
        memcpy(made.name, name, length)
        self.schedule_count += 1
        return self.schedule_count
