"""A broker process for a whole day: NAME[,NAME..] FOLDER SPEED.

Sends the commands of these sessions in the demonstration's day, each when the venue's clock, which
runs at SPEED, reaches its time. It makes the day first, then waits for a line on stdin, which means
that the venue is up. Ends when every command is answered.
"""

import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from exchange.flow.trace_day import build_philly_day
from feeds.client import Client, connect
from ledger.daylog.registry import Registry
from matching.records import COMMAND, CommandKind
from tests.support.venue_process import MEMBERS

WINDOW = 2_000

Commands = NDArray[np.void]
Day = tuple[Registry, Commands]


def commands_of(name: str, day: Day, client: Client) -> Commands:
    """The session's commands, numbered from 1, for the venue's instruments of the same symbols."""
    registry, commands = day
    number = next(s.id for s in MEMBERS.sessions if s.name == name)
    own = commands[commands["session"] == number].astype(COMMAND)
    assert np.isin(own["kind"], (CommandKind.NEW, CommandKind.CANCEL, CommandKind.REPLACE)).all()
    client.instrument(1)
    listed = {d.symbol: n for n, d in client.market.definitions.items()}
    numbers = np.arange(2**16, dtype=np.uint32)
    for instrument in registry.instruments:
        numbers[instrument.id] = listed[instrument.symbol]
    refs = np.arange(2**20, dtype=np.uint32)  # some of the day's commands have no target
    refs[own["user_ref"][::-1]] = np.arange(len(own), 0, -1)
    own["target_ref"] = np.where(own["target_ref"], refs[own["target_ref"]], 0)
    own["instrument"] = numbers[own["instrument"]]
    own["sequence"] = 0
    return own


class Sender:
    """A session and the commands that it has not sent yet."""

    def __init__(self, name: str, day: Day, folder: Path, speed: float) -> None:
        key = folder / "venue" / "keys" / f"{name}.secret"
        self.client = connect(folder / "venue" / "connection.toml", key, timeout_s=60)
        self.commands = commands_of(name, day, self.client)
        self.speed = speed
        self.at = 0

    def step(self) -> bool:
        """Send what is due and read what arrived; True when everything is sent and answered."""
        session = self.client.session
        assert session.ack is not None
        passed_ns = int((time.monotonic_ns() - session.acked_ns) * self.speed)
        due = np.searchsorted(self.commands["time_ns"], session.ack.time_ns + passed_ns, "right")
        end = min(int(due), self.at + WINDOW - session.unanswered)
        if end > self.at:
            part = self.commands[self.at : end].copy()
            part["time_ns"] = 0
            self.client.send(part)
            self.at = end
        self.client.pump(0.002)
        for _ in self.client.arrays():
            pass
        assert not session.refusals, session.refusals[0]
        return self.at == len(self.commands) and session.unanswered == 0


def main() -> None:
    names, folder, speed = sys.argv[1:]
    day = build_philly_day()
    print("ready", flush=True)
    sys.stdin.readline()
    senders = [Sender(name, day, Path(folder), float(speed)) for name in names.split(",")]
    while True:
        is_done = [sender.step() for sender in senders]
        if all(is_done):
            break
    print(sum(len(sender.commands) for sender in senders), flush=True)


if __name__ == "__main__":
    main()
