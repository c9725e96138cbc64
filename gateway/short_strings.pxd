# Copying and comparing the strings of messages, which are short: a call of memcpy costs more than its bytes.

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    /* Overlapping words, as a memcpy does it; never a byte beyond either string. The strings do not overlap. */
    static inline uint8_t *quorumbook_put(uint8_t *to, const uint8_t *from, size_t length) {
        uint8_t *const end = to + length;
        uint64_t first, last;
        uint32_t low, high;
        if (length >= 8) {
            memcpy(&last, from + length - 8, 8);
            while (length > 8) {
                memcpy(&first, from, 8);
                memcpy(to, &first, 8);
                to += 8;
                from += 8;
                length -= 8;
            }
            memcpy(end - 8, &last, 8);
        } else if (length >= 4) {
            memcpy(&low, from, 4);
            memcpy(&high, from + length - 4, 4);
            memcpy(to, &low, 4);
            memcpy(end - 4, &high, 4);
        } else {
            while (to != end)
                *to++ = *from++;
        }
        return end;
    }
    static inline int quorumbook_same(const uint8_t *a, size_t a_length, const uint8_t *b, size_t b_length) {
        uint64_t left, right;
        uint32_t low, high, other_low, other_high;
        if (a_length != b_length)
            return 0;
        if (a_length < 8) {
            if (a_length >= 4) {
                memcpy(&low, a, 4);
                memcpy(&high, a + a_length - 4, 4);
                memcpy(&other_low, b, 4);
                memcpy(&other_high, b + a_length - 4, 4);
                return ((low ^ other_low) | (high ^ other_high)) == 0;
            }
            while (a_length--)
                if (a[a_length] != b[a_length])
                    return 0;
            return 1;
        }
        memcpy(&left, a + a_length - 8, 8);
        memcpy(&right, b + a_length - 8, 8);
        while (left == right && a_length > 8) {
            memcpy(&left, a, 8);
            memcpy(&right, b, 8);
            a += 8;
            b += 8;
            a_length -= 8;
        }
        return left == right;
    }
    """
    # Where the next string goes.
    uint8_t* put "quorumbook_put" (uint8_t* to, const uint8_t* text, size_t length) noexcept nogil
    bint same "quorumbook_same" (
        const uint8_t* a, size_t a_length, const uint8_t* b, size_t b_length
    ) noexcept nogil
