"""Drafts: commands that have no sequence number and no user_ref yet.

A generator makes commands part by part and out of order, and a cancel must name its order before
that order has a user_ref. So a draft names orders by handles. Once all drafts are joined and sorted
by time, `number_commands` gives every command its sequence number and turns the handles into the
refs that each session would use.
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
    """COMMAND[n], with two handles each: of the order that it creates, and of its target order.

    A handle of 0 means none. A NEW with a target repeats that order under the same ref.
    """

    commands: Commands
    handles: Ints
    targets: Ints

    def __len__(self) -> int:
        return len(self.commands)

    def select(self, chosen: npt.NDArray[Any]) -> "Draft":
        """The draft of the commands that a mask or an array of indices selects."""
        return Draft(self.commands[chosen], self.handles[chosen], self.targets[chosen])

    def copy(self) -> "Draft":
        """A copy to change, which creates no orders and has no targets: its handles are all 0."""
        zeros = np.zeros(len(self), np.int64)
        return Draft(self.commands.copy(), zeros, zeros.copy())


class Handles:
    """A source of handles, which are numbered from 1."""

    def __init__(self) -> None:
        self._last = 0

    def allocate(self, count: int) -> Ints:
        """The next `count` handles; no handle is returned twice."""
        first = self._last + 1
        self._last += count
        return np.arange(first, self._last + 1, dtype=np.int64)


def join(drafts: Sequence[Draft]) -> Draft:
    """All drafts in one, in the given order."""
    # np.concatenate cannot be used: it would store the overlapping fields of a COMMAND separately.
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
    """New limit orders; `fields` are those of a COMMAND, as arrays or as one value for all."""
    commands = _commands(CommandKind.NEW, time_ns, fields)
    commands["type"] = OrderType.LIMIT
    return Draft(commands, handles.allocate(len(commands)), np.zeros(len(commands), np.int64))


def draft_cancels(time_ns: Ints, targets: Ints, **fields: Any) -> Draft:
    """Cancels of the orders with the handles `targets`."""
    commands = _commands(CommandKind.CANCEL, time_ns, fields)
    return Draft(commands, np.zeros(len(commands), np.int64), targets)


def draft_replaces(time_ns: Ints, targets: Ints, **fields: Any) -> Draft:
    """Replaces of the orders with the handles `targets`; the quantity is the new total."""
    commands = _commands(CommandKind.REPLACE, time_ns, fields)
    return Draft(commands, np.zeros(len(commands), np.int64), targets)


def draft_admin(kind: CommandKind, time_ns: Ints, **fields: Any) -> Draft:
    """Administrative commands or clock ticks of one kind."""
    commands = _commands(kind, time_ns, fields)
    zeros = np.zeros(len(commands), np.int64)
    return Draft(commands, zeros, zeros.copy())


def sort_by_time(draft: Draft) -> Draft:
    """The draft in order of time; commands of the same time keep their order."""
    return draft.select(np.argsort(draft.commands["time_ns"], kind="stable"))


def number_commands(draft: Draft) -> Commands:
    """The commands of a draft that is sorted by time, with sequence numbers from 1 and with refs.

    Every command takes the next ref of its session, from 1, except commands of session 0, which is
    the venue's. A NEW that repeats an order takes the ref of that order.
    """
    commands = draft.commands.copy()
    assert np.all(commands["time_ns"][1:] >= commands["time_ns"][:-1])
    commands["sequence"] = np.arange(1, len(commands) + 1)
    repeated = (commands["kind"] == CommandKind.NEW) & (draft.targets > 0)
    counted = (commands["session"] > 0) & ~repeated
    commands["user_ref"][counted] = _ranks(commands["session"][counted])
    refs = np.zeros(int(max(draft.handles.max(initial=0), draft.targets.max(initial=0))) + 1, "u4")
    creates = draft.handles > 0
    refs[draft.handles[creates]] = commands["user_ref"][creates]
    has_target = (draft.targets > 0) & ~repeated
    commands["target_ref"][has_target] = refs[draft.targets[has_target]]
    commands["user_ref"][repeated] = refs[draft.targets[repeated]]
    return commands


def _ranks(sessions: npt.NDArray[np.uint32]) -> Ints:
    """For each element, its rank among the elements of its session, from 1."""
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
