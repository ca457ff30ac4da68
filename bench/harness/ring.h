/* A ring of events: the machine writes into it, and one drainer reads.
 *
 * Its memory is mapped twice, one mapping after the other, so that an event written beyond the end
 * appears at the beginning, and the machine can use both mappings as one buffer. Events are
 * published in groups, because each publication moves a cache line to the other core and back.
 */
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "suanshi.h"

enum { RING_GROUP = 64, RING_LEAST = 4096 };
enum { RING_FAR = 128 /* bytes: cores fetch lines in pairs */ };

struct ring {
    suanshi_event *events;
    int64_t size;   /* a power of two */
    int64_t laps;   /* events of the completed laps: the machine's count is relative to these */
    int64_t last;   /* value of `published`, for the writer */
    int64_t seen;   /* value of `released` when the writer last read it */
    _Alignas(RING_FAR) _Atomic int64_t published;
    _Alignas(RING_FAR) _Atomic int64_t released;
};

static inline void ring_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static inline struct ring *ring_open(int64_t room)
{
    int64_t size = 2 * RING_LEAST;
    while (size < room + RING_LEAST)
        size *= 2;
    size_t bytes = (size_t)size * sizeof(suanshi_event);
    struct ring *ring = aligned_alloc(RING_FAR, sizeof *ring);
    int file = memfd_create("events", MFD_CLOEXEC);
    if (!ring || file < 0 || ftruncate(file, (off_t)bytes) != 0)
        return NULL;
    char *base = mmap(NULL, 2 * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int half = 0; half < 2 && base != MAP_FAILED; half++)
        if (mmap(base + half * bytes, bytes, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_FIXED | MAP_POPULATE, file, 0) == MAP_FAILED)
            return NULL;
    close(file);
    if (base == MAP_FAILED)
        return NULL;
    *ring = (struct ring){.events = (suanshi_event *)base, .size = size};
    return ring;
}

static inline void ring_close(struct ring *ring)
{
    munmap(ring->events, 2 * (size_t)ring->size * sizeof(suanshi_event));
    free(ring);
}

static inline const suanshi_event *ring_at(const struct ring *ring, int64_t at)
{
    return &ring->events[at & (ring->size - 1)];
}

static inline void ring_publish(struct ring *ring, int64_t events)
{
    ring->last = ring->laps + events;
    atomic_store_explicit(&ring->published, ring->last, memory_order_release);
}

/* The number of events, by the machine's count, up to which it may write. */
static inline int64_t ring_room(const struct ring *ring)
{
    return ring->seen + ring->size - ring->laps;
}

/* The number of events, by the machine's count, at which the writer must act: a group is complete,
 * a lap is complete, or the room that it knows of is used up. */
static inline int64_t ring_due(const struct ring *ring)
{
    int64_t group = ring->last - ring->laps + RING_GROUP, room = ring_room(ring) - RING_LEAST;
    int64_t first = group < room ? group : room;
    return first < ring->size ? first : ring->size;
}

/* Waits until there is room after this many events. */
static inline void ring_wait(struct ring *ring, int64_t events)
{
    for (;;) {
        ring->seen = atomic_load_explicit(&ring->released, memory_order_acquire);
        if (ring_room(ring) - RING_LEAST > events)
            return;
        ring_pause();
    }
}

/* Begins the next lap if this one is complete. Returns how many events the machine has in it. */
static inline int64_t ring_turn(struct ring *ring, int64_t events)
{
    if (events < ring->size)
        return events;
    ring->laps += ring->size;
    return events - ring->size;
}
