"""What was read from the ports in one turn: frames side by side, compiled or not."""

import numpy as np
import zmq
from numpy.typing import NDArray

from feeds.gateway import order_gate as admission
from feeds.gateway.connections import Peer, Port
from feeds.gateway.order_gate import (
    COUNT,
    LOOK,
    MARKS,
    NOTED,
    RECORDS,
    SET_APART,
    USED,
    WHY,
    Rules,
    take_in,
)
from feeds.gateway.read_frames import (
    APART,
    FRAME_CELLS,
    PARTS,
    ROUTE,
    SIZE,
    START,
    STRANGE,
    STRANGER,
    drain,
)
from feeds.transport.libzmq import function

Ints = NDArray[np.int64]
Verdicts = NDArray[np.void]

FRAMES_MAX = 4_096


class FrameReader:
    """Frames of a turn in one buffer, with whose they are."""

    def __init__(self, records_max: int, rules: Rules, verdicts: Verdicts) -> None:
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
        self._recv, self._getsockopt = function("zmq_recv"), function("zmq_getsockopt")
        self.is_compiled = self._recv != 0
        self._routes = self._numbers = np.zeros(0, np.int64)
        self._header = np.zeros(admission.VERDICTS_AT + 8, np.int64)
        self._header_at = self._header.ctypes.data
        self._cells = self._header.data
        self._read_port: Port | None = None
        self._keep = rules, verdicts  # whose addresses stand in the header
        for cell, value in (
            (admission.RECV, self._recv),
            (admission.GETSOCKOPT, self._getsockopt),
            (admission.WORDS_AT, self._address),
            (admission.WORDS_LONG, len(self.words)),
            (admission.SCRATCH_AT, self._scratch_address),
            (admission.FRAMES_AT, self.frames.ctypes.data),
            (admission.FRAMES_LONG, FRAMES_MAX),
            (admission.RECORDS_MAX, records_max),
            (admission.RULES_AT, rules.sessions.ctypes.data),
            (admission.RULES_LONG, len(rules.sessions)),
            (admission.ALLOWED_AT, rules.accounts.ctypes.data),
            (admission.ALLOWED_WIDE, rules.accounts.shape[1]),
            (admission.REF_MAX, rules.ref_max),
            (admission.VERDICTS_AT, verdicts.ctypes.data),
        ):
            self._header[cell] = value

    def fill(self, rows: Ints) -> None:
        """Admitted commands go here from now on: a row of words each."""
        self._rows = rows
        self._header[admission.OUT_AT], self._header[admission.OUT_LONG] = (
            rows.ctypes.data,
            len(rows),
        )

    def clear(self) -> None:
        """Begin a turn."""
        self.count = self.set_apart = self._used = self._records = 0
        self._ports.clear()
        self._read_port = None

    def take_in(self, port: Port, now_ns: int, sequence: int) -> int:
        """Begin a turn with one port: read it and admit its frames; returns how many commands.

        LOOK where some are to be looked at first; then they are read, and that is all.
        """
        if port is not self._read_port or port.changed:
            self._turn_to(port)
        taken: int = take_in(self._header_at, now_ns, sequence)
        if taken == LOOK:
            self._read_port = None
            if self._take_note() == STRANGER:
                self._meet(port)
                self._read_on(port)
        return taken

    def judged(self) -> tuple[int, int]:
        """How many of the frames just admitted have a verdict, and how many streams get a mark."""
        noted, marks = self._cells[NOTED], self._cells[MARKS]
        if noted or marks:
            self._take_note()
        return noted, marks

    def load_kernels(self) -> None:
        """Have `take_in` compiled or loaded: with no room for a frame it reads none."""
        self._header[admission.FRAMES_LONG] = 0
        take_in(self._header_at, 0, 1)
        self._header[admission.FRAMES_LONG] = FRAMES_MAX

    def _turn_to(self, port: Port) -> None:
        """Read from this port from now on."""
        self._read_port = port
        self._ports = [(0, port)]
        self._routes, self._numbers = port.routes()
        self._header[admission.SOCKET] = port.address
        self._header[admission.ROUTES_AT] = self._routes.ctypes.data
        self._header[admission.NUMBERS_AT] = self._numbers.ctypes.data
        self._header[admission.ROUTES_LONG] = len(self._routes)

    def _take_note(self) -> int:
        """Take what was read out of the header; returns why the reading ended."""
        cells = self._cells
        self.count, self._used, self._records = cells[COUNT], cells[USED], cells[RECORDS]
        self.set_apart = cells[SET_APART]
        return cells[WHY]

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
