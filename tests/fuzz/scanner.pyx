# cython: boundscheck=False, wraparound=False
#
# They are off because only C memory of known size is indexed.
"""What must hold of every message that a stranger sends, checked for millions of them a minute.

Every message lies in memory of exactly its size, so that a sanitizer sees each byte read past its end. A case that
takes a way through the scanner that none took before is changed in later ones (coverage.c).
"""

import mmap

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy, memset

from gateway.fix_build cimport Identity
from gateway.fix_frame cimport FRAME_INCOMPLETE, FRAME_OK, FrameResult, frame
from gateway.fix_scan cimport MAX_INPUT, TEXT_BODIES, scan
from gateway.framing cimport check_payload
from gateway.records cimport INPUT_MESSAGE, InputHead, NOT_REJECTED

from mutator cimport Case, Corpus, chance, make_case

cdef extern from *:
    """uint64_t coverage_ways(void);"""
    uint64_t coverage_ways() noexcept nogil

cdef enum:
    NEWEST_RULES = 3
    LONGEST = 4000      # bytes of a message of the corpus: fields are taken from anywhere, mostly from the longest


class Disagreement(AssertionError):
    """A case of which something does not hold. The arguments: its number, and what."""


def ways() -> int:
    """Through the scanner, that were taken until now."""
    return coverage_ways()


cdef struct Tally:
    uint64_t cases
    uint64_t whole          # messages that were framed
    uint64_t accepted       # of which the scanner found nothing wrong
    uint64_t garbled


