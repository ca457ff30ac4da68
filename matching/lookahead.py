"""Prefetching: while a command runs, what later ones will touch is on its way into the cache.

A command's data hang in a chain (identity table, order, account, position, level), so the chain is
followed in steps, each a few commands behind the one before. It changes no result: nothing is
written, and what has become wrong in the meantime has only been fetched for nothing.
"""

import numpy as np

from matching.codes import CANCEL, NEW, REPLACE
from matching.compile import inline, prefetch
from matching.identity import find
from matching.ladder import index_at, level_at
from matching.layout import PAGE

i64 = np.int64

AWAY, FAR, MIDDLE, NEAR = 48, 24, 16, 8


@inline
def look_ahead(m, at, count):
    """Fetch for the commands AWAY, FAR, MIDDLE and NEAR behind this one."""
    if at + FAR >= count:
        return
    prefetch(m.commands, at + AWAY)
    fetch_names(m, m.commands[at + FAR])
    fetch_orders(m, m.commands[at + MIDDLE])
    fetch_neighbours(m, m.commands[at + NEAR])


@inline
def is_new(m, c):
    """Whether a command is NEW, and its account and instrument are within the limits."""
    return (
        i64(c["kind"]) == NEW
        and i64(c["account"]) < len(m.accounts)
        and i64(c["instrument"]) < len(m.instruments)
    )


@inline
def aims(m, c):
    """Whether a command is CANCEL or REPLACE, and its session and target are within the limits."""
    kind = i64(c["kind"])
    return (kind == CANCEL or kind == REPLACE) and is_name(m, c, i64(c["target_ref"]))


@inline
def is_name(m, c, ref):
    """Whether a command's session and this ref are within the limits."""
    return i64(c["session"]) < len(m.sessions) and ref < m.state[0]["refs"]


@inline
def fetch_name(m, c, ref):
    """An entry of the identity table."""
    page = i64(m.directory[i64(c["session"]) * m.state[0]["session_pages"] + ref // PAGE])
    prefetch(m.pages, page * PAGE + ref % PAGE)


@inline
def fetch_names(m, c):
    """An order's entry in the identity table; a new order's account, position and instrument."""
    if is_new(m, c):
        account, instrument = i64(c["account"]), i64(c["instrument"])
        prefetch(m.accounts, account)
        prefetch(m.positions, instrument * len(m.accounts) + account)
        prefetch(m.instruments, instrument)
        if is_name(m, c, i64(c["user_ref"])):
            fetch_name(m, c, i64(c["user_ref"]))
    elif aims(m, c):
        fetch_name(m, c, i64(c["target_ref"]))


@inline
def fetch_orders(m, c):
    """The order that a cancel or replace aims at; the level that a new order joins."""
    if is_new(m, c):
        prefetch(m.levels, level_of(m, c))
    elif aims(m, c):
        prefetch(m.orders, find(m, i64(c["session"]), i64(c["target_ref"])))


@inline
def level_of(m, c):
    """Where the level of a new limit order stands; 0 where its price is outside the band."""
    instrument = m.instruments[i64(c["instrument"])]
    index = index_at(instrument, i64(c["side"]) & 1, i64(c["price"]))
    if 0 < index <= i64(instrument["width"]):
        return level_at(instrument, i64(c["side"]) & 1, index)
    return i64(0)


@inline
def fetch_neighbours(m, c):
    """Whose an order is, and whom it stands between; whom a new one will stand behind."""
    if is_new(m, c):
        prefetch(m.orders, i64(m.levels[level_of(m, c)]["tail"]))
    elif aims(m, c):
        order = m.orders[find(m, i64(c["session"]), i64(c["target_ref"]))]
        account, instrument = i64(order["account"]), i64(order["instrument"])
        prefetch(m.accounts, account)
        prefetch(m.positions, instrument * len(m.accounts) + account)
        prefetch(m.orders, i64(order["next"]))
        prefetch(m.orders, i64(order["prev"]))
