"""Repair of a damaged day log: its proven beginning is kept, the rest is set aside.

Checksums prove every byte up to the damage and none behind it. So nothing behind it can be used,
even where whole blocks can be seen there; they are counted, to say what was lost.
"""

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ledger.daylog.durable_files import write_durably
from ledger.daylog.file_lock import FileHeld, lock_exclusively
from ledger.daylog.layout import (
    BLOCK_MAGIC,
    CELL,
    BlockKind,
    DayLogDamaged,
    DayLogUnwritable,
    block_fields,
)
from ledger.daylog.reader import read_day_log
from ledger.daylog.scan import Scan
from matching.records import COMMAND, CommandKind


@dataclass(frozen=True)
class Damage:
    """The damage of a log, and what is behind it."""

    path: Path
    offset: int  # of the damage
    rule: str  # that is broken there
    end: int  # offset after the last whole block before it: what is kept
    commands: int  # in the part that is kept
    lost_bytes: int
    lost_commands: dict[str, int] = field(default_factory=dict)  # by kind, as far as can be seen
    lost_sessions: dict[int, int] = field(default_factory=dict)  # commands by session
    was_sealed: bool = False  # whether a SEAL can be seen behind the damage

    @property
    def set_aside(self) -> Path:
        """The file that receives the part that is not kept."""
        return self.path.with_suffix(f".damaged-{self.end}")


def find_damage(path: Path) -> Damage | None:
    """The damage of a log; None where it has none (its end may be missing all the same).

    Raises DayLogUnreadable, and DayLogDamaged where the log is damaged before its first command
    block, so that nothing of it is worth keeping.
    """
    try:
        read_day_log(path, unsealed=True)
    except DayLogDamaged as damaged:
        return _describe(path, damaged)
    return None


def repair(damage: Damage) -> None:
    """Set aside what is behind the damage, durably, and end the log before it.

    Raises DayLogUnwritable where the log is held by a venue, or cannot be written.
    """
    path = damage.path
    try:
        with path.open("r+b") as log:
            lock_exclusively(log.fileno())
            log.seek(damage.end)
            write_durably(damage.set_aside, log.read())
            log.truncate(damage.end)
            os.fsync(log.fileno())
    except FileHeld as held:
        raise DayLogUnwritable(path, f"is {held}, which writes it") from None
    except OSError as error:
        raise DayLogUnwritable(path, f"cannot be repaired: {error.strerror}") from None


def _describe(path: Path, damaged: DayLogDamaged) -> Damage:
    content = memoryview(path.read_bytes())
    end, kept = _proven(path, content, damaged.offset)
    if not kept:
        rule = f"{damaged.rule}; nothing before it is worth keeping: take a backup of the log"
        raise DayLogDamaged(path, damaged.offset, rule)
    commands: Counter[str] = Counter()
    sessions: Counter[int] = Counter()
    was_sealed = False
    for place in range(end, len(content) - CELL + 1, CELL):
        if content[place : place + len(BLOCK_MAGIC)] != BLOCK_MAGIC:
            continue
        kind, count = block_fields(content[place : place + CELL])
        was_sealed |= kind == BlockKind.SEAL
        if kind == BlockKind.COMMANDS:
            found = content[place + CELL : place + CELL + count * COMMAND.itemsize]
            rows = np.frombuffer(found, COMMAND, len(found) // COMMAND.itemsize)
            commands.update(map(_kind_name, rows["kind"].tolist()))
            sessions.update(rows["session"].tolist())
    return Damage(
        path=path,
        offset=damaged.offset,
        rule=damaged.rule,
        end=end,
        commands=kept,
        lost_bytes=len(content) - end,
        lost_commands=dict(sorted(commands.items())),
        lost_sessions=dict(sorted(sessions.items())),
        was_sealed=was_sealed,
    )


def _kind_name(kind: int) -> str:
    return CommandKind(kind).name if kind in set(CommandKind) else f"KIND_{kind}"


def _proven(path: Path, content: memoryview, damaged: int) -> tuple[int, int]:
    """The offset up to which a damaged log is kept, and the number of commands before it."""
    blocks: list[tuple[int, int]] = []
    try:
        scan = Scan(path, content)
        blocks = scan.blocks
        scan.run()
    except DayLogDamaged:
        end = scan.offset if blocks else 0
    else:  # the checksums are right, and a number or a time of a command is wrong
        end = max(start - CELL for start, _ in blocks if start <= damaged)
    return end, sum(count for start, count in blocks if start <= end)
