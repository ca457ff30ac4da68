"""The order gate: decides, in one compiled pass, which frames become commands, and stamps them.

A frame is admitted as a whole or refused as a whole. The exception: records at its start whose
user_ref was used before are duplicates, and are answered as such. A refused frame uses no user_ref.
"""

import numpy as np

from feeds.gateway.gate_layout import OPERATOR, READ_ONLY, gate_at
from feeds.gateway.gate_rules import MARK_REFS
from feeds.gateway.read_frames import UNKNOWN_PEER, read_frames
from feeds.protocol.messages import RefusalReason
from feeds.protocol.records import FRAME
from feeds.transport.compiler import entry, inline, kernel
from matching.records import COMMAND, CommandKind, MassCancelScope

COMMAND_WORDS = COMMAND.itemsize // 8
HEAD_WORDS = FRAME.itemsize // 8

REF_WINDOW = 1 << 16
"""A user_ref may be at most this far above the session's last one."""

NEEDS_REVIEW = -1
"""Frames were read of which Python must handle some before any is admitted."""

_MALFORMED = int(RefusalReason.MALFORMED_FRAME)
_NOT_ENTITLED = int(RefusalReason.NOT_ENTITLED)
_STALE = int(RefusalReason.STALE)
_RATE = int(RefusalReason.RATE)
_NOT_NEW = int(RefusalReason.REF_NOT_NEW)
_WINDOW = int(RefusalReason.REF_WINDOW)
_BLOCKED = int(RefusalReason.BLOCKED)
_ORDER_TO_TRADE = int(RefusalReason.ORDER_TO_TRADE)
_DUPLICATE = -1  # beside the reasons: a record at the start whose user_ref was used before
_NEW, _REPLACE = int(CommandKind.NEW), int(CommandKind.REPLACE)
_MASS_CANCEL = int(CommandKind.MASS_CANCEL)
_QUOTE, _PROTECT = int(CommandKind.QUOTE), int(CommandKind.PROTECT)
_ADMIN, _BUST = int(CommandKind.LIST), int(CommandKind.BUST)
_REGISTER = int(CommandKind.REGISTER)
_OF_ACCOUNT = int(MassCancelScope.ACCOUNT)
_LOW = 0xFFFF_FFFF


@inline
def user_ref_at(h, at):
    """The user_ref of the COMMAND at a word."""
    return (h.words[at + 4] >> 32) & _LOW


@inline
def may_send(role, kind):
    """Whether a session of a role may send commands of a kind.

    Only the venue itself makes a BUST or a REGISTER, at an operator's request.
    """
    if role == OPERATOR:
        return kind == _MASS_CANCEL or (_ADMIN <= kind < _BUST and kind != _REGISTER)
    return role != READ_ONLY and _NEW <= kind <= _PROTECT


@inline
def is_limited(kind):
    """Whether a session beyond its allowance of commands may not send this kind."""
    return kind == _NEW or kind == _REPLACE or kind == _QUOTE


@inline
def frame_reason(h, rule, at, size):
    """The RefusalReason of a frame as a whole, by its head and its first record; 0: none.

    `at` and `size` are in words.
    """
    count = (size - HEAD_WORDS) // COMMAND_WORDS
    head = h.words[at]
    if (
        size != HEAD_WORDS + count * COMMAND_WORDS
        or count < 1
        or (head >> 16) & 0xFFFF != count
        or (head >> 8) & 0xFF != 0
        or (head >> 32) & _LOW != 0
        or h.words[at + 1] != 0
    ):
        return _MALFORMED
    if rule["blocked"]:
        return _BLOCKED
    kind = h.words[at + HEAD_WORDS + 7] & 0xFF
    return 0 if may_send(rule["role"], kind) else _NOT_ENTITLED


@inline
def may_use_account(h, rule, at, kind):
    """Whether a session may use the account that the COMMAND at a word names, if it names one."""
    row = rule["account_row"]
    names_one = kind == _NEW or _MASS_CANCEL <= kind <= _PROTECT
    if row == 0 or not names_one:
        return True
    if kind == _MASS_CANCEL and (h.words[at + 7] >> 16) & 0xFF != _OF_ACCOUNT:
        return True
    account = (h.words[at + 5] >> 32) & _LOW
    length = h.call[0]["account_row_length"]
    return account < length and h.accounts[row * length + account] != 0


@inline
def record_reason(h, rule, at, kind, last_ref, new_count, now_ns):
    """The RefusalReason of the COMMAND at a word; 0: none, _DUPLICATE: it was sent before.

    `kind` is that of the frame's first record, `last_ref` the session's last user_ref before this
    record, and `new_count` counts the records before it that are not duplicates.
    """
    ref = user_ref_at(h, at)
    valid_until_ns = h.words[at]
    if h.words[at + 7] & 0xFF != kind:
        return _MALFORMED
    if ref <= last_ref:
        return _DUPLICATE if new_count == 0 else _NOT_NEW
    if ref - last_ref > REF_WINDOW or ref > h.call[0]["ref_max"]:
        return _WINDOW
    if valid_until_ns < 0 or (valid_until_ns != 0 and valid_until_ns < now_ns):
        return _STALE
    return 0 if may_use_account(h, rule, at, kind) else _NOT_ENTITLED


