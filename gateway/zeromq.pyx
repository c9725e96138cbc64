# cython: boundscheck=False, wraparound=False
# boundscheck: no Python or memoryview indexing happens here; sizes are ZeroMQ's own.
"""ZeroMQ without Python in between: what every order passes through.

Holds: addresses of sockets that pyzmq made and owns (they must outlive this),
and libzmq's functions, found in the library that pyzmq has loaded (linking a
second libzmq would make every call fail with ENOTSOCK). The GIL is held; no call
here waits. Raises OSError for what ZeroMQ refuses.

The socket's descriptor is edge-triggered: after a drain that ran out of budget,
and after sends outside a drain, `readable` must be asked (and be False) before
the loop may wait for the descriptor again.
"""

from cpython.bytes cimport PyBytes_AsString, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.errno cimport EAGAIN, EHOSTUNREACH, EINTR
from libc.stdint cimport uint8_t, uintptr_t
from libc.string cimport memcmp
from posix.dlfcn cimport RTLD_NOW, dlerror, dlopen, dlsym

from gateway.connection_table cimport Outlet, Peer
from gateway.connections cimport Connections

cdef extern from "<dlfcn.h>" nogil:
    int RTLD_NOLOAD

cdef extern from "<sys/socket.h>" nogil:
    ctypedef unsigned int socklen_t
    struct sockaddr:
        pass
    int getpeername(int, sockaddr*, socklen_t*)

cdef extern from "<poll.h>" nogil:
    struct pollfd:
        int fd
        short events
        short revents
    int poll(pollfd*, unsigned long, int)
    short POLLRDHUP

cdef enum:
    ZMQ_SRCFD = 2
    ZMQ_DONTWAIT = 1
    ZMQ_SNDMORE = 2
    ZMQ_EVENTS = 15
    ZMQ_POLLIN = 1

cdef struct Frame:      # zmq_msg_t: 64 bytes that only libzmq reads
    void* opaque[8]

ctypedef int (*message_call)(Frame*) noexcept nogil

cdef int (*zmq_errno)() noexcept nogil
cdef const char* (*zmq_strerror)(int) noexcept nogil
cdef int (*zmq_send)(void*, const void*, size_t, int) noexcept nogil
cdef int (*zmq_getsockopt)(void*, int, void*, size_t*) noexcept nogil
cdef int (*zmq_msg_recv)(Frame*, void*, int) noexcept nogil
cdef void* (*zmq_msg_data)(Frame*) noexcept nogil
cdef size_t (*zmq_msg_size)(Frame*) noexcept nogil
cdef int (*zmq_msg_get)(const Frame*, int) noexcept nogil
cdef const char* (*zmq_msg_gets)(const Frame*, const char*) noexcept nogil
cdef message_call zmq_msg_init
cdef message_call zmq_msg_close
cdef message_call zmq_msg_more
cdef bint loaded = False


cdef void* symbol(void* library, const char* name) except NULL:
    cdef void* address = dlsym(library, name)
    if address == NULL:
        raise OSError(f"libzmq has no {name.decode()}")
    return address


def load(path: str) -> None:
    """Finds libzmq's functions in the extension module at `path`, which pyzmq has loaded."""
    global zmq_errno, zmq_strerror, zmq_send, zmq_getsockopt, zmq_msg_recv, zmq_msg_data, zmq_msg_size
    global zmq_msg_get, zmq_msg_gets, zmq_msg_init, zmq_msg_close, zmq_msg_more, loaded
    cdef bytes name = path.encode()
    cdef void* library = dlopen(name, RTLD_NOW | RTLD_NOLOAD)
    if library == NULL:
        raise OSError(f"{path} is not loaded: {dlerror().decode()}")
    zmq_errno = <int (*)() noexcept nogil>symbol(library, "zmq_errno")
    zmq_strerror = <const char* (*)(int) noexcept nogil>symbol(library, "zmq_strerror")
    zmq_send = <int (*)(void*, const void*, size_t, int) noexcept nogil>symbol(library, "zmq_send")
    zmq_getsockopt = <int (*)(void*, int, void*, size_t*) noexcept nogil>symbol(library, "zmq_getsockopt")
    zmq_msg_recv = <int (*)(Frame*, void*, int) noexcept nogil>symbol(library, "zmq_msg_recv")
    zmq_msg_data = <void* (*)(Frame*) noexcept nogil>symbol(library, "zmq_msg_data")
    zmq_msg_size = <size_t (*)(Frame*) noexcept nogil>symbol(library, "zmq_msg_size")
    zmq_msg_get = <int (*)(const Frame*, int) noexcept nogil>symbol(library, "zmq_msg_get")
    zmq_msg_gets = <const char* (*)(const Frame*, const char*) noexcept nogil>symbol(library, "zmq_msg_gets")
    zmq_msg_init = <message_call>symbol(library, "zmq_msg_init")
    zmq_msg_close = <message_call>symbol(library, "zmq_msg_close")
    zmq_msg_more = <message_call>symbol(library, "zmq_msg_more")
    loaded = True


cdef int refused(str doing) except -1:
    raise OSError(zmq_errno(), f"{doing}: {zmq_strerror(zmq_errno()).decode()}")


