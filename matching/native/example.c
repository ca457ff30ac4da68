/* Lists an instrument, opens a buyer and a seller, and matches their orders. */
#include <inttypes.h>
#include <stdio.h>

#include "suanshi.h"

enum { FIRM = 1, SESSION = 1, H800 = 1, BUYER = 1, SELLER = 2, ROOM = 64 };

static void show(const suanshi_event *event)
{
    switch (event->kind) {
    case SUANSHI_EVENT_ACCEPTED:
        printf("order %" PRIu32 " accepted\n", event->user_ref);
        break;
    case SUANSHI_EVENT_FILLED:
        printf("order %" PRIu32 " filled: %d lots at %d, %d left\n", event->user_ref,
               event->quantity, event->price, event->leaves);
        break;
    case SUANSHI_EVENT_REJECTED:
        printf("refused, reason %d\n", event->reason);
        break;
    default:
        printf("done (%d)\n", event->kind);
    }
}

int main(void)
{
    const suanshi_limits limits = SUANSHI_LIMITS_DEFAULT;
    const suanshi_command commands[] = {
        {.kind = SUANSHI_COMMAND_LIST, .instrument = H800, .price = 1130, .quantity = 1},
        {.kind = SUANSHI_COMMAND_BAND, .instrument = H800, .price = 1000, .stop = 1300},
        {.kind = SUANSHI_COMMAND_PHASE, .instrument = H800, .type = SUANSHI_PHASE_CONTINUOUS},
        {.kind = SUANSHI_COMMAND_SESSION, .target_ref = SESSION, .account = FIRM},
        {.kind = SUANSHI_COMMAND_ACCOUNT, .account = BUYER, .target_ref = FIRM},
        {.kind = SUANSHI_COMMAND_ACCOUNT, .account = SELLER, .target_ref = FIRM},
        {.kind = SUANSHI_COMMAND_FUND, .account = BUYER, .amount_fen = 1000000},
        {.kind = SUANSHI_COMMAND_REGISTER, .account = SELLER, .instrument = H800, .quantity = 10},
        {.kind = SUANSHI_COMMAND_NEW, .type = SUANSHI_ORDER_LIMIT, .session = SESSION,
         .user_ref = 1, .account = SELLER, .instrument = H800, .side = SUANSHI_SIDE_SELL,
         .price = 1130, .quantity = 8},
        {.kind = SUANSHI_COMMAND_NEW, .type = SUANSHI_ORDER_LIMIT, .session = SESSION,
         .user_ref = 2, .account = BUYER, .instrument = H800, .side = SUANSHI_SIDE_BUY,
         .price = 1140, .quantity = 5},
    };
    const int64_t length = sizeof commands / sizeof commands[0];
    suanshi_event events[ROOM];
    suanshi *machine = suanshi_open(&limits);
    int64_t count = suanshi_lend(machine, commands, length, events, ROOM);
    count = suanshi_error(count) ? count : suanshi_run(machine, length);
    if (suanshi_error(count))
        return puts(suanshi_error(count)), 1;
    for (int64_t at = 0; at < count; at++)
        show(&events[at]);
    printf("best ask %" PRId64 ", %" PRId64 " lots\n",
           suanshi_best(machine, H800, SUANSHI_SIDE_SELL),
           suanshi_depth(machine, H800, SUANSHI_SIDE_SELL, 1130));
    suanshi_close(machine);
    return 0;
}
