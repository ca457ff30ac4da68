"""Forged snapshots, restored and run one after another, in a process that they may crash.

    python -m tests.support.hostile_snapshots FIRST COUNT

Each forgery has a number, which seeds it: an honest snapshot of a machine in the middle of a
stream, of which one word is changed, or two or three, and the checksums are mended. It must be
refused by a ValueError that names table, row, column and rule; or the machine must be sound, and
stay so while it goes on with the stream. Prints the number of each forgery before it is tried, so
that the last number is that of a crash, and then what became of it.
"""

import re
import sys
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from matching import Engine
from matching.invariants.state_invariants import violations
from tests.support.rich_state import rich_machine
from tests.support.snapshot_editor import SnapshotEditor
from tests.support.soundness import Soundness
from tests.support.stream_generator import ALL, WITH_BASKETS, WITH_BLOCKS, garbage, stream

STREAMS = ((3, ALL), (5, WITH_BASKETS), (6, ALL), (9, WITH_BLOCKS), (12, WITH_BASKETS), (21, ALL))
"""Seeds and features of the streams; their machines hold all that a machine can hold."""

CUTS = (120, 260, 400)
"""Commands after which a snapshot is taken."""

AFTER = 60
"""Commands that a restored machine goes on with, and as many of garbage."""

REFUSAL = re.compile(r"snapshot: `[a-z_]+\[\d+\](\.[a-z_]+)?` .+, got .+")
"""What a refusal reads like: table, row, column, rule and what was found."""


class Origin(NamedTuple):
    """An honest snapshot, and commands to go on with."""

    blob: bytes
    commands: NDArray[np.void]


@cache
def origins() -> list[Origin]:
    """The snapshots that are forged."""
    found = []
    for seed, features in STREAMS:
        limits, commands = stream(seed, CUTS[-1] + AFTER, features)
        engine = Engine(limits)
        noise = garbage(seed, AFTER).commands[-AFTER:].copy()
        for at in range(CUTS[-1] + 1):
            if at in CUTS:
                tail = commands[at : at + AFTER]
                noise["time_ns"] = np.maximum(noise["time_ns"], tail["time_ns"][-1])
                found.append(Origin(engine.snapshot(), np.concatenate([tail, noise])))
            engine.process(commands[at : at + 1])
    found.append(Origin(rich_machine().snapshot(), found[0].commands))
    return found


def forge(number: int) -> tuple[str, bytes, NDArray[np.void]]:
    """Forgery of this number: what was changed, the snapshot, and commands to go on with."""
    random = np.random.default_rng([number, 3])
    origin = origins()[number % len(origins())]
    editor = SnapshotEditor(origin.blob)
    changes = [change(editor, random) for _ in range((1, 1, 1, 1, 2, 3)[random.integers(6)])]
    return "; ".join(changes), editor.to_bytes(), origin.commands


def change(editor: SnapshotEditor, random: np.random.Generator) -> str:
    """Change one word of one table, most often one that is not 0. Returns what was changed."""
    name = str(random.choice(list(editor.arrays)))
    words = editor.words(name)
    used = np.flatnonzero(words)
    at = int(random.choice(used)) if len(used) and random.random() < 0.8 else 0
    at = at or int(random.integers(len(words)))
    before = int(words[at])
    choices = (
        before + 1,
        before - 1,
        0,
        before ^ 1 << int(random.integers(32)),
        int(random.integers(2**32)),
        int(random.integers(300)),
        2**31 - 1,
        2**32 - 1,
        int(words[random.choice(used)]) if len(used) else 1,
    )
    others = [value % 2**32 for value in choices if value % 2**32 != before]
    words[at] = others[random.integers(len(others))]
    width = editor.arrays[name].dtype.itemsize // 4
    return f"{name}[{at // width}], word {at % width}: {before} became {words[at]}"


def outcome(blob: bytes, commands: NDArray[np.void]) -> str:
    """What became of a snapshot: `refused: ...`, `sound` or `wrong: ...`."""
    try:
        engine = Engine.restore(blob)
    except ValueError as error:
        text = str(error)
        return f"refused: {text}" if REFUSAL.fullmatch(text) else f"wrong: refused by {text!r}"
    soundness = Soundness(engine)
    broken = violations(engine.state_tables())
    if broken or soundness.broken():
        return f"wrong: not sound: {broken} {soundness.broken()}"
    for at in range(len(commands)):
        engine.process(commands[at : at + 1])
        if soundness.broken():
            return f"wrong: after command {at}: {soundness.broken()}"
    broken = violations(engine.state_tables())
    return f"wrong: not sound in the end: {broken}" if broken else "sound"


def main() -> None:
    """Try forgeries FIRST to FIRST + COUNT - 1."""
    first, count = int(sys.argv[1]), int(sys.argv[2])
    for number in range(first, first + count):
        what, blob, commands = forge(number)
        print(f"{number}: {what}", flush=True)
        try:
            print(f"  {outcome(blob, commands)}", flush=True)
        except Exception as error:
            print(f"  wrong: raised {error!r}", flush=True)


if __name__ == "__main__":
    main()
