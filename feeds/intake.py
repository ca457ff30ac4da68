"""What was read from the ports in one turn: frames side by side, compiled or not."""

import numpy as np
import zmq
from numpy.typing import NDArray

from feeds.admission import Rules, take_in
from feeds.draining import (
    APART,
    FRAME_CELLS,
    PARTS,
    ROUTE,
    SIZE,
    START,
    STRANGE,
    STRANGER,
    drain,
    functions,
)
from feeds.ports import Peer, Port

Ints = NDArray[np.int64]
Verdicts = NDArray[np.void]

FRAMES_MAX = 4_096


class Intake:
    """Frames of a turn in one buffer, with whose they are."""

    def __init__(self, records_max: int) -> None:
        self.records_max = records_max
        self.words = np.zeros(8 * records_max + 2 * FRAMES_MAX + 2 * FRAME_CELLS, np.int64)
        self.frames = np.zeros((FRAMES_MAX, 5), np.int64)
        self.count = self.set_apart = 0
        self._ports: list[tuple[int, Port]] = []  # from which frame on
        self._used = 0
        self._records = 0
        self._scratch = np.zeros(4, np.int64)
        self._bytes = self.words.view(np.uint8).data
        self._address, self._scratch_address = self.words.ctypes.data, self._scratch.ctypes.data
        self._recv, self._getsockopt = functions()
        self.is_compiled = self._recv != 0

    def clear(self) -> None:
        """Begin a turn."""
        self.count = self.set_apart = self._used = self._records = 0
        self._ports.clear()

    def take_in(
        self, port: Port, rules: Rules, now_ns: int, sequence: int, out: Ints, verdicts: Verdicts
    ) -> tuple[int, int, int] | None:
        """Begin a turn with one port: read it and admit its frames, as `admit` says.

        None where some are to be looked at first; then they are read, and that is all.
        """
        self._ports = [(0, port)]
        routes, numbers = port.routes()
        self.count, self._used, self._records, why, self.set_apart, taken, noted, marks = take_in(
            self._recv, self._getsockopt, port.address, self.words, self._address, self._scratch,
            self._scratch_address, routes, numbers, self.frames, self.records_max, rules.sessions,
            rules.accounts, rules.ref_max, now_ns, sequence, out, verdicts,
        )  # fmt: skip
        if why != STRANGER and self.set_apart == 0:
            return taken, noted, marks
        if why == STRANGER:
            self._meet(port)
            self._read_on(port)
        return None

    def warm(self, rules: Rules, out: Ints, verdicts: Verdicts) -> None:
        """Have `take_in` compiled or loaded: with no room for a frame it reads none."""
        none = np.zeros(0, np.int64)
        take_in(
            self._recv, self._getsockopt, 0, self.words, self._address, self._scratch,
            self._scratch_address, none, none, self.frames[:0], self.records_max, rules.sessions,
            rules.accounts, rules.ref_max, 0, 1, out, verdicts,
        )  # fmt: skip

    def read(self, port: Port) -> None:
        """Read a port until it is empty or the buffer is full."""
        self._ports.append((self.count, port))
        if self.is_compiled:
            self._read_on(port)
        else:
            self._read_plainly(port)

    def _read_on(self, port: Port) -> None:
        while True:
            routes, numbers = port.routes()
            self.count, self._used, self._records, why, apart = drain(
                self._recv, self._getsockopt, port.address, self.words, self._address,
                self._used, self._scratch, self._scratch_address,
                routes, numbers, self.frames, self.count, self._records, self.records_max,
            )  # fmt: skip
            self.set_apart += apart
            if why != STRANGER:
                return
            self._meet(port)

    def _meet(self, port: Port) -> None:
        route = self._scratch.tobytes()[: int(self._scratch[3])]
        self._stranger(port, route, port.socket.recv(zmq.NOBLOCK, False))

    def content(self, index: int) -> bytes:
        """The bytes of a frame."""
        start, size = 8 * int(self.frames[index, START]), int(self.frames[index, SIZE])
        return bytes(self._bytes[start : start + size])

    def peer(self, index: int) -> Peer | None:
        """Whose frame it is; None for a peer that has gone meanwhile."""
        port = next(port for first, port in reversed(self._ports) if first <= index)
        return port.peers.get(int(self.frames[index, ROUTE]).to_bytes(5, "little"))

    def apart(self) -> list[int]:
        """Places of the frames that are no plain orders."""
        if not self.set_apart:
            return []
        found: list[int] = np.flatnonzero(self.frames[: self.count, APART]).tolist()
        return found

    def _stranger(self, port: Port, route: bytes, frame: zmq.Frame) -> None:
        parts, last = 1, frame
        while last.more:
            last = port.socket.recv(zmq.NOBLOCK, False)
            parts += 1
        peer = port.meet(route, frame)
        if peer is not None:
            self._add(frame.bytes, 0, route, PARTS if parts > 1 else STRANGE)

    def _add(self, content: bytes, number: int, route: bytes, apart: int) -> None:
        start = 8 * self._used
        self._bytes[start : start + len(content)] = content
        row = (self._used, len(content), number, int.from_bytes(route, "little"), apart)
        self.frames[self.count] = row
        self.set_apart += apart != 0
        self.count += 1
        self._records += len(content) // 64
        self._used += (len(content) + 7) // 8

    def _read_plainly(self, port: Port) -> None:
        """The same without compiled code."""
        recv = port.socket.recv
        while (
            self.count < FRAMES_MAX
            and self._records < self.records_max
            and self._used + FRAME_CELLS <= len(self.words)
        ):
            try:
                route = recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            frame = recv(zmq.NOBLOCK, False)
            peer = port.peers.get(route)
            if peer is None:
                self._stranger(port, route, frame)
                continue
            content, parts = frame.bytes, 1
            while frame.more:
                frame = recv(zmq.NOBLOCK, False)
                parts += 1
            plain = peer.number and content[:1] == b"\x01" and not len(content) % 8
            apart = PARTS if parts > 1 else 0 if plain and len(content) >= 16 else STRANGE
            self._add(content, peer.number, route, apart)
