"""Key changes while the venue runs: a new key opens a session, a replaced one keeps its own."""

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from exchange.definition.command_drafts import draft_admin, number_commands
from exchange.venue.opening import check_entitlements, new_sessions
from feeds.protocol.keys import Entitlement
from ledger.daylog.registry import Registry, Session
from matching.limits import Limits
from matching.records import CommandFlag, CommandKind

Commands = NDArray[np.void]


def with_keys(registry: Registry, entitlements: dict[str, Entitlement]) -> Registry:
    """Return the registry with the current keys of sessions, and a session for every new key.

    Raises BadFile where a key's firm or role is not that of its session.
    """
    known = {session.name for session in registry.sessions}
    last = max(session.id for session in registry.sessions)
    more = new_sessions([e for n, e in sorted(entitlements.items()) if n not in known], last)
    old = tuple(
        replace(s, key=entitlements[s.name].key) if s.name in entitlements else s
        for s in registry.sessions
    )
    check_entitlements((*old, *more), entitlements)
    return replace(registry, sessions=(*old, *more))


def open_new_sessions(registry: Registry, before: Registry, now_ns: int, sequence: int) -> Commands:
    """Return stamped commands that open the sessions that `before` does not have.

    Raises ValueError where the limits of the day have no room for them.
    """
    more = registry.sessions[len(before.sessions) :]
    room = Limits(**registry.limits).sessions
    if more and more[-1].id > room:
        raise ValueError(f"the day has room for {room} sessions; more come with the next day")
    return open_sessions(more, now_ns, sequence)


def open_sessions(sessions: tuple[Session, ...], now_ns: int, sequence: int) -> Commands:
    """Return stamped commands that open sessions, numbered from `sequence`."""
    commands = number_commands(
        draft_admin(
            CommandKind.SESSION,
            np.full(len(sessions), now_ns),
            target_ref=[session.id for session in sessions],
            account=[session.firm for session in sessions],
            flags=[int(CommandFlag.OPERATOR) if s.operator else 0 for s in sessions],
        )
    )
    commands["sequence"] += sequence - 1
    return commands
