/* A machine as a filter, for test_native.py; and all mistakes that a program can make with it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "suanshi.h"

#define EXPECT(error, call)                                                               \
    do {                                                                                  \
        int64_t got = (call);                                                             \
        if (got != (error) || !suanshi_error(got)) {                                      \
            fprintf(stderr, "line %d: %s gives %lld\n", __LINE__, #call, (long long)got); \
            exit(9);                                                                      \
        }                                                                                 \
    } while (0)

/* Calls that are errors in any state; each may change nothing. */
static void misuse(suanshi *machine, const suanshi_command *commands, int64_t length,
                   suanshi_event *events, int64_t room)
{
    const int64_t most = INT64_MAX / 64;
    EXPECT(SUANSHI_ERROR_MACHINE, suanshi_run(NULL, 0));
    EXPECT(SUANSHI_ERROR_MACHINE, suanshi_run_blind(NULL, 0));
    EXPECT(SUANSHI_ERROR_MACHINE, suanshi_resume(NULL, 0));
    EXPECT(SUANSHI_ERROR_MACHINE, suanshi_rewind(NULL, 0));
    EXPECT(SUANSHI_ERROR_MACHINE, suanshi_lend(NULL, commands, length, events, room));
    EXPECT(SUANSHI_ERROR_MACHINE, suanshi_best(NULL, 1, 0));
    EXPECT(SUANSHI_ERROR_MACHINE, suanshi_depth(NULL, 1, 0, 1));
    suanshi_close(NULL);
    EXPECT(SUANSHI_ERROR_BUFFER, suanshi_lend(machine, NULL, length, events, room));
    EXPECT(SUANSHI_ERROR_BUFFER, suanshi_lend(machine, commands, length, NULL, room));
    EXPECT(SUANSHI_ERROR_COUNT, suanshi_lend(machine, commands, -1, events, room));
    EXPECT(SUANSHI_ERROR_COUNT, suanshi_lend(machine, commands, most + 1, events, room));
    EXPECT(SUANSHI_ERROR_COUNT, suanshi_lend(machine, commands, INT64_MIN, events, room));
    EXPECT(SUANSHI_ERROR_ROOM, suanshi_lend(machine, commands, length, events, 15));
    EXPECT(SUANSHI_ERROR_ROOM, suanshi_lend(machine, commands, length, events, -1));
    EXPECT(SUANSHI_ERROR_ROOM, suanshi_lend(machine, commands, length, events, most + 1));
    EXPECT(SUANSHI_ERROR_COUNT, suanshi_rewind(machine, -1));
    EXPECT(SUANSHI_ERROR_COUNT, suanshi_rewind(machine, room + 1));
    EXPECT(SUANSHI_ERROR_COUNT, suanshi_rewind(machine, INT64_MAX));
}

/* Calls that are errors between two runs. */
static void misuse_between(suanshi *machine, int64_t length, int64_t instruments)
{
    const uint32_t beyond[] = {0, (uint32_t)instruments + 1, 1u << 31, UINT32_MAX};
    EXPECT(SUANSHI_ERROR_COUNT, suanshi_run(machine, -1));
    EXPECT(SUANSHI_ERROR_COUNT, suanshi_run(machine, length + 1));
    EXPECT(SUANSHI_ERROR_COUNT, suanshi_run_blind(machine, INT64_MAX));
    EXPECT(SUANSHI_ERROR_COUNT, suanshi_run_blind(machine, INT64_MIN));
    for (int64_t count = -1; count <= length; count++)
        EXPECT(SUANSHI_ERROR_FINISHED, suanshi_resume(machine, count));
    for (int at = 0; at < 4; at++) {
        EXPECT(SUANSHI_ERROR_INSTRUMENT, suanshi_best(machine, beyond[at], 0));
        EXPECT(SUANSHI_ERROR_INSTRUMENT, suanshi_depth(machine, beyond[at], 0, 1));
    }
    for (int side = -1; side < 5; side += side == -1 ? 3 : 1) {
        EXPECT(SUANSHI_ERROR_SIDE, suanshi_best(machine, 1, side));
        EXPECT(SUANSHI_ERROR_SIDE, suanshi_depth(machine, 1, side, 1));
    }
    for (int64_t instrument = 1; instrument <= instruments; instrument++) {
        if (suanshi_best(machine, (uint32_t)instrument, 1) < 0)
            exit(8);
        if (suanshi_depth(machine, (uint32_t)instrument, 0, INT64_MIN) != 0
            || suanshi_depth(machine, (uint32_t)instrument, 0, INT64_MAX) != 0
            || suanshi_depth(machine, (uint32_t)instrument, 0, 0) != 0)
            exit(7);
    }
}

