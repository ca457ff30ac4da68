"""The gate: what of the frames just read becomes commands, decided in one compiled pass.

A frame is taken whole or refused whole, except that records at its start whose user_ref was used
before are answered as duplicates. A refused frame uses up no user_ref.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import carray
from numpy.typing import NDArray

from feeds.gateway.read_frames import APART, OWNER, SIZE, START, STRANGER, drain
from feeds.protocol.messages import RefusalReason
from feeds.protocol.records import FRAME
from feeds.transport.compiler import entry
from feeds.transport.libzmq import pointer
from matching.records import COMMAND, NANOSECONDS, CommandFlag, CommandKind

WORDS = COMMAND.itemsize // 8
HEAD_WORDS = FRAME.itemsize // 8
REF_WINDOW = 1 << 16
"""A user_ref may be at most this far above the session's last one."""

MARK_REFS = 256
"""A report stream remembers where it was at every so many refs."""

READ_ONLY, TRADING, OPERATOR = 0, 1, 2

RULES = np.dtype(
    [
        ("last_ref", "<i8"),
        ("cost_ns", "<i8"),  # of one command, in time that its session must have waited
        ("burst_ns", "<i8"),
        ("due_ns", "<i8"),  # when the session's bucket will be empty again
        ("role", "<i8"),
        ("blocked", "<i8"),
        ("row", "<i8"),  # of its accounts: its number; 0: its firm's, the machine asks
        ("marked_ref", "<i8"),  # last_ref when its report stream was marked
    ]
)
"""What the gate knows of a session."""

VERDICT = np.dtype(
    [
        ("reason", "<i8"),
        ("index", "<i8"),  # of the first record refused
        ("repeated", "<i8"),  # duplicates at the start of the frame
        ("ref", "<i8"),  # of the first record refused
    ]
)

_MALFORMED = int(RefusalReason.MALFORMED_FRAME)
_NOT_ENTITLED = int(RefusalReason.NOT_ENTITLED)
_STALE = int(RefusalReason.STALE)
_RATE = int(RefusalReason.RATE)
_NOT_NEW = int(RefusalReason.REF_NOT_NEW)
_WINDOW = int(RefusalReason.REF_WINDOW)
_BLOCKED = int(RefusalReason.BLOCKED)
_NEW = int(CommandKind.NEW)
_MASS_CANCEL = int(CommandKind.MASS_CANCEL)
_ADMIN = int(CommandKind.LIST)
_BUST = int(CommandKind.BUST)
_REGISTER, _CARRIED = int(CommandKind.REGISTER), int(CommandFlag.CARRIED)
_LOW = 0xFFFF_FFFF


@dataclass(frozen=True)
class Rules:
    """The rules of all sessions by number, and the accounts that each may name if it has some."""

    sessions: NDArray[np.void]
    accounts: NDArray[np.uint8]
    ref_max: int


@entry
def admit(words, frames, frame_count, rules, allowed, ref_max, now_ns, sequence, out, first,
          verdicts):  # fmt: skip
    """Check frames and write what is admitted, stamped, from row `first` of `out` on.

    `words` holds all frames behind one another as int64, `frames` what `drain` says of each; those
    set apart are passed over. `out` has a row of 8 words a command. Returns how many commands,
    how many frames have a verdict other than yes, and how many sessions' streams are to be marked.
    """
    taken, noted, marks = 0, 0, 0
    for frame in range(frame_count):
        verdict = verdicts[frame]
        verdict["reason"] = 0
        verdict["index"] = 0
        verdict["repeated"] = 0
        verdict["ref"] = 0
        if frames[frame, APART] != 0:
            continue
        owner = frames[frame, OWNER]
        rule = rules[owner]
        at, size = frames[frame, START], frames[frame, SIZE] // 8
        count = (size - HEAD_WORDS) // WORDS
        head = words[at]
        if rule["last_ref"] >= rule["marked_ref"] + MARK_REFS:
            rule["marked_ref"] = rule["last_ref"]
            marks += 1
        if (
            size != HEAD_WORDS + count * WORDS
            or count < 1
            or (head >> 16) & 0xFFFF != count
            or (head >> 8) & 0xFF != 0
            or (head >> 32) & _LOW != 0
            or words[at + 1] != 0
        ):
            verdict["reason"] = _MALFORMED
            noted += 1
            continue
        if rule["blocked"]:
            verdict["reason"] = _BLOCKED
            noted += 1
            continue
        at += HEAD_WORDS
        kind = words[at + 7] & 0xFF
        operator = rule["role"] == OPERATOR
        if rule["role"] == READ_ONLY or not (
            (_NEW <= kind <= _MASS_CANCEL and (not operator or kind == _MASS_CANCEL))
            or (operator and _ADMIN <= kind < _BUST)
        ):
            verdict["reason"] = _NOT_ENTITLED
            verdict["ref"] = (words[at + 4] >> 32) & _LOW
            noted += 1
            continue
        last, fresh, row = rule["last_ref"], 0, rule["row"]
        for index in range(count):
            ref = (words[at + 4] >> 32) & _LOW
            reason = 0
            if words[at + 7] & 0xFF != kind:
                reason = _MALFORMED
            elif ref <= last:
                if fresh == 0:
                    verdict["repeated"] += 1
                    at += WORDS
                    continue
                reason = _NOT_NEW
            elif ref - last > REF_WINDOW or ref > ref_max:
                reason = _WINDOW
            elif words[at] < 0 or (words[at] != 0 and words[at] < now_ns):
                reason = _STALE
            elif kind == _REGISTER and (words[at + 7] >> 40) & _CARRIED:
                reason = _NOT_ENTITLED  # positions are carried by the head of a day alone
            elif row > 0 and (kind == _NEW or kind == _MASS_CANCEL):
                account = (words[at + 5] >> 32) & _LOW
                if (kind == _NEW or (words[at + 7] >> 16) & 0xFF == 2) and (
                    account >= allowed.shape[1] or not allowed[row, account]
                ):
                    reason = _NOT_ENTITLED
            if reason:
                verdict["reason"] = reason
                verdict["index"] = index
                verdict["ref"] = ref
                break
            line = out[first + taken + fresh]
            line[0] = sequence + taken + fresh
            line[1] = now_ns
            for word in range(2, WORDS):
                line[word] = words[at + word]
            line[4] = (ref << 32) | owner
            fresh += 1
            last = ref
            at += WORDS
        if verdict["reason"] or verdict["repeated"]:
            noted += 1
        if verdict["reason"]:
            continue
        due = max(rule["due_ns"], now_ns - rule["burst_ns"]) + fresh * rule["cost_ns"]
        if fresh > 0 and due > now_ns:
            verdict["reason"] = _RATE
            verdict["index"] = verdict["repeated"]
            verdict["ref"] = (words[at + 4 - fresh * WORDS] >> 32) & _LOW
            noted += verdict["repeated"] == 0
            continue
        rule["due_ns"] = due
        rule["last_ref"] = last
        taken += fresh
    return taken, noted, marks


