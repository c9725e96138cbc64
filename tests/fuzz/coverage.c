// Which ways through the instrumented modules were ever taken, a way being a place and the one before it: what gcc's
// -fsanitize-coverage=trace-pc calls. Preloaded. Its memory is shared with the processes that are forked, so that each
// goes on where the last one ended.

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { PLACES = 1 << 16, WAYS = 1 << 20 };

struct Coverage {
    uint64_t ways;                  // that were taken
    uint32_t places;                // that were met
    uintptr_t place[PLACES];        // a hash table
    uint32_t number[PLACES];        // of the place: the order they were met in, which is the same wherever modules lie
    uint8_t taken[WAYS];            // by a hash of the two numbers
};

static struct Coverage* coverage;
static uint32_t before;

__attribute__((constructor)) static void begin(void) {
    void* memory = mmap(NULL, sizeof(struct Coverage), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        abort();
    coverage = memory;
}

static uint32_t number_of(uintptr_t place) {
    uint32_t at = (uint32_t) ((uint64_t) place * 0x9E3779B97F4A7C15u >> 48);
    while (coverage->place[at] != place) {
        if (coverage->place[at] == 0) {
            if (coverage->places == PLACES - 1)
                abort();
            coverage->place[at] = place;
            coverage->number[at] = ++coverage->places;
            break;
        }
        at = (at + 1) % PLACES;
    }
    return coverage->number[at];
}

void __sanitizer_cov_trace_pc(void) {
    uint32_t here = number_of((uintptr_t) __builtin_return_address(0));
    uint32_t way = (before * 0x9E3779B1u ^ here * 0x85EBCA77u) >> 12;
    before = here;
    if (!coverage->taken[way]) {
        coverage->taken[way] = 1;
        coverage->ways++;
    }
}

// How many ways were taken until now; what comes next begins anew.
uint64_t coverage_ways(void) {
    before = 0;
    return coverage->ways;
}