/* Calls that are errors while commands are unfinished. */
static void misuse_within(suanshi *machine, const suanshi_command *commands, int64_t length,
                          int64_t count, suanshi_event *events, int64_t room)
{
    EXPECT(SUANSHI_ERROR_UNFINISHED, suanshi_run(machine, count));
    EXPECT(SUANSHI_ERROR_UNFINISHED, suanshi_run_blind(machine, count));
    EXPECT(SUANSHI_ERROR_UNFINISHED, suanshi_run(machine, -1));
    EXPECT(SUANSHI_ERROR_FINISHED, suanshi_resume(machine, count - 1));
    EXPECT(SUANSHI_ERROR_FINISHED, suanshi_resume(machine, count + 1));
    EXPECT(SUANSHI_ERROR_FINISHED, suanshi_resume(machine, -1));
    EXPECT(SUANSHI_ERROR_UNFINISHED, suanshi_lend(machine, commands + 1, length, events, room));
    EXPECT(SUANSHI_ERROR_UNFINISHED, suanshi_lend(machine, commands, length + 1, events, room));
    EXPECT(SUANSHI_ERROR_UNFINISHED, suanshi_best(machine, 1, 0));
    EXPECT(SUANSHI_ERROR_UNFINISHED, suanshi_depth(machine, 1, 0, 1));
}

/* COMMANDs from the standard input, EVENTs to the standard output: HOW LENGTH ROOM LIMITS... HOW
 * begins with b to run blind; with its second letter m it makes all mistakes between all steps. */
int main(int argc, char **argv)
{
    int64_t given[sizeof(suanshi_limits) / sizeof(int64_t)];
    for (int at = 0; at + 4 < argc; at++)
        given[at] = atoll(argv[at + 4]);
    suanshi_limits *limits = (suanshi_limits *)given;
    suanshi *machine = suanshi_open(limits);
    if (!machine)
        return errno == EINVAL ? 3 : errno == ENOMEM ? 4 : 5;
    int64_t length = atoll(argv[2]), room = atoll(argv[3]), count, made;
    suanshi_command *commands = calloc((size_t)length, sizeof *commands);
    suanshi_event *events = calloc((size_t)room, sizeof *events);
    int64_t (*run)(suanshi *, int64_t) = argv[1][0] == 'b' ? suanshi_run_blind : suanshi_run;
    int mistakes = argv[1][1] == 'm';
    if (mistakes) {
        EXPECT(SUANSHI_ERROR_BUFFER, suanshi_run(machine, 0));
        EXPECT(SUANSHI_ERROR_BUFFER, suanshi_run_blind(machine, 1));
        EXPECT(SUANSHI_ERROR_FINISHED, suanshi_resume(machine, 0));
        EXPECT(SUANSHI_ERROR_COUNT, suanshi_rewind(machine, 1));
        misuse(machine, commands, length, events, 0);
        if (suanshi_open(NULL) || errno != EINVAL)
            return 6;
    }
    while ((count = (int64_t)fread(commands, sizeof *commands, (size_t)length, stdin)) > 0) {
        if (suanshi_lend(machine, commands, length, events, room))
            return 2;
        for (made = run(machine, count); made < 0; made = suanshi_resume(machine, count)) {
            if (mistakes) {
                misuse(machine, commands, length, events, room);
                misuse_within(machine, commands, length, count, events, room);
            }
            fwrite(events, sizeof *events, (size_t)(-1 - made), stdout);
            if (suanshi_lend(machine, commands, length, events, room))
                return 2;
        }
        fwrite(events, sizeof *events, (size_t)made, stdout);
        if (mistakes) {
            misuse(machine, commands, length, events, room);
            misuse_between(machine, length, limits->instruments);
        }
    }
    suanshi_close(machine);
    free(commands);
    free(events);
    return 0;
}
