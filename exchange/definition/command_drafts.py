"""Drafts: commands before they have a place in the day.

A generator makes commands part by part and out of order, and a cancel must name its order before
that order has a user_ref. So a draft names orders by handles; once all drafts are joined and in
order of time, `finish` numbers them and turns handles into the refs that each session would use.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from matching.records import COMMAND, CommandKind, OrderType

Commands = npt.NDArray[np.void]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Draft:
    """Commands, the handle of the order that each makes (0: none), and of the one it is about.

    A NEW that is about an order is sent again under that order's ref.
    """

    commands: Commands
    handles: Ints
    targets: Ints

    def __len__(self) -> int:
        return len(self.commands)

    def select(self, chosen: npt.NDArray[Any]) -> "Draft":
        """The commands of a mask or of indices."""
        return Draft(self.commands[chosen], self.handles[chosen], self.targets[chosen])

    def copy(self) -> "Draft":
        """The same commands to change at will, no longer making the orders of the originals."""
        zeros = np.zeros(len(self), np.int64)
        return Draft(self.commands.copy(), zeros, zeros.copy())


class Handles:
    """Hands out handles, each once."""

    def __init__(self) -> None:
        self._last = 0

    def take(self, count: int) -> Ints:
        """The next `count` handles."""
        first = self._last + 1
        self._last += count
        return np.arange(first, self._last + 1, dtype=np.int64)


def join(drafts: Sequence[Draft]) -> Draft:
    """All drafts behind one another."""
    # Not np.concatenate: it would lay the overlapping fields of a COMMAND side by side.
    commands = np.empty(sum(len(draft) for draft in drafts), COMMAND)
    start = 0
    for draft in drafts:
        commands[start : start + len(draft)] = draft.commands
        start += len(draft)
    return Draft(
        commands,
        np.concatenate([draft.handles for draft in drafts]),
        np.concatenate([draft.targets for draft in drafts]),
    )


def draft_orders(handles: Handles, time_ns: Ints, **fields: Any) -> Draft:
    """New limit orders; the fields are those of a COMMAND, as arrays or as one value for all."""
    commands = _commands(CommandKind.NEW, time_ns, fields)
    commands["type"] = OrderType.LIMIT
    return Draft(commands, handles.take(len(commands)), np.zeros(len(commands), np.int64))


def draft_cancels(time_ns: Ints, targets: Ints, **fields: Any) -> Draft:
    """Cancels of the orders behind `targets`."""
    commands = _commands(CommandKind.CANCEL, time_ns, fields)
    return Draft(commands, np.zeros(len(commands), np.int64), targets)


def draft_replaces(time_ns: Ints, targets: Ints, **fields: Any) -> Draft:
    """Replaces of the orders behind `targets`; the quantity is the new total."""
    commands = _commands(CommandKind.REPLACE, time_ns, fields)
    return Draft(commands, np.zeros(len(commands), np.int64), targets)


def draft_admin(kind: CommandKind, time_ns: Ints, **fields: Any) -> Draft:
    """Administrative commands or clock ticks."""
    commands = _commands(kind, time_ns, fields)
    zeros = np.zeros(len(commands), np.int64)
    return Draft(commands, zeros, zeros.copy())


def in_order_of_time(draft: Draft) -> Draft:
    """The draft by time; what has the same time stays as drafted."""
    return draft.select(np.argsort(draft.commands["time_ns"], kind="stable"))


def finish(draft: Draft) -> Commands:
    """The commands of a draft that is in order of time, with sequences from 1 and with refs.

    Every command of a session but the venue's (session 0) takes the session's next ref, from 1;
    a NEW sent again takes that of the order it repeats.
    """
    commands = draft.commands.copy()
    assert np.all(commands["time_ns"][1:] >= commands["time_ns"][:-1])
    commands["sequence"] = np.arange(1, len(commands) + 1)
    again = (commands["kind"] == CommandKind.NEW) & (draft.targets > 0)
    counted = (commands["session"] > 0) & ~again
    commands["user_ref"][counted] = _ranks(commands["session"][counted])
    refs = np.zeros(int(max(draft.handles.max(initial=0), draft.targets.max(initial=0))) + 1, "u4")
    made = draft.handles > 0
    refs[draft.handles[made]] = commands["user_ref"][made]
    about = (draft.targets > 0) & ~again
    commands["target_ref"][about] = refs[draft.targets[about]]
    commands["user_ref"][again] = refs[draft.targets[again]]
    return commands


def _ranks(sessions: npt.NDArray[np.uint32]) -> Ints:
    """For each element, how many of its session there are up to it, itself included."""
    order = np.argsort(sessions, kind="stable")
    ordered = sessions[order]
    first = np.ones(len(ordered), np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    starts = np.flatnonzero(first)
    sizes = np.diff(np.append(starts, len(ordered)))
    ranks = np.empty(len(sessions), np.int64)
    ranks[order] = np.arange(len(sessions)) - np.repeat(starts, sizes) + 1
    return ranks


def _commands(kind: CommandKind, time_ns: Ints, fields: dict[str, Any]) -> Commands:
    commands = np.zeros(len(time_ns), COMMAND)
    commands["kind"] = kind
    commands["time_ns"] = time_ns
    for name, values in fields.items():
        commands[name] = values
    return commands
