/* The compiled machine behind the C interface of the public matching-engine benchmark.
 *
 * A message of the benchmark becomes a COMMAND, and an EVENT becomes a report. The flow has neither
 * accounts nor money, so one account buys and one sells, with enough of both. Each order, fill and
 * cancel moves their funds, capacity and positions, and every check is made. The machine writes its
 * events into a ring (ring.h); the drainer translates them into reports, as the venue's gateway
 * does.
 *
 * SUANSHI_QUEUE=harness  pushes reports into the harness's own queue, one by one
 * SUANSHI_LOOKAHEAD=1    lets the machine prefetch for later messages of a batch
 * ME_NO_BATCH=1          (the harness's own) delivers message by message
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "matching_engine_api.h"
#include "suanshi.h"

#include "ring.h"

enum { SESSION = 1, INSTRUMENT = 1, BUYER = 1, SELLER = 2, FIRM = 1 };
enum { REFS = 1 << 22, ORDERS = 1 << 21, TICKS = 1 << 18, LOTS_MAX = 1 << 30 };
static const int64_t FUNDS_FEN = INT64_C(1) << 60;
static const uint32_t OWN_REF = REFS - 1; /* of all cancels and modifies; no message targets it */

enum { CHUNK = 256 };   /* messages of a batch that are translated at a time */
enum { BUFFER = 4096 }; /* events that are kept for the harness's queue */

static suanshi *machine;
static struct ring *ring;        /* NULL: events go to the harness's queue */
static const me_transport_t *queue;
static void *sink;
static int64_t (*run)(suanshi *, int64_t);
static int64_t due;              /* at this number of events, they must be published */
static suanshi_command inbox[CHUNK] __attribute__((aligned(64)));
static suanshi_event buffer[BUFFER] __attribute__((aligned(64)));

static void fail(const char *what, int64_t number)
{
    fprintf(stderr, "suanshi adapter: %s: %lld\n", what, (long long)number);
    abort();
}

/* Translates an event into a report; the two events of a trade are one report. Returns how many
 * events were used. */
static int64_t report(const suanshi_event *event, me_report_t *out)
{
    me_report_t made = {0};
    made.sequence_number = event->sequence;
    made.side = event->side;
    made.order_id = event->user_ref;
    made.price_ticks = event->price;
    made.quantity = (uint32_t)event->quantity;
    int64_t used = 1;
    switch (event->kind) {
    case SUANSHI_EVENT_ACCEPTED:
        made.type = ME_ORDER_ACK;
        break;
    case SUANSHI_EVENT_FILLED:
        made.type = ME_TRADE;
        made.maker_order_id = event[0].user_ref;
        made.taker_order_id = event[1].user_ref;
        made.order_id = event[1].user_ref;
        made.side = event[1].side;
        used = 2;
        break;
    case SUANSHI_EVENT_CANCELLED:
        made.type = ME_CANCEL_ACK;
        break;
    case SUANSHI_EVENT_REPLACED:
        made.type = ME_MODIFY_ACK;
        made.quantity = (uint32_t)event->leaves;
        break;
    case SUANSHI_EVENT_REJECTED: /* a cancel has no quantity, a modify at least one lot */
        if (event->reason != SUANSHI_REASON_UNKNOWN_ORDER)
            fail("a message was rejected, reason", event->reason);
        made.type = event->quantity ? ME_MODIFY_REJECT : ME_CANCEL_REJECT;
        made.order_id = event->target_ref;
        break;
    default:
        fail("an event has no report, kind", event->kind);
    }
    *out = made;
    return used;
}

static uint32_t drain(void *handle, me_report_t *out, uint32_t max)
{
    struct ring *from = handle;
    int64_t at = atomic_load_explicit(&from->released, memory_order_relaxed);
    int64_t end = atomic_load_explicit(&from->published, memory_order_acquire);
    uint32_t made = 0;
    while (at < end && made < max)
        at += report(ring_at(from, at), &out[made++]);
    atomic_store_explicit(&from->released, at, memory_order_release);
    return made;
}

static void push_all(int64_t count)
{
    me_report_t made;
    for (int64_t at = 0; at < count;) {
        at += report(&buffer[at], &made);
        while (!queue->push(sink, &made))
            ring_pause();
    }
    suanshi_rewind(machine, 0);
}

