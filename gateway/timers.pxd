# The deadlines of sessions: a binary heap in (deadline, kind, session) order.
#
# A node is a lower bound. What it stands for may have moved to later (each message moves a silence deadline), so
# whoever takes a node compares it with the real deadline and puts it back when it is early.

from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport realloc

cdef struct Timer:              # 16 bytes
    int64_t deadline_ns
    uint32_t kind
    uint32_t session

cdef struct TimerHeap:          # all zero = empty, no memory
    Timer* nodes
    size_t count
    size_t room

cdef inline bint timer_before(const Timer* a, const Timer* b) noexcept nogil:
    if a.deadline_ns != b.deadline_ns:
        return a.deadline_ns < b.deadline_ns
    if a.kind != b.kind:
        return a.kind < b.kind
    return a.session < b.session

cdef inline bint timers_push(TimerHeap* heap, Timer timer) noexcept nogil:
    # False: no memory.
    cdef size_t i, parent, room
    cdef Timer* nodes
    if heap.count == heap.room:
        room = heap.room * 2 if heap.room else 64
        nodes = <Timer*> realloc(heap.nodes, room * sizeof(Timer))
        if nodes == NULL:
            return False
        heap.nodes = nodes
        heap.room = room
    i = heap.count
    heap.count += 1
    while i:
        parent = (i - 1) // 2
        if not timer_before(&timer, &heap.nodes[parent]):
            break
        heap.nodes[i] = heap.nodes[parent]
        i = parent
    heap.nodes[i] = timer
    return True

cdef inline void timers_pop(TimerHeap* heap) noexcept nogil:
    cdef size_t i = 0, child
    cdef Timer last
    heap.count -= 1
    last = heap.nodes[heap.count]
    while True:
        child = 2 * i + 1
        if child >= heap.count:
            break
        if child + 1 < heap.count and timer_before(&heap.nodes[child + 1], &heap.nodes[child]):
            child += 1
        if not timer_before(&heap.nodes[child], &last):
            break
        heap.nodes[i] = heap.nodes[child]
        i = child
    heap.nodes[i] = last