cdef bint has_input(void* socket) except -1:
    cdef int events = 0
    cdef size_t size = sizeof(events)
    while zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size):
        if zmq_errno() != EINTR:
            refused("looking at a ZeroMQ socket")
    return events & ZMQ_POLLIN != 0


cdef int send_part(void* socket, const void* data, size_t size, int flags) noexcept nogil:
    """As zmq_send; a signal that comes in between is no failure: nothing was sent."""
    cdef int sent = zmq_send(socket, data, size, flags)
    while sent < 0 and zmq_errno() == EINTR:
        sent = zmq_send(socket, data, size, flags)
    return sent


cdef class FixRouter(Outlet):
    """The ROUTER that FIX comes in by, and its answers leave by."""
    cdef void* socket
    cdef Connections connections
    cdef Frame* part        # being received
    cdef bytes key          # who sent the message whose parts are being received; None: between messages
    cdef bint excess        # it has several parts: they are dropped
    cdef bint curve         # links are CURVE's: ZAP has named the key of each (gateway/curve.py)

    def __init__(self, address: int, Connections connections, bint curve=False):
        """address: `Socket.underlying` of a ROUTER with ROUTER_MANDATORY. curve: it is a CURVE server."""
        if not loaded:
            raise AssertionError("load() comes first")
        self.socket = <void*><uintptr_t>address
        self.connections = connections
        self.curve = curve

    def readable(self) -> bool:
        return has_input(self.socket)

    def drain(self, int budget) -> bool:
        """Takes at most `budget` frames, until the turn is full. True: frames may be left."""
        cdef Frame part
        self.part = &part
        for _ in range(budget):
            if self.connections.full():
                return True
            zmq_msg_init(&part)
            if zmq_msg_recv(&part, self.socket, ZMQ_DONTWAIT) < 0:
                if zmq_errno() == EINTR:
                    continue
                if zmq_errno() != EAGAIN:
                    refused("receiving FIX")
                return False
            try:
                self.take(<const uint8_t*>zmq_msg_data(&part), zmq_msg_size(&part), zmq_msg_more(&part))
            finally:
                zmq_msg_close(&part)
        return True

    cdef int take(self, const uint8_t* data, size_t size, bint more) except -1:
        """One part: the routing id, then what was sent, which is one part. The parts of a message that has more of them
        (there may be millions) are dropped over as many visits as it takes."""
        cdef bytes key = self.key
        if not more:
            self.key = None
        if key is None:
            if more:
                self.key = PyBytes_FromStringAndSize(<char*>data, size)
                self.excess = False
        elif not more and not self.excess:
            self.connections.frame_received(key, data, size)
        elif not self.excess:
            self.excess = True
            self.connections.parts_received(key)
        return 0

    cdef int send(self, const uint8_t* key, size_t key_size, const uint8_t* data, size_t size) except -1:
        if send_part(self.socket, key, key_size, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0:
            if zmq_errno() == EAGAIN:
                return 0
            if zmq_errno() == EHOSTUNREACH:
                return 2
            refused("sending FIX")
        if send_part(self.socket, data, size, ZMQ_DONTWAIT) < 0 and zmq_errno() != EAGAIN:
            refused("sending FIX")  # EAGAIN: cannot be, the first part found room for both
        return 1

    cdef int source(self) noexcept:
        return zmq_msg_get(self.part, ZMQ_SRCFD)

    cdef const char* curve_key(self) noexcept:
        return zmq_msg_gets(self.part, b"User-Id") if self.curve else NULL

    cdef bint comes_from(self, const Peer* peer) noexcept:
        cdef Peer now
        now.descriptor = self.source()
        if now.descriptor != peer.descriptor:
            return False
        self.look_up(&now)
        return now.size != 0 and now.size == peer.size and memcmp(now.address, peer.address, now.size) == 0

    cdef void look_up(self, Peer* peer) noexcept:
        cdef socklen_t size = sizeof(peer.address)
        peer.size = 0
        if getpeername(peer.descriptor, <sockaddr*>peer.address, &size) == 0 and size <= sizeof(peer.address):
            peer.size = size

    cdef bint gone(self, const Peer* peer) noexcept:
        """The descriptor leads elsewhere or nowhere, or the end has come and its owner has not looked yet. Nothing is
        sent to find out: an empty frame is bye, and there is none that means nothing."""
        cdef Peer now
        cdef pollfd end
        now.descriptor = end.fd = peer.descriptor
        self.look_up(&now)
        if now.size == 0 or now.size != peer.size or memcmp(now.address, peer.address, now.size):
            return True
        end.events = POLLRDHUP
        return poll(&end, 1, 0) > 0


def publish(address: int, messages: list[tuple[bytes, bytes]]) -> None:
    """Sends (topic, payload) pairs on an XPUB: a subscriber that does not keep up misses some, nothing waits."""
    cdef void* socket = <void*><uintptr_t>address
    cdef bytes topic, payload
    for topic, payload in messages:
        if (send_part(socket, PyBytes_AsString(topic), PyBytes_GET_SIZE(topic), ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0
                or send_part(socket, PyBytes_AsString(payload), PyBytes_GET_SIZE(payload), ZMQ_DONTWAIT) < 0):
            refused("publishing")
