"""Stages of the command under way, as STATE keeps them between two calls."""

FETCH = 0  # the next command
DUE = 1  # timers due before it
EXECUTE = 2  # the command itself
SWEEP = 3  # the run of an incoming order
CANCEL_LIST = 4  # orders that end together
REPORT_MASS_CANCEL = 5  # the report of a mass cancel
CLOSE_GATE = 6  # the end of a gate closure
UNCROSS = 7  # finding an auction's price
PAIR = 8  # pairing orders at it
ENTER_PHASE = 9  # entering and reporting a phase
STOP_QUEUE = 10  # triggered stops
TRY_BLOCKS = 11  # candidates: blocks that may be able to trade
TRADE_BLOCK = 12  # a block's trades, hour by hour
BLOCK_STOPS = 13  # the stops that they trigger, hour by hour
TRADE_BASKET = 14  # the trades of an order for a basket
BASKET_STOPS = 15  # the stops that they trigger, hour by hour
EXPIRING = 16  # the other orders that expire in an instrument at a second
MEASURE = 17  # adding up the crossing orders of an auction
NEXT_AUCTION = 18  # the next instrument in an auction, after a CLOCK
INDICATE = 19  # its indicative price