typedef uint64_t __attribute__((may_alias)) word;

/* Writes whole words, because the machine reads words: two stores do not forward to one load. */
static void put(suanshi_command *command, uint64_t sequence, uint64_t price, uint64_t quantity,
                uint64_t ref, uint64_t target, uint64_t account, uint64_t codes)
{
    word *out = (word *)command;
    out[0] = sequence;
    out[1] = sequence;
    out[2] = price;
    out[3] = quantity;
    out[4] = SESSION | ref << 32;
    out[5] = target | account << 32;
    out[6] = INSTRUMENT;
    out[7] = codes;
}

static uint64_t codes(uint64_t kind, uint64_t side, uint64_t type, uint64_t tif, uint64_t flags)
{
    return kind | side << 8 | type << 16 | tif << 24 | flags << 40;
}

static void check(uint64_t order_id, int64_t price, uint32_t quantity)
{
    if (order_id == 0 || order_id >= OWN_REF)
        fail("order ids go from 1 to 4194302, got", (int64_t)order_id);
    if (price < 1 || price > TICKS)
        fail("prices go from 1 to 262144 ticks, got", price);
    if (quantity < 1 || quantity > LOTS_MAX)
        fail("quantities go from 1 to 2^30, got", quantity);
}

static void put_new(suanshi_command *command, const new_order_t *order)
{
    uint64_t tif = order->ioc ? SUANSHI_TIF_IOC : SUANSHI_TIF_GTC;
    check(order->order_id, order->price_ticks, order->quantity);
    put(command, order->sequence_number, (uint64_t)order->price_ticks, order->quantity,
        order->order_id, 0, BUYER + order->side,
        codes(SUANSHI_COMMAND_NEW, order->side, SUANSHI_ORDER_LIMIT, tif, 0));
}

/* Ids beyond the machine's limits pass: the machine rejects them as unknown orders. */
static uint64_t target(uint64_t order_id)
{
    if (order_id > UINT32_MAX)
        fail("cancels and modifies target ids up to 4294967295, got", (int64_t)order_id);
    return order_id;
}

static void put_cancel(suanshi_command *command, const cancel_t *cancel)
{
    put(command, cancel->sequence_number, 0, 0, OWN_REF, target(cancel->order_id), 0,
        codes(SUANSHI_COMMAND_CANCEL, 0, 0, 0, 0));
}

static void put_modify(suanshi_command *command, const modify_t *modify)
{
    check(1, modify->new_price_ticks, modify->new_quantity);
    put(command, modify->sequence_number, (uint64_t)modify->new_price_ticks, modify->new_quantity,
        OWN_REF, target(modify->order_id), BUYER + modify->side,
        codes(SUANSHI_COMMAND_REPLACE, modify->side, 0, 0, SUANSHI_FLAG_REQUEUE));
}

/* Gives the free part of the ring's memory to the machine as its buffer of events. */
static void lend_ring(int64_t events)
{
    suanshi_lend(machine, inbox, CHUNK, ring->events, ring_room(ring));
    suanshi_rewind(machine, events);
    due = ring_due(ring);
}

/* Publishes the events in the buffer. */
static void publish_events(int64_t events)
{
    if (!ring) {
        push_all(events);
        return;
    }
    ring_publish(ring, events);
    due = ring_due(ring);
    if (events >= due) { /* a lap is complete, or the reader is far behind */
        ring_wait(ring, events);
        lend_ring(ring_turn(ring, events));
    }
}

static void process(int64_t count)
{
    int64_t events = run(machine, count);
    while (events < 0) {
        if (suanshi_error(events))
            fail(suanshi_error(events), count);
        publish_events(-1 - events);
        events = suanshi_resume(machine, count);
    }
    if (events >= due)
        publish_events(events);
}

void engine_on_new_order(const new_order_t *order)
{
    put_new(inbox, order);
    process(1);
}

void engine_on_cancel(const cancel_t *cancel)
{
    put_cancel(inbox, cancel);
    process(1);
}

void engine_on_modify(const modify_t *modify)
{
    put_modify(inbox, modify);
    process(1);
}

