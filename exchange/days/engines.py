"""Engines by name: the compiled kernel, and the reference that defines the right answer."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np

from exchange.days.replay import Machine
from matching.limits import Limits
from matching.records import COMMAND, CommandKind

EngineName = Literal["kernel", "reference"]


def open_engine(
    name: EngineName, limits: Limits, *, compiling: Callable[[Path], None] | None = None
) -> Machine:
    """Return an engine of these limits, compiled and loaded, so that its first command is fast.

    `compiling` is called with the cache's folder before the kernels have to be compiled.
    """
    if name == "reference":
        from matching.reference.engine import ReferenceEngine

        return ReferenceEngine(limits)
    from matching.engine import Engine
    from matching.memory import compiler

    if compiling is not None and not compiler.is_compiled():
        compiling(compiler.cache_folder())
    warm = np.zeros(1, COMMAND)
    warm["kind"] = CommandKind.CLOCK
    Engine(Limits(sessions=1, accounts=1, instruments=1, orders=1, refs=2, ticks=1)).process(warm)
    return Engine(limits)
