"""The work of a command, a step at a time: one trade, one order, a few prices or orders that are only looked at.

The same comes out however it is cut: nothing but a step changes anything until all are done. A step takes
microseconds, however large the books are.

Holds nothing; raises MemoryError, and AssertionError for a broken invariant, after which the machine stops.
"""

from libc.stdint cimport INT64_MAX, SIZE_MAX, int64_t

from engine.lists cimport step_list
from engine.many cimport step_command
from engine.matching cimport step_match, step_park
from engine.phases cimport step_phase
from engine.state cimport Books, Work, reserve_reports
from engine.tell cimport OTHERS
from engine.triggers cimport step_aftermath

cdef int step(Books* books) except -1 nogil:
    """The innermost thing that is begun goes on."""
    cdef const Work* work = &books.work
    if work.list_step:
        return step_list(books)
    if work.park_step:
        return step_park(books)
    if work.match_step:
        return step_match(books)
    if work.after_step:
        return step_aftermath(books)
    if work.phase_step:
        return step_phase(books)
    return step_command(books)

cdef bint work_on(Books* books, int64_t steps, size_t reports) except -1 nogil:
    while steps > 0 and books.report_count < reports and has_work(books):
        step(books)
        steps -= 1
    # The commands behind it in a block find the room that was reserved for the block.
    reserve_reports(books, OTHERS)
    return not has_work(books)

cdef int leave_work(Books* books) except -1 nogil:
    if not books.leaves_work:
        work_on(books, INT64_MAX, SIZE_MAX)
    return 0