void engine_on_batch(const me_msg_t *messages, uint32_t count)
{
    while (count) {
        uint32_t chunk = count < CHUNK ? count : CHUNK;
        for (uint32_t at = 0; at < chunk; at++) {
            const me_msg_t *message = &messages[at];
            if (message->type == 0)
                put_new(&inbox[at], &message->no);
            else if (message->type == 1)
                put_cancel(&inbox[at], &message->c);
            else
                put_modify(&inbox[at], &message->md);
        }
        process(chunk);
        messages += chunk;
        count -= chunk;
    }
}

void engine_flush(void)
{
    if (ring)
        ring_publish(ring, suanshi_run(machine, 0));
}

int64_t engine_query_best_bid(void)
{
    int64_t price = suanshi_best(machine, INSTRUMENT, SUANSHI_SIDE_BUY);
    return price ? price : INT64_MIN;
}

int64_t engine_query_best_ask(void)
{
    int64_t price = suanshi_best(machine, INSTRUMENT, SUANSHI_SIDE_SELL);
    return price ? price : INT64_MAX;
}

uint64_t engine_query_depth_at(int64_t price_ticks, uint8_t side)
{
    return (uint64_t)suanshi_depth(machine, INSTRUMENT, side, price_ticks);
}

static void *create(uint32_t capacity)
{
    return ring_open(2 * (int64_t)capacity); /* a report has at most two events */
}

static int push(void *handle, const me_report_t *made)
{
    (void)handle, (void)made;
    return 0; /* the machine writes into the ring itself */
}

static void publish(void *handle)
{
    (void)handle; /* engine_flush has published the events */
}

static void destroy(void *handle)
{
    ring_close(handle);
}

static const me_transport_t OWN_TRANSPORT = {create, push, drain, publish, destroy};

const me_transport_t *engine_get_transport(void)
{
    const char *chosen = getenv("SUANSHI_QUEUE");
    return chosen && strcmp(chosen, "harness") == 0 ? NULL : &OWN_TRANSPORT;
}

static void run_admin(suanshi_command command)
{
    suanshi_lend(machine, &command, 1, buffer, BUFFER);
    if (suanshi_run(machine, 1) != 1 || buffer[0].reason)
        fail("the venue's own command was rejected, kind", command.kind);
}

void engine_init(uint64_t seed, const me_transport_t *transport, void *report_sink)
{
    suanshi_limits limits = {
        .sessions = 1, .accounts = 2, .instruments = 1, .orders = ORDERS, .blocks = 1, .baskets = 1,
        .refs = REFS, .ref_pages = REFS / 1024, .ticks = TICKS, .session_orders = ORDERS,
        .session_blocks = 1, .session_ref_pages = REFS / 1024,
    };
    (void)seed;
    const char *ahead = getenv("SUANSHI_LOOKAHEAD");
    run = ahead && *ahead == '1' ? suanshi_run : suanshi_run_blind;
    ring = transport == &OWN_TRANSPORT ? report_sink : NULL;
    queue = transport;
    sink = report_sink;
    machine = suanshi_open(&limits);
    if (!machine)
        fail("no memory for a machine of orders", ORDERS);
#define ADMIN(...) run_admin((suanshi_command){.instrument = INSTRUMENT, __VA_ARGS__})
    ADMIN(.kind = SUANSHI_COMMAND_LIST, .price = 1, .quantity = 1);
    ADMIN(.kind = SUANSHI_COMMAND_BAND, .price = 1, .stop = TICKS);
    ADMIN(.kind = SUANSHI_COMMAND_PHASE, .type = SUANSHI_PHASE_CONTINUOUS);
    ADMIN(.kind = SUANSHI_COMMAND_SESSION, .target_ref = SESSION, .account = FIRM);
    for (uint32_t account = BUYER; account <= SELLER; account++) {
        ADMIN(.kind = SUANSHI_COMMAND_ACCOUNT, .account = account, .target_ref = FIRM);
        ADMIN(.kind = SUANSHI_COMMAND_FUND, .account = account, .amount_fen = FUNDS_FEN);
        ADMIN(.kind = SUANSHI_COMMAND_REGISTER, .account = account, .quantity = LOTS_MAX);
    }
    if (ring)
        lend_ring(0);
    else
        suanshi_lend(machine, inbox, CHUNK, buffer, BUFFER);
}

void engine_shutdown(void)
{
    suanshi_close(machine);
    machine = NULL;
}