@inline
def write_command(h, at, row, sequence, session, now_ns):
    """Copy the COMMAND at a word to a row of `out`, stamped."""
    out = COMMAND_WORDS * row
    h.out[out] = sequence
    h.out[out + 1] = now_ns
    for word in range(2, COMMAND_WORDS):
        h.out[out + word] = h.words[at + word]
    h.out[out + 4] = (user_ref_at(h, at) << 32) | session


@kernel
def admit_records(h, place, now_ns, sequence, row):
    """Check the records of a frame and write its commands; returns how many, or 0 and a verdict.

    `sequence` is the number of the first command, `row` its place in `out`.
    """
    frame, verdict = h.frames[place], h.verdicts[place]
    session = frame["session"]
    rule = h.rules[session]
    at = frame["start"] + HEAD_WORDS
    count = (frame["bytes"] // 8 - HEAD_WORDS) // COMMAND_WORDS
    kind = h.words[at + 7] & 0xFF
    last_ref, new_count, first_new = rule["last_ref"], 0, at
    for index in range(count):
        reason = record_reason(h, rule, at, kind, last_ref, new_count, now_ns)
        if reason == _DUPLICATE:
            verdict["repeated"] += 1
            first_new = at + COMMAND_WORDS
        elif reason != 0:
            verdict["reason"], verdict["index"] = reason, index
            verdict["ref"] = user_ref_at(h, at)
            return 0
        else:
            write_command(h, at, row + new_count, sequence + new_count, session, now_ns)
            last_ref = user_ref_at(h, at)
            new_count += 1
        at += COMMAND_WORDS
    due_ns = max(rule["due_ns"], now_ns - rule["burst_ns"]) + new_count * rule["cost_ns"]
    reason = _RATE if new_count > 0 and due_ns > now_ns else 0
    balance = h.order_to_trade[session]
    if new_count > balance["left"] and new_count > 0 and is_limited(kind):
        reason = _ORDER_TO_TRADE
    if reason != 0:
        verdict["reason"], verdict["index"] = reason, verdict["repeated"]
        verdict["ref"] = user_ref_at(h, first_new)
        return 0
    balance["left"] -= new_count
    rule["due_ns"], rule["last_ref"] = due_ns, last_ref
    return new_count


@kernel
def admit_frames(h, now_ns, sequence, first):
    """Admit or refuse all frames but the irregular ones; returns the number of commands.

    Commands are written to `out` from row `first` on, numbered from `sequence`. Decisions are in
    `verdicts`; `call` counts those other than plain admission, and the sessions whose report
    streams are to be marked.
    """
    admitted, verdict_count, mark_count = 0, 0, 0
    for place in range(h.call[0]["frame_count"]):
        frame, verdict = h.frames[place], h.verdicts[place]
        verdict["reason"], verdict["index"] = 0, 0
        verdict["repeated"], verdict["ref"] = 0, 0
        if frame["irregular"] != 0:
            continue
        rule = h.rules[frame["session"]]
        if rule["last_ref"] >= rule["marked_ref"] + MARK_REFS:
            rule["marked_ref"] = rule["last_ref"]
            mark_count += 1
        start = frame["start"]
        reason = frame_reason(h, rule, start, frame["bytes"] // 8)
        if reason == 0:
            admitted += admit_records(h, place, now_ns, sequence + admitted, first + admitted)
        else:
            verdict["reason"] = reason
            if reason == _NOT_ENTITLED:
                verdict["ref"] = user_ref_at(h, start + HEAD_WORDS)
        verdict_count += verdict["reason"] != 0 or verdict["repeated"] != 0
    h.call[0]["verdict_count"], h.call[0]["mark_count"] = verdict_count, mark_count
    return admitted


@entry
def admit(gate, now_ns, sequence, first):
    """`admit_frames`, called from Python."""
    return np.int64(admit_frames(gate_at(gate), now_ns, sequence, first))


@entry
def read_and_admit(gate, now_ns, sequence):
    """Read a port and admit its frames: the usual turn, in one call.

    Returns the number of commands. NEEDS_REVIEW: frames were read, but some are irregular or of a
    peer that is not known yet; Python handles those, then calls `admit`.
    """
    h = gate_at(gate)
    cells = h.call[0]
    cells["frame_count"], cells["word_count"], cells["record_count"] = 0, 0, 0
    cells["irregular_count"] = 0
    cells["verdict_count"], cells["mark_count"] = 0, 0
    read_frames(h)
    if cells["stop"] == UNKNOWN_PEER or cells["irregular_count"] != 0:
        return NEEDS_REVIEW
    if cells["frame_count"] == 0:
        return 0
    return admit_frames(h, now_ns, sequence, 0)
