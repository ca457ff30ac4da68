"""Stages of the command under way, as STATE keeps them between two calls."""

FETCH = 0  # the next command
DUE = 1  # what is due before it
EXECUTE = 2  # the command itself
SWEEP = 3  # an incoming order's run
CANCEL_LIST = 4  # orders that end together
REPORT_MASS_CANCEL = 5  # the answer to a mass cancel
CLOSE_GATE = 6  # the end of a gate closure
UNCROSS = 7  # finding an auction's price
PAIR = 8  # pairing orders at it
ENTER_PHASE = 9  # announcing a phase
STOP_QUEUE = 10  # triggered stops
TRY_BLOCKS = 11  # standing blocks that may be able to trade
TRADE_BLOCK = 12  # a block's trades, hour by hour
BLOCK_STOPS = 13  # what they trigger, hour by hour
TRADE_BASKET = 14  # the trades of an order for a basket
BASKET_STOPS = 15  # what they trigger, hour by hour
EXPIRING = 16  # the rest of what expires in an instrument at a second
