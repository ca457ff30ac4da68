"""A served venue for tests: a real process on loopback, with real keys, ended by its pid."""

import json
import os
import signal
import subprocess
import sys
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from exchange.definition.members import read_members
from feeds.client import Client, connect, read_connection
from feeds.protocol.keys import new_pair
from feeds.protocol.messages import CloseDay, DayClosed
from ledger.daylog import DayLog, read_day_log
from ledger.daylog.registry import Contract, Instrument, Registry

START = "2026-11-22T09:00"
MEMBERS = read_members()
BROKERS = ("east-1", "west-1", "south-1", "coast-1")
CONFIG = """
folder = "venue"
trading_day = "2026-11-22"
days = {days}
buyer_fen = 100000000000
supplier_fen = 100000000000
register_inventory = true
"""


class World:
    """A folder with a venue's configuration and keys, and the process that serves it."""

    def __init__(
        self, folder: Path, *, config: str = "", days: int = 1, clock: str = f"{START}*1"
    ) -> None:
        self.folder = folder
        self.clock = clock
        self.command = ["serve"]
        self.process: subprocess.Popen[str] | None = None
        self.clients: list[Client] = []
        (folder / "venue.toml").write_text(CONFIG.format(days=days) + config, encoding="utf-8")
        for session in MEMBERS.sessions:
            role = "operator" if session.operator else "trading"
            self.key(session.name, role=role, firm=session.firm)

    def key(self, name: str, **rights: Any) -> None:
        """Make a key; the venue reads it at its next start."""
        new_pair(self.folder / "venue" / "keys", name, **rights)

    def secret(self, name: str) -> Path:
        return self.folder / "venue" / "keys" / f"{name}.secret"

    def start(self) -> Self:
        """Serve, and return when the sockets are open."""
        code = "from exchange.cli import main; main()"
        config = str(self.folder / "venue.toml")
        words = [*self.command, "--config", config, "--clock", self.clock]
        arguments = [*words, "--json", "--verbose"]
        with (self.folder / "stderr").open("a") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code, *arguments],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, (self.folder / "stderr").read_text()[-2_000:]
        self.started = json.loads(line)
        self.connection = read_connection(self.folder / "venue" / "connection.toml")
        return self

    def kill(self) -> None:
        """End the process with SIGKILL."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self._reap()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> dict[str, Any]:
        """Send a signal; returns what the venue printed at its end. The day can be continued."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.wait_for_end()

    def ask_to_close(self) -> None:
        """Ask as an operator to close the day, without waiting for the end."""
        with self._closer() as operator:
            operator.send_message(CloseDay(trading_day=self.started["trading_day"]))

    def close_day(self) -> dict[str, Any]:
        """Close the day as an operator; returns what the venue printed at its end."""
        with self._closer() as operator:
            closed = operator.request(CloseDay(trading_day=self.started["trading_day"]))
        assert isinstance(closed, DayClosed)
        ended = self.wait_for_end()
        assert ended["events_sha256"] == closed.events_sha256
        return ended

    def wait_for_end(self) -> dict[str, Any]:
        """Wait for the process to end by itself; returns what it printed at its end."""
        assert self.process is not None
        out, _ = self.process.communicate(timeout=30)
        assert self.process.returncode == 0, (self.folder / "stderr").read_text()[-2_000:]
        self.process = None
        ended: dict[str, Any] = json.loads(out.splitlines()[-1])
        return ended

    def _closer(self) -> Client:
        return connect(self.connection, self.secret("operations"), admin=True)

    def client(self, name: str = "east-1", **options: Any) -> Client:
        client = connect(self.connection, self.secret(name), **options)
        self.clients.append(client)
        return client

    def operator(self) -> Client:
        return self.client("operations", admin=True)

    def log(self) -> DayLog:
        return read_day_log(self.folder / "venue" / "2026-11-22.log", unsealed=True)

    @cached_property
    def registry(self) -> Registry:
        return self.log().registry

    def instrument(self, place: int = 0) -> Instrument:
        """An instrument that is open for the rest of the day."""
        late = [i for i in self.registry.instruments if i.contract == "H800.QD"]
        return late[-1 - place]

    def contract(self, instrument: Instrument) -> Contract:
        return next(c for c in self.registry.contracts if c.code == instrument.contract)

    def price(self, place: int = 0) -> int:
        return self.contract(self.instrument(place)).reference_ticks

    def account(self, name: str = "east-1", role: str = "buyer") -> int:
        """An account that a session may trade."""
        firm = next(s.firm for s in MEMBERS.sessions if s.name == name)
        return next(a.id for a in MEMBERS.accounts if a.member == firm and a.role == role)

    def end(self) -> None:
        for client in self.clients:
            client.close()
        if self.process is not None:
            self.process.kill()
            self._reap()

    def _reap(self) -> None:
        assert self.process is not None
        self.process.wait(timeout=10)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.process = None