cdef class Fuzzer:
    cdef readonly list corpus
    cdef bytes _data, _after        # the corpus; a good message, sent behind every case
    cdef size_t* _starts
    cdef Corpus _corpus
    cdef Case* _case
    cdef uint8_t[::1] _shared       # where the case is: who forks sees what the other process was at
    cdef Identity _known, _unknown
    cdef Tally tally

    def __cinit__(self, list corpus not None, bytes own not None, bytes peer not None):
        self.corpus, self._after = [], corpus[0]
        self.adopt([message for message in corpus if len(message) <= LONGEST])
        self._shared = mmap.mmap(-1, sizeof(Case))
        self._case = <Case*>&self._shared[0]
        memset(&self._known, 0, sizeof(Identity))
        memset(&self._unknown, 0, sizeof(Identity))
        memcpy(self._known.own, <const char*>own, len(own))
        memcpy(self._known.peer, <const char*>peer, len(peer))
        self._known.own_length, self._known.peer_length = len(own), len(peer)

    def __dealloc__(self):
        free(self._starts)

    def adopt(self, list messages not None) -> None:
        """More to make cases of."""
        cdef size_t i, at = 0
        self.corpus += messages
        self._data = b"".join(self.corpus)
        free(self._starts)
        self._starts = <size_t*>malloc((len(self.corpus) + 1) * sizeof(size_t))
        if self._starts == NULL:
            raise MemoryError
        for i in range(len(self.corpus)):
            self._starts[i] = at
            at += <size_t>len(self.corpus[i])
        self._starts[len(self.corpus)] = at
        self._corpus.data = <const uint8_t*><const char*>self._data
        self._corpus.starts = self._starts
        self._corpus.count = len(self.corpus)

    def case(self, seed: int, number: int) -> bytes:
        """The bytes of one case, made of the corpus as it is now."""
        make_case(self._case, &self._corpus, seed, number)
        return (<char*>self._case.data)[:self._case.size]

    def last(self) -> tuple[int, bytes]:
        """The number and the bytes of the case made last, by a forked process, too."""
        return self._case.number, (<char*>self._case.data)[:self._case.size]

    def run(self, uint64_t seed, uint64_t first, uint64_t count) -> dict[str, int]:
        """Cases first .. first + count - 1; how many came to what. Those that took a new way are in the corpus then.
        Raises Disagreement."""
        cdef uint64_t number, ways
        cdef const char* wrong
        memset(&self.tally, 0, sizeof(Tally))
        for number in range(first, first + count):
            make_case(self._case, &self._corpus, seed, number)
            ways = coverage_ways()
            wrong = self.judge()
            if wrong != NULL:
                raise Disagreement(number, wrong.decode())
            if coverage_ways() != ways and self._case.size <= LONGEST:
                self.adopt([(<char*>self._case.data)[:self._case.size]])
        return self.tally

    cdef const char* judge(self) except? NULL:
        """What does not hold of the case; NULL: everything does."""
        cdef uint8_t* message = <uint8_t*>malloc(self._case.size + 1)
        cdef const char* wrong
        if message == NULL:
            raise MemoryError
        message += 1        # words are read at any alignment
        memcpy(message, self._case.data, self._case.size)
        try:
            wrong = self.judge_message(message, self._case.size)
        finally:
            free(message - 1)
        return self.judge_cut() if wrong == NULL else wrong

    cdef const char* judge_message(self, const uint8_t* message, size_t size) except? NULL:
        cdef size_t length
        cdef FrameResult result = frame(message, size, &length)
        cdef const char* wrong
        self.tally.cases += 1
        if result == FRAME_INCOMPLETE:
            if length != 0:
                return b"an incomplete message has a length"
            return NULL
        if length < 1 or length > size:
            return b"the frame is not within its bytes"
        if result != FRAME_OK:
            self.tally.garbled += 1
            return NULL
        self.tally.whole += 1
        if self.same_record(message, length, &self._unknown, 1, &wrong):
            self.tally.accepted += 1
        if wrong == NULL:
            self.same_record(message, length, &self._known, 1, &wrong)
        if wrong == NULL:
            self.same_record(message, length, &self._known, NEWEST_RULES, &wrong)
        return wrong

    cdef bint same_record(self, const uint8_t* message, size_t length, const Identity* identity, uint32_t version,
                          const char** wrong) except -1:
        """Scans twice, over memory that held other things. Whether the verdict is that nothing is wrong."""
        cdef size_t room = MAX_INPUT + (length if version >= TEXT_BODIES else 0)
        cdef uint8_t* first = <uint8_t*>malloc(room)
        cdef uint8_t* second = <uint8_t*>malloc(room)
        cdef ssize_t size
        wrong[0] = NULL
        if first == NULL or second == NULL:
            raise MemoryError
        memset(first, 0x55, room)
        memset(second, 0xAA, room)
        try:
            size = scan(message, length, identity, version, first, room)
            if size <= 0 or <size_t>size > room or size % 8 != 0 or (<InputHead*>first).size != <size_t>size:
                wrong[0] = b"the record's size is wrong"
            elif (<InputHead*>first).kind != INPUT_MESSAGE:
                wrong[0] = b"the record is no message"
            elif scan(message, length, identity, version, second, room) != size or memcmp(first, second, size) != 0:
                wrong[0] = b"scanned again it is another record"
            else:
                check_payload(1, first, size, NEWEST_RULES)     # raises what would stop every replica
            return (<InputHead*>first).verdict == NOT_REJECTED
        finally:
            free(first)
            free(second)

    cdef const char* judge_cut(self) except? NULL:
        """The case and a good message behind it, as they come in one piece and in two."""
        cdef size_t size = self._case.size + len(self._after)
        cdef size_t cut = <size_t>chance(self._case, size + 1), used, rest
        cdef uint64_t whole = 0, parts = 0
        cdef uint8_t* stream = <uint8_t*>malloc(size)
        if stream == NULL:
            raise MemoryError
        memcpy(stream, self._case.data, self._case.size)
        memcpy(stream + self._case.size, <const char*>self._after, len(self._after))
        try:
            rest = self.read(stream, size, &whole)
            used = self.read_beginning(stream, cut, &parts)
            used += self.read(stream + used, size - used, &parts)
        finally:
            free(stream)
        if whole != parts or used != rest:
            return b"cut in two it is read as something else"
        return NULL

    cdef size_t read_beginning(self, const uint8_t* stream, size_t cut, uint64_t* told) except? 0:
        """What has come so far, in memory that ends there."""
        cdef uint8_t* copy = <uint8_t*>malloc(cut + 1)
        cdef size_t used
        if copy == NULL:
            raise MemoryError
        memcpy(copy + 1, stream, cut)
        used = self.read(copy + 1, cut, told)
        free(copy)
        return used

    cdef size_t read(self, const uint8_t* data, size_t size, uint64_t* told) noexcept:
        """Frames as a connection does; `told` is of the bytes of every whole message. Bytes used."""
        cdef size_t at = 0, length, i
        cdef FrameResult result
        while at < size:
            result = frame(data + at, size - at, &length)
            if result == FRAME_INCOMPLETE:
                break
            if result == FRAME_OK:
                for i in range(length):
                    told[0] = (told[0] ^ data[at + i]) * <uint64_t>0x100000001B3
            at += length
        return at
