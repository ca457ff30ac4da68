"""The two engines, and a check that both must pass."""

from typing import Any

from numpy.typing import NDArray

from matching import Engine
from matching.records import CommandKind, EventKind
from matching.reference.engine import ReferenceEngine
from matching.state_tables import differences

ENGINES = [ReferenceEngine, Engine]
"""Both are built from Limits and have the same methods: `process`, and the queries of a state."""


def assert_rejections_change_nothing(engine: Any, commands: NDArray[Any]) -> None:
    """Run commands one by one; a rejected one has one event and changes no table of the state.

    A CLOCK before each command does the work that is due by its time.
    """
    for index in range(len(commands)):
        command = commands[index : index + 1]
        clock = command.copy()
        clock["kind"] = CommandKind.CLOCK
        engine.process(clock)
        before = engine.state_tables()
        events = engine.process(command)
        if len(events) and events["kind"][0] == EventKind.REJECTED:
            assert len(events) == 1
            assert differences(before, engine.state_tables()) == []