(
    RECV, GETSOCKOPT, SOCKET, WORDS_AT, WORDS_LONG, SCRATCH_AT, ROUTES_AT, NUMBERS_AT, ROUTES_LONG,
    FRAMES_AT, FRAMES_LONG, RECORDS_MAX, RULES_AT, RULES_LONG, ALLOWED_AT, ALLOWED_WIDE, REF_MAX,
    OUT_AT, OUT_LONG, VERDICTS_AT, COUNT, USED, RECORDS, WHY, SET_APART, NOTED, MARKS,
) = range(27)  # fmt: skip
"""Cells of the header of `take_in`; what it found stands from COUNT on."""

LOOK = -1
"""Frames were read that somebody must look at before any is admitted."""


@entry
def take_in(header_at, now_ns, sequence):
    """Drain a port and admit its frames, the usual turn in one call; returns how many commands.

    LOOK where frames are to be looked at first: then they are read, and left to be admitted. What
    `drain` and `admit` say stands in the header.
    """
    h = carray(pointer(header_at), VERDICTS_AT + 8, np.int64)
    words = carray(pointer(h[WORDS_AT]), h[WORDS_LONG], np.int64)
    frames = carray(pointer(h[FRAMES_AT]), (h[FRAMES_LONG], 5), np.int64)
    count, used, records, why, set_apart = drain(
        h[RECV], h[GETSOCKOPT], h[SOCKET], words, h[WORDS_AT], 0,
        carray(pointer(h[SCRATCH_AT]), 4, np.int64), h[SCRATCH_AT],
        carray(pointer(h[ROUTES_AT]), h[ROUTES_LONG], np.int64),
        carray(pointer(h[NUMBERS_AT]), h[ROUTES_LONG], np.int64), frames, 0, 0, h[RECORDS_MAX],
    )  # fmt: skip
    h[COUNT], h[USED], h[RECORDS], h[WHY], h[SET_APART] = count, used, records, why, set_apart
    h[NOTED] = h[MARKS] = 0
    if why == STRANGER or set_apart:
        return LOOK
    if count == 0:
        return 0
    taken, h[NOTED], h[MARKS] = admit(
        words, frames, count, carray(pointer(h[RULES_AT]), h[RULES_LONG], RULES),
        carray(pointer(h[ALLOWED_AT]), (h[RULES_LONG], h[ALLOWED_WIDE]), np.uint8), h[REF_MAX],
        now_ns, sequence, carray(pointer(h[OUT_AT]), (h[OUT_LONG], WORDS), np.int64), 0,
        carray(pointer(h[VERDICTS_AT]), h[FRAMES_LONG], VERDICT),
    )  # fmt: skip
    return taken


def new_rules(sessions: int, accounts: int, ref_max: int) -> Rules:
    """Rules that let nobody do anything yet, for sessions 0 to `sessions`."""
    table = np.zeros(sessions + 1, RULES)
    table["cost_ns"] = NANOSECONDS
    table["marked_ref"] = -MARK_REFS
    return Rules(table, np.zeros((sessions + 1, accounts + 1), np.uint8), ref_max)


def cost_ns(orders_per_s: int) -> int:
    """What one command costs a session's bucket."""
    return max(1, NANOSECONDS // orders_per_s)


Array = NDArray[Any]
