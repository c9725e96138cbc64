# cython: boundscheck=False, wraparound=False
# Nothing is indexed here.
"""One native thread that syncs files, so that the loop never waits behind a disk. It takes no GIL.

`begin` hands it a descriptor, `descriptor` (an eventfd) becomes readable when it is done, `done` takes the result. One
sync at a time. Linux only.
"""

import os

from cpython.exc cimport PyErr_SetFromErrno
from libc.errno cimport errno
from libc.stdint cimport uint64_t

cdef extern from "pthread.h" nogil:
    ctypedef unsigned long pthread_t
    int pthread_create(pthread_t* thread, const void* attributes, void* (*start)(void*) noexcept nogil, void* given)
    int pthread_join(pthread_t thread, void** result)

cdef extern from "semaphore.h" nogil:
    ctypedef struct sem_t:
        pass
    int sem_init(sem_t* semaphore, int shared, unsigned int value)
    int sem_wait(sem_t* semaphore)
    int sem_post(sem_t* semaphore)
    int sem_destroy(sem_t* semaphore)

cdef extern from "sched.h" nogil:
    """
    #include <stdint.h>
    #include <sys/syscall.h>
    #include <unistd.h>

    /* Linux 6.12: a normal thread may ask for short slices, and is then let in at once where a longer one runs. */
    static void short_slices(void)
    {
        struct {
            uint32_t size, policy;
            uint64_t flags;
            int32_t nice;
            uint32_t priority;
            uint64_t runtime_ns, deadline_ns, period_ns;
        } wanted = {0};
        if (syscall(SYS_sched_getattr, 0, &wanted, sizeof wanted, 0) == 0) {
            wanted.runtime_ns = 100000;
            syscall(SYS_sched_setattr, 0, &wanted, 0);
        }
    }
    """
    void short_slices()

cdef extern from "sys/eventfd.h" nogil:
    int EFD_CLOEXEC
    int EFD_NONBLOCK
    int eventfd(unsigned int value, int flags)

cdef extern from "unistd.h" nogil:
    int fdatasync(int descriptor)
    int close(int descriptor)
    ssize_t read(int descriptor, void* data, size_t size)
    ssize_t write(int descriptor, const void* data, size_t size)

cdef struct Shared:             # by the loop and the thread; the semaphore and the eventfd order what they see
    sem_t work
    int file                    # to be synced
    bint end
    int event
    int error                   # errno of the last sync, 0 = none


cdef void* serve(void* given) noexcept nogil:
    cdef Shared* shared = <Shared*> given
    cdef uint64_t one = 1
    short_slices()
    while True:
        while sem_wait(&shared.work) != 0:
            pass                # interrupted
        if shared.end:
            return NULL
        shared.error = errno if fdatasync(shared.file) != 0 else 0
        write(shared.event, &one, sizeof(one))


cdef class SyncThread:
    """Raises OSError when the thread cannot be made."""

    cdef Shared shared
    cdef pthread_t thread
    cdef readonly int descriptor
    cdef readonly bint running
    cdef bint open

    def __init__(self) -> None:
        self.descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
        if self.descriptor < 0:
            PyErr_SetFromErrno(OSError)
        self.shared.event = self.descriptor
        sem_init(&self.shared.work, 0, 0)
        if pthread_create(&self.thread, NULL, serve, &self.shared) != 0:
            close(self.descriptor)
            raise OSError("no thread can be made that syncs the log")
        self.open = True

    def begin(self, file: int) -> None:
        """Begins an fdatasync of the descriptor `file`, which must stay open until it is done."""
        if self.running or not self.open:
            raise RuntimeError("a sync is under way, or the thread has ended")
        self.running = True
        self.shared.file = file
        sem_post(&self.shared.work)

    def done(self) -> bool:
        """Whether the sync that was begun is done. Raises OSError when it failed."""
        cdef uint64_t count
        if not self.running or read(self.descriptor, &count, sizeof(count)) != sizeof(count):
            return False
        self.running = False
        if self.shared.error:
            raise OSError(self.shared.error, os.strerror(self.shared.error))
        return True

    def close(self) -> None:
        """Waits for the thread's end; a sync that is under way is done then."""
        if not self.open:
            return
        self.open = False
        self.shared.end = True
        with nogil:
            sem_post(&self.shared.work)
            pthread_join(self.thread, NULL)
        sem_destroy(&self.shared.work)
        close(self.descriptor)

    def __dealloc__(self) -> None:
        self.close()
