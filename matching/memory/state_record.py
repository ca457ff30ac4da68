"""The record of a machine's state that is neither of an order nor of anything with a number."""

import numpy as np

STATE = np.dtype(
    [
        ("now_ns", "<i8"),
        ("next_due_ns", "<i8"),
        ("accepted", "<i8"),  # acceptance sequence given last
        ("trades", "<i8"),
        ("scheduled", "<i8"),
        ("phases_pending", "<i8"),  # scheduled by command and not yet due
        ("free_slot", "<i8"),
        ("slots_used", "<i8"),
        ("free_page", "<i8"),
        ("pages_used", "<i8"),
        ("timers", "<i8"),
        ("levels_used", "<i8"),
        ("words_used", "<i8"),
        ("bands", "<i8"),  # instruments that have a band
        ("funded", "<i8"),  # fen of all accounts
        ("seed", "<i8"),  # of random ends, from the last CLOCK that gave one
        ("refs", "<i8"),  # bound of user_refs
        ("session_pages", "<i8"),  # entries of the directory for one session
        ("session_orders", "<i8"),  # shares of one session, as in Limits
        ("session_blocks", "<i8"),
        ("session_ref_pages", "<i8"),
        ("trade_groups", "<i8"),  # blocks and orders for baskets that traded
        ("free_block", "<i8"),
        ("blocks_used", "<i8"),
        ("candidates", "<i8"),  # blocks to try; none between two commands
        ("busts", "<i8"),  # trades taken back
        ("tripped", "<i8"),  # first account whose quotes are to be withdrawn; none between commands
        # what follows is meaningful only while a command is unfinished
        ("events", "<i8"),  # in the buffer
        ("cursor", "<i8"),  # command under way
        ("foreseen", "<i8"),  # command at which to look ahead again
        ("spent", "<i8"),  # steps of longer tasks in this call
        ("stage", "<i8"),
        ("after", "<i8"),  # the stage that follows a phase change, or the queue
        ("after_list", "<i8"),
        ("slot", "<i8"),  # incoming order
        ("bound", "<i8"),  # lowest index it may trade at, its limit and the collar
        ("limit", "<i8"),  # lowest index its own limit admits
        ("traded_low", "<i8"),
        ("traded_high", "<i8"),
        ("base_price", "<i8"),  # last trade price before the command: distances of stops
        ("queue_head", "<i8"),
        ("queue_reported", "<i8"),  # up to here TRIGGERED is reported
        ("queue_tail", "<i8"),
        ("list_size", "<i8"),  # orders in the list
        ("list_count", "<i8"),  # orders that came into it
        ("list_reason", "<i8"),
        ("list_ref", "<i8"),
        ("instrument", "<i8"),  # of the phase change under way
        ("phase", "<i8"),
        ("by_command", "<i8"),  # 1: a PHASE command asks for the phase change
        ("by_collar", "<i8"),  # 1: the end of a collar's auction, whose uncross has not begun
        ("due_s", "<i8"),  # its second
        ("measured_low", "<i8"),  # price of tick 1 of the range that is measured
        ("measured_ticks", "<i8"),
        ("demand", "<i8"),  # lots of all buys in it
        ("walk_book", "<i8"),  # of a walk over a book: book, level and order under way
        ("walk_index", "<i8"),
        ("walk_slot", "<i8"),
        ("gather_session", "<i8"),  # sessions whose orders are gathered: under way, and the last
        ("gather_last", "<i8"),
        ("gather_firm", "<i8"),  # whose sessions; 0: any
        ("gather_entry", "<i8"),  # page under way
        ("gather_scope", "<i8"),
        ("gather_account", "<i8"),
        ("gather_instrument", "<i8"),
        ("gather_second", "<i8"),
        ("look_wanted", "<i8"),  # lots that a new order must trade at once
        ("look_found", "<i8"),  # lots found so far, and those that are shown in front
        ("look_shown", "<i8"),
        ("quote_ask", "<i8"),  # slot of the ask that enters after the bid has run
        ("after_measure", "<i8"),  # the stage that follows
        ("cross_price", "<i8"),
        ("cross_volume", "<i8"),
        ("block", "<i8"),  # order slot of the block, or order for a basket, that trades
        ("opposite", "<i8"),  # slot of the opposite block; 0: it takes from the hourly books
        ("leg", "<i8"),  # hour under way
        ("leg_left", "<i8"),  # lots to trade in it; 0: it has not begun
        ("after_blocks", "<i8"),  # the stage that follows when no block can trade
    ]
)
_COLUMNS = tuple(STATE.names or ())

UNFINISHED = _COLUMNS[_COLUMNS.index("events") :]
"""Columns that mean something only while a command is unfinished. Each command writes them before
it reads them, so a snapshot has zeros there."""
