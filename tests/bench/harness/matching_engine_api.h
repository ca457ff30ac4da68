/* A stand-in for the interface of the public benchmark, as far as our adapter uses it. */
#include <stdint.h>

typedef struct { uint64_t order_id, sequence_number; int64_t price_ticks; uint32_t quantity; uint8_t side, ioc; } new_order_t;
typedef struct { uint64_t order_id, sequence_number; } cancel_t;
typedef struct { uint64_t order_id, sequence_number; int64_t new_price_ticks; uint32_t new_quantity; uint8_t side; } modify_t;
typedef struct { uint8_t type; union { new_order_t no; cancel_t c; modify_t md; }; } me_msg_t;

enum { ME_ORDER_ACK, ME_TRADE, ME_CANCEL_ACK, ME_MODIFY_ACK, ME_CANCEL_REJECT, ME_MODIFY_REJECT };
typedef struct {
    uint8_t type, side;
    uint64_t sequence_number, order_id;
    int64_t price_ticks;
    uint32_t quantity;
    uint64_t maker_order_id, taker_order_id;
} me_report_t;

typedef struct {
    void *(*create)(uint32_t capacity);
    int (*push)(void *queue, const me_report_t *report);
    uint32_t (*drain)(void *queue, me_report_t *reports, uint32_t most);
    void (*flush)(void *queue);
    void (*destroy)(void *queue);
} me_transport_t;
