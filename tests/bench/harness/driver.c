/* Plays a flow through the adapter, as the public benchmark does, and prints the reports.
 *
 * Messages on the standard input, six int64 each: type, side, ioc, quantity, order_id, price_ticks.
 * Arguments: how many messages at a time (0: one by one, by a call of their own), and the capacity
 * of the queue. Whatever the queue's capacity, it is drained by another thread.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "matching_engine_api.h"

void engine_init(uint64_t seed, const me_transport_t *transport, void *queue);
void engine_shutdown(void);
void engine_on_new_order(const new_order_t *order);
void engine_on_cancel(const cancel_t *cancel);
void engine_on_modify(const modify_t *modify);
void engine_on_batch(const me_msg_t *messages, uint32_t count);
void engine_flush(void);
int64_t engine_query_best_bid(void);
int64_t engine_query_best_ask(void);
uint64_t engine_query_depth_at(int64_t price_ticks, uint8_t side);
const me_transport_t *engine_get_transport(void);

enum { SLOTS = 1 << 10 };
static me_report_t slots[SLOTS]; /* the benchmark's queue */
static _Atomic uint64_t pushed, drained;
static _Atomic int over;
static const me_transport_t *transport;
static void *queue;

static void *create(uint32_t capacity) { (void)capacity; return slots; }
static void nothing(void *handle) { (void)handle; }

static int push(void *handle, const me_report_t *report)
{
    (void)handle;
    if (pushed - drained == SLOTS)
        return 0;
    slots[pushed % SLOTS] = *report;
    pushed++;
    return 1;
}

static uint32_t drain(void *handle, me_report_t *reports, uint32_t most)
{
    uint32_t made = 0;
    (void)handle;
    for (; made < most && drained < pushed; drained++)
        reports[made++] = slots[drained % SLOTS];
    return made;
}

static const me_transport_t THEIRS = {create, push, drain, nothing, nothing};

static void print(const me_report_t *r)
{
    long long seq = r->sequence_number, price = r->price_ticks, id = r->order_id;
    int type = r->type, lots = r->quantity;
    if (type == ME_TRADE)
        printf("%d,%lld,%lld,%d,%lld,%lld\n", type, seq, price, lots, (long long)r->maker_order_id,
               (long long)r->taker_order_id);
    else if (type == ME_CANCEL_ACK)
        printf("%d,%lld,%d,%lld,%lld\n", type, seq, r->side, id, price);
    else if (type == ME_CANCEL_REJECT || type == ME_MODIFY_REJECT)
        printf("%d,%lld,%lld\n", type, seq, id);
    else
        printf("%d,%lld,%d,%lld,%lld,%d\n", type, seq, r->side, id, price, lots);
}

static void *drainer(void *unused)
{
    me_report_t reports[7];
    for (int last = 0; !last;) {
        last = over;
        for (uint32_t count; (count = transport->drain(queue, reports, 7)) > 0;)
            for (uint32_t at = 0; at < count; at++)
                print(&reports[at]);
    }
    return unused;
}

static me_msg_t message(const int64_t *row, uint64_t sequence)
{
    me_msg_t made = {.type = row[0]};
    if (row[0] == 0)
        made.no = (new_order_t){row[4], sequence, row[5], row[3], row[1], row[2]};
    else if (row[0] == 1)
        made.c = (cancel_t){row[4], sequence};
    else
        made.md = (modify_t){row[4], sequence, row[5], row[3], row[1]};
    return made;
}

static void play(const me_msg_t *messages, uint32_t count, int one_by_one)
{
    if (!one_by_one)
        engine_on_batch(messages, count);
    else if (messages->type == 0)
        engine_on_new_order(&messages->no);
    else if (messages->type == 1)
        engine_on_cancel(&messages->c);
    else
        engine_on_modify(&messages->md);
}

int main(int argc, char **argv)
{
    uint32_t batch = argc > 1 ? atoi(argv[1]) : 0, held = 0, most = batch ? batch : 1;
    me_msg_t *messages = calloc(most, sizeof *messages);
    uint64_t sequence = 0;
    int64_t row[6];
    pthread_t thread;
    transport = engine_get_transport() ? engine_get_transport() : &THEIRS;
    queue = transport->create(argc > 2 ? atoi(argv[2]) : 1 << 10);
    engine_init(1, transport, queue);
    pthread_create(&thread, NULL, drainer, NULL);
    while (fread(row, sizeof row, 1, stdin)) {
        messages[held++] = message(row, sequence++);
        if (held == most) {
            play(messages, held, !batch);
            held = 0;
        }
    }
    if (held)
        play(messages, held, !batch);
    engine_flush();
    transport->flush(queue);
    over = 1;
    pthread_join(thread, NULL);
    int64_t bid = engine_query_best_bid(), ask = engine_query_best_ask();
    fprintf(stderr, "%lld %llu %lld %llu\n", (long long)bid,
            (unsigned long long)engine_query_depth_at(bid, 0), (long long)ask,
            (unsigned long long)engine_query_depth_at(ask, 1));
    engine_shutdown();
    transport->destroy(queue);
    return 0;
}
