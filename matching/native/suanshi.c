/* Memory for the compiled machine, and the calls of suanshi.h. */
#define _GNU_SOURCE
#include "suanshi.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { LINE = 64, HUGE = 1 << 21 };
enum { DENSE, SPARSE, KINDS };

static const int64_t ITEM_BYTES[SUANSHI_TABLES] = SUANSHI_ITEM_BYTES;
static const int IS_SPARSE[SUANSHI_TABLES] = SUANSHI_SPARSE;

static const char *const ERROR_TEXTS[] = SUANSHI_ERROR_TEXTS;

enum { FINISHED = -1 };

struct suanshi {
    int64_t header[2 * SUANSHI_TABLES]; /* address and length of each table */
    int64_t unfinished; /* commands of the run that is under way; FINISHED if none is */
    void *memory[KINDS];
    size_t bytes[KINDS];
};

/* Maps zeroed memory, which the system provides page by page at the first access. Tables that may
 * stay mostly empty get no huge pages: a few used items would allocate most of the table. */
static int map(suanshi *machine, int kind)
{
    size_t size = machine->bytes[kind] += HUGE;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return 0;
    madvise(memory, size, kind == DENSE ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    machine->memory[kind] = memory;
    return 1;
}

static int kind_of(const int64_t *header, int table)
{
    int64_t bytes = header[2 * table + 1] * ITEM_BYTES[table];
    return IS_SPARSE[table] && bytes >= SUANSHI_SPARSE_BYTES ? SPARSE : DENSE;
}

/* Places the tables. Each begins on a cache line, so that no record spans two lines. */
static int allocate(suanshi *machine)
{
    int64_t *header = machine->header;
    int64_t at[KINDS];
    for (int pass = 0; pass < 2; pass++) {
        for (int table = 0; table < SUANSHI_TABLES; table++) {
            int kind = kind_of(header, table);
            int64_t bytes = header[2 * table + 1] * ITEM_BYTES[table];
            bytes = (bytes + LINE - 1) / LINE * LINE;
            if (pass == 0) {
                machine->bytes[kind] += bytes;
            } else {
                header[2 * table] = at[kind];
                at[kind] += bytes;
            }
        }
        for (int kind = 0; kind < KINDS && pass == 0; kind++) {
            if (!map(machine, kind))
                return 0;
            at[kind] = ((int64_t)machine->memory[kind] + HUGE - 1) / HUGE * HUGE;
        }
    }
    return 1;
}

/* Whether every limit, an int64 each, is within its bounds. */
static int are_possible(const suanshi_limits *limits)
{
    const suanshi_limits least = SUANSHI_LIMITS_LEAST, most = SUANSHI_LIMITS_MOST;
    int64_t given[sizeof *limits / 8], low[sizeof *limits / 8], high[sizeof *limits / 8];
    memcpy(given, limits, sizeof given);
    memcpy(low, &least, sizeof low);
    memcpy(high, &most, sizeof high);
    for (size_t at = 0; at < sizeof given / 8; at++)
        if (given[at] < low[at] || given[at] > high[at])
            return 0;
    return 1;
}

const char *suanshi_error(int64_t result)
{
    const int64_t count = sizeof ERROR_TEXTS / sizeof ERROR_TEXTS[0];
    return result < INT64_MIN + count ? ERROR_TEXTS[result - INT64_MIN] : NULL;
}

suanshi *suanshi_open(const suanshi_limits *limits)
{
    int64_t lengths[SUANSHI_TABLES] = {0};
    if (!limits || !are_possible(limits)) {
        errno = EINVAL;
        return NULL;
    }
    suanshi *machine = calloc(1, sizeof *machine);
    if (!machine)
        return NULL; /* calloc has set errno */
    machine->unfinished = FINISHED;
    suanshi_lengths(limits, lengths);
    for (int table = 0; table < SUANSHI_TABLES; table++)
        machine->header[2 * table + 1] = lengths[table];
    if (!allocate(machine)) {
        suanshi_close(machine);
        errno = ENOMEM;
        return NULL;
    }
    suanshi_core_prepare((int64_t)machine->header, limits->refs, SUANSHI_SESSION_PAGES(limits),
                         limits->session_orders, limits->session_blocks,
                         limits->session_ref_pages);
    return machine;
}

void suanshi_close(suanshi *machine)
{
    if (!machine)
        return;
    for (int kind = 0; kind < KINDS; kind++)
        if (machine->memory[kind])
            munmap(machine->memory[kind], machine->bytes[kind]);
    free(machine);
}

static int64_t lent(const suanshi *machine, int table)
{
    return machine->header[2 * table + 1];
}

/* Whether an array of so many records of 64 bytes can be in memory. */
static int is_length(int64_t length)
{
    return length >= 0 && length <= PTRDIFF_MAX / (int64_t)sizeof(suanshi_command);
}

int64_t suanshi_lend(suanshi *machine, const suanshi_command *commands, int64_t length,
                     suanshi_event *events, int64_t room)
{
    if (!machine)
        return SUANSHI_ERROR_MACHINE;
    int64_t *header = machine->header;
    if (!events || (!commands && length != 0))
        return SUANSHI_ERROR_BUFFER;
    if (!is_length(length))
        return SUANSHI_ERROR_COUNT;
    if (room < SUANSHI_EVENTS_MIN || !is_length(room))
        return SUANSHI_ERROR_ROOM;
    if (machine->unfinished != FINISHED && (header[2 * SUANSHI_TABLE_COMMANDS] != (int64_t)commands
                                            || lent(machine, SUANSHI_TABLE_COMMANDS) != length))
        return SUANSHI_ERROR_UNFINISHED;
    header[2 * SUANSHI_TABLE_COMMANDS] = (int64_t)commands;
    header[2 * SUANSHI_TABLE_COMMANDS + 1] = length;
    header[2 * SUANSHI_TABLE_EVENTS] = (int64_t)events;
    header[2 * SUANSHI_TABLE_EVENTS + 1] = room;
    return suanshi_rewind(machine, 0);
}

/* The error of a run of so many commands; 0 where it may begin. */
static int64_t run_error(const suanshi *machine, int64_t count)
{
    if (!machine)
        return SUANSHI_ERROR_MACHINE;
    if (machine->unfinished != FINISHED)
        return SUANSHI_ERROR_UNFINISHED;
    if (lent(machine, SUANSHI_TABLE_EVENTS) == 0)
        return SUANSHI_ERROR_BUFFER;
    if (count < 0 || count > lent(machine, SUANSHI_TABLE_COMMANDS))
        return SUANSHI_ERROR_COUNT;
    return 0;
}

/* Notes whether a run has come to its end, and passes its result on. */
static int64_t note(suanshi *machine, int64_t count, int64_t events)
{
    machine->unfinished = events < 0 ? count : FINISHED;
    return events;
}

int64_t suanshi_run(suanshi *machine, int64_t count)
{
    int64_t error = run_error(machine, count);
    if (error)
        return error;
    return note(machine, count, suanshi_core_run_with_prefetch((int64_t)machine->header, count));
}

int64_t suanshi_run_blind(suanshi *machine, int64_t count)
{
    int64_t error = run_error(machine, count);
    if (error)
        return error;
    return note(machine, count, suanshi_core_run_blind((int64_t)machine->header, count));
}

int64_t suanshi_resume(suanshi *machine, int64_t count)
{
    if (!machine)
        return SUANSHI_ERROR_MACHINE;
    if (machine->unfinished == FINISHED || machine->unfinished != count)
        return SUANSHI_ERROR_FINISHED;
    return note(machine, count, suanshi_core_resume((int64_t)machine->header, count));
}

int64_t suanshi_rewind(suanshi *machine, int64_t events)
{
    if (!machine)
        return SUANSHI_ERROR_MACHINE;
    if (events < 0 || events > lent(machine, SUANSHI_TABLE_EVENTS))
        return SUANSHI_ERROR_COUNT;
    suanshi_core_rewind((int64_t)machine->header, events);
    return 0;
}

/* The error of a query; 0 where it has an answer. */
static int64_t query_error(const suanshi *machine, uint32_t instrument, int side)
{
    if (!machine)
        return SUANSHI_ERROR_MACHINE;
    if (machine->unfinished != FINISHED)
        return SUANSHI_ERROR_UNFINISHED;
    if (instrument == 0 || instrument >= lent(machine, SUANSHI_TABLE_INSTRUMENTS))
        return SUANSHI_ERROR_INSTRUMENT;
    return side == SUANSHI_SIDE_BUY || side == SUANSHI_SIDE_SELL ? 0 : SUANSHI_ERROR_SIDE;
}

int64_t suanshi_best(const suanshi *machine, uint32_t instrument, int side)
{
    int64_t error = query_error(machine, instrument, side);
    return error ? error : suanshi_core_best((int64_t)machine->header, instrument, side);
}

int64_t suanshi_depth(const suanshi *machine, uint32_t instrument, int side, int64_t price_ticks)
{
    int64_t error = query_error(machine, instrument, side);
    if (error)
        return error;
    return suanshi_core_depth((int64_t)machine->header, instrument, side, price_ticks);
}
