# cython: cdivision=True
# Messages changed at random, by a seed and a number alone: any one of millions of cases can be made again.
#
# cdivision: no divisor is zero, every dividend is unsigned.

from libc.stdint cimport uint8_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memchr, memcpy, memmove, memset

from gateway.fix_values cimport SOH, checksum

cdef enum:
    MOST = 70_000           # bytes of a case: a few are longer than a message may be
    FIELD = 300             # bytes of a field that is copied or made

cdef struct Corpus:         # messages end to end
    const uint8_t* data
    const size_t* starts    # count + 1 of them
    size_t count

cdef struct Case:
    uint64_t number
    uint64_t state          # of the random numbers
    size_t size
    uint8_t data[MOST]


cdef inline uint64_t chance(Case* case, uint64_t bound) noexcept nogil:
    """A number below `bound` (splitmix64, S. Vigna 2015)."""
    cdef uint64_t z
    case.state += <uint64_t>0x9E3779B97F4A7C15
    z = case.state
    z = (z ^ (z >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * <uint64_t>0x94D049BB133111EB
    return (z ^ (z >> 31)) % bound


cdef inline void remove(Case* case, size_t at, size_t length) noexcept nogil:
    """At most `length` bytes at `at`, which is not behind the end."""
    if length > case.size - at:
        length = case.size - at
    memmove(case.data + at, case.data + at + length, case.size - at - length)
    case.size -= length


cdef inline void insert(Case* case, size_t at, const uint8_t* text, size_t length) noexcept nogil:
    """Bytes from elsewhere, when there is room for them."""
    if case.size + length > MOST:
        return
    memmove(case.data + at + length, case.data + at, case.size - at)
    memcpy(case.data + at, text, length)
    case.size += length


cdef inline size_t after_separator(const uint8_t* data, size_t size, size_t at) noexcept nogil:
    """Where the next field begins; `size`: nowhere."""
    cdef const uint8_t* found = <const uint8_t*> memchr(data + at, SOH, size - at)
    return size if found == NULL else <size_t>(found - data) + 1


cdef inline size_t a_field(Case* case) noexcept nogil:
    """Where some field begins; mostly one of the body."""
    return after_separator(case.data, case.size, <size_t>chance(case, case.size)) if case.size else 0


cdef inline size_t interesting(Case* case, uint8_t* text) noexcept nogil:
    """A value that is at some limit; at most FIELD bytes."""
    cdef uint64_t kind = chance(case, 10)
    cdef uint64_t number = (<uint64_t>1 << chance(case, 64)) - chance(case, 3)
    cdef size_t length
    if kind == 0:
        return 0
    if kind <= 3:
        return <size_t>snprintf(<char*>text, FIELD, b"%lu", number)
    if kind == 4:
        return <size_t>snprintf(<char*>text, FIELD, b"-%lu.%lu", number, chance(case, 1000))
    if kind == 5:
        return <size_t>snprintf(<char*>text, FIELD, b"0%lu", number)
    if kind == 6:
        return <size_t>snprintf(<char*>text, FIELD, b"2026%02d%02d-%02d:%02d:%02d.%03d", <int>chance(case, 14),
                                <int>chance(case, 33), <int>chance(case, 26), <int>chance(case, 62),
                                <int>chance(case, 62), <int>chance(case, 1000))
    if kind == 7:       # the lengths at which strings end to be served
        length = <size_t>chance(case, FIELD)
        memset(text, 65 + <int>chance(case, 26), length)
        return length
    text[0] = <uint8_t>chance(case, 256)
    text[1] = <uint8_t>chance(case, 256)
    return 1 if kind == 8 else 2


cdef inline void foreign_field(Case* case, const Corpus* corpus, size_t at) noexcept nogil:
    """One or more fields of the corpus, whichever message they are of."""
    cdef size_t size = corpus.starts[corpus.count]
    cdef size_t begin = after_separator(corpus.data, size, <size_t>chance(case, size)), end = begin
    cdef uint64_t _
    for _ in range(1 + chance(case, 4)):
        if end < size:
            end = after_separator(corpus.data, size, end)
    insert(case, at, corpus.data + begin, end - begin)


cdef inline void change(Case* case, const Corpus* corpus) noexcept nogil:
    cdef uint8_t text[FIELD]
    cdef uint64_t kind = chance(case, 12)
    cdef size_t at = <size_t>chance(case, case.size + 1), end, length
    if kind == 0:
        foreign_field(case, corpus, at)
    elif kind <= 3:
        foreign_field(case, corpus, a_field(case))
    elif kind == 4:
        remove(case, at, 1 + <size_t>chance(case, 20))
    elif kind == 5:     # a field
        at = a_field(case)
        remove(case, at, after_separator(case.data, case.size, at) - at)
    elif kind <= 8:     # a value
        at = a_field(case)
        end = after_separator(case.data, case.size, at)
        while at < end and case.data[at] != 61:
            at += 1
        if at + 1 < end:
            remove(case, at + 1, end - at - 2)
            insert(case, at + 1, text, interesting(case, text))
    elif kind == 9:     # a tag
        at = a_field(case)
        length = <size_t>snprintf(<char*>text, FIELD, b"%lu=", chance(case, 12000))
        insert(case, at, text, length)
    elif at < case.size:
        case.data[at] = <uint8_t>chance(case, 256) if kind == 10 else case.data[at] ^ <uint8_t>(1 << chance(case, 8))


cdef inline void repair(Case* case) noexcept nogil:
    """BodyLength and CheckSum say again what is there; the last bytes become the trailer."""
    cdef char text[32]
    cdef size_t begin = after_separator(case.data, case.size, 0)
    cdef size_t body = after_separator(case.data, case.size, begin)
    cdef size_t end = case.size - 7 if case.size > 7 else 0
    cdef size_t length
    if body >= end or case.data[begin] != 57:
        return
    length = <size_t>snprintf(text, sizeof(text), b"9=%zu\x01", end - body)
    remove(case, begin, body - begin)
    insert(case, begin, <const uint8_t*>text, length)
    end = case.size - 7
    case.data[end - 1] = SOH
    snprintf(text, sizeof(text), b"10=%03d\x01", <int>checksum(case.data, end))
    memcpy(case.data + end, text, 7)


cdef inline void make_case(Case* case, const Corpus* corpus, uint64_t seed, uint64_t number) noexcept nogil:
    """Case `number` of `seed`: one of the corpus with one to six changes."""
    cdef size_t which
    cdef uint64_t _
    case.number = number
    case.state = seed * <uint64_t>0xD1342543DE82EF95 + number
    which = <size_t>chance(case, corpus.count)
    case.size = 0
    insert(case, 0, corpus.data + corpus.starts[which], corpus.starts[which + 1] - corpus.starts[which])
    for _ in range(1 + chance(case, 1 + chance(case, 6))):
        change(case, corpus)
    if chance(case, 1024) == 0:     # many fields
        for _ in range(chance(case, 2000)):
            foreign_field(case, corpus, a_field(case))
    if chance(case, 8):
        repair(case)
    if chance(case, 32) == 0:
        case.size = <size_t>chance(case, case.size + 1)
