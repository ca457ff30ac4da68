"""Tables that the order gate's kernels use, behind one handle: frames, peers, rules, verdicts."""

import numpy as np

from matching.memory.handle import HandleLayout, handle_at

PEER_ROW = np.dtype(
    [
        ("route", "<i8"),
        ("session", "<i8"),  # logged on there; 0: none
    ]
)
"""A peer of the port that is read; the table is sorted by route."""

FRAME_ROW = np.dtype(
    [
        ("start", "<i8"),  # index in `words`
        ("bytes", "<i8"),
        ("session", "<i8"),
        ("route", "<i8"),
        ("irregular", "<i8"),  # 0, NOT_ORDERS or MULTIPART
    ]
)
"""A frame that was read."""

NOT_ORDERS, MULTIPART = 1, 2
"""A frame is irregular: not an order frame of a session that is logged on, or of several parts."""

SESSION_RULE = np.dtype(
    [
        ("last_ref", "<i8"),
        ("cost_ns", "<i8"),  # of one command: the time in which the session's bucket regains it
        ("burst_ns", "<i8"),  # size of the bucket
        ("due_ns", "<i8"),  # when the bucket will be full again
        ("role", "<i8"),  # READ_ONLY, TRADING or OPERATOR
        ("blocked", "<i8"),
        ("account_row", "<i8"),  # row of `accounts`; 0: any account, and the engine checks the firm
        ("marked_ref", "<i8"),  # last_ref when its report stream was marked
    ]
)
"""The order gate's rules and state for one session."""

READ_ONLY, TRADING, OPERATOR = 0, 1, 2

ORDER_TO_TRADE = np.dtype(
    [
        ("left", "<i8"),  # commands before new orders are refused; cancels may go below 0
        ("trades", "<i8"),  # of the day; counted only where there is a limit
    ]
)
"""A session's account under the order-to-trade limit."""

VERDICT = np.dtype(
    [
        ("reason", "<i8"),  # a RefusalReason; 0: admitted
        ("index", "<i8"),  # of the first record refused
        ("repeated", "<i8"),  # duplicates at the start of the frame
        ("ref", "<i8"),  # of the first record refused
    ]
)
"""The order gate's decision about a frame."""

SCRATCH = np.dtype(
    [
        ("route", "<i8"),  # of the frame that is being read
        ("has_more", "<i8"),  # value of ZMQ_RCVMORE
        ("option_bytes", "<i8"),  # length of that value
        ("route_bytes", "<i8"),  # of a peer that is not known yet
    ]
)
"""Memory that libzmq writes to; the 16 bytes of a longest routing id end at `option_bytes`."""

GATE_CALL = np.dtype(
    [
        ("zmq_recv", "<i8"),  # addresses of functions, of the socket and of memory
        ("zmq_getsockopt", "<i8"),
        ("socket", "<i8"),
        ("words_address", "<i8"),
        ("scratch_address", "<i8"),
        ("records_max", "<i8"),
        ("ref_max", "<i8"),
        ("account_row_length", "<i8"),
        # the results of reading
        ("frame_count", "<i8"),
        ("word_count", "<i8"),
        ("record_count", "<i8"),
        ("irregular_count", "<i8"),
        ("stop", "<i8"),  # EMPTY, FULL or UNKNOWN_PEER
        # the results of admission
        ("verdict_count", "<i8"),  # frames that were refused or have duplicates
        ("mark_count", "<i8"),  # sessions whose report stream is to be marked
    ]
)
"""Arguments and results of the order gate's kernels."""

GATE_LAYOUT = HandleLayout(
    "Gate",
    {
        "call": GATE_CALL,  # one record
        "words": np.dtype("<i8"),  # content of the frames, one behind another
        "frames": FRAME_ROW,
        "scratch": SCRATCH,  # one record
        "peers": PEER_ROW,
        "rules": SESSION_RULE,  # by session
        "order_to_trade": ORDER_TO_TRADE,  # by session
        "accounts": np.dtype("u1"),  # session x account_row_length + account: whether it may use it
        "verdicts": VERDICT,  # by frame
        "out": np.dtype("<i8"),  # COMMAND records as words
    },
)

gate_at = handle_at(GATE_LAYOUT)
"""Takes `Handle.argument` for the handle of the gate's tables."""
