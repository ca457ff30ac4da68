"""One broker of a whole day: NAME FOLDER SHARE; sends its part of the demonstration's commands.

SHARE of a thousand orders are sent, with the commands about them, in order; refs are this
session's own. Ends when everything is answered.
"""

import sys
from pathlib import Path

import numpy as np

from exchange.trace_day import build_philly_day
from feeds.client import Client, connect
from matching.records import COMMAND, CommandKind
from tests.wire_world import BROKERS, MEMBERS

WINDOW = 2_000


def part_of(name: str, folder: Path, share: int, client: Client) -> np.ndarray:  # type: ignore[type-arg]
    """The commands of all sessions of this broker's firm, renumbered, for instruments by symbol."""
    registry, commands = build_philly_day()
    firm = next(s.firm for s in MEMBERS.sessions if s.name == name)
    sessions = [s.id for s in MEMBERS.sessions if s.firm == firm and not s.operator]
    own = commands[np.isin(commands["session"], sessions)]
    own = own[np.isin(own["kind"], (CommandKind.NEW, CommandKind.CANCEL, CommandKind.REPLACE))]
    names = {i.id: i.symbol for i in registry.instruments}
    client.instrument(1)
    listed = {d.symbol: n for n, d in client.market.definitions.items()}
    numbers = np.zeros(max(names) + 1, np.uint32)
    for number, symbol in names.items():
        numbers[number] = listed.get(symbol, 0)
    refs: dict[tuple[int, int], int] = {}
    rows = []
    for one in own[: len(own) * share // 1_000]:
        row = one.copy()
        key, target = (int(row["session"]), int(row["user_ref"])), int(row["target_ref"])
        if target and (key[0], target) not in refs:
            continue
        refs[key] = len(rows) + 1
        row["target_ref"] = refs.get((key[0], target), 0)
        row["instrument"] = numbers[row["instrument"]] if row["instrument"] < len(numbers) else 0
        row["sequence"] = row["time_ns"] = 0
        rows.append(row.tobytes())
    return np.frombuffer(b"".join(rows), COMMAND).copy()


def main() -> None:
    name, folder, share = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    assert name in BROKERS
    key = folder / "venue" / "keys" / f"{name}.secret"
    with connect(folder / "venue" / "connection.toml", key, timeout_s=60) as client:
        commands = part_of(name, folder, share, client)
        at = 0
        while at < len(commands) or client.dialogue.unanswered:
            room = WINDOW - client.dialogue.unanswered
            if at < len(commands) and room > 0:
                part = commands[at : at + min(room, 256)]
                client.send(part)
                at += len(part)
            client.pump(0.01)
            for _ in client.arrays():
                pass
            assert not client.dialogue.refusals, client.dialogue.refusals[0]


if __name__ == "__main__":
    main()
