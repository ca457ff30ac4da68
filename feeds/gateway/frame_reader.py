"""The frames that were read from the ports in one turn, and the commands admitted from them."""

import numpy as np
import zmq
from numpy.typing import NDArray

from feeds.gateway.connections import Port
from feeds.gateway.gate_layout import (
    FRAME_ROW,
    GATE_CALL,
    GATE_LAYOUT,
    MULTIPART,
    NOT_ORDERS,
    PEER_ROW,
    SCRATCH,
    VERDICT,
)
from feeds.gateway.gate_rules import GateRules
from feeds.gateway.order_gate import NEEDS_REVIEW, admit, read_and_admit
from feeds.gateway.peers import Peer
from feeds.gateway.read_frames import FRAME_WORDS, UNKNOWN_PEER, read_port
from feeds.protocol.records import FRAME, RECORD_BYTES, FrameKind
from feeds.transport.libzmq import function
from feeds.transport.sockets import ROUTE_BYTES
from matching.memory.handle import Handle

FRAMES_MAX = 4_096
"""Frames of one turn."""


class FrameReader:
    """Reads frames into one buffer and has them admitted.

    In the usual turn `read_and_admit` does both. Otherwise: `clear`, `read` each port, handle the
    frames at `irregular_places`, then `admit`.
    """

    def __init__(self, records_max: int, rules: GateRules) -> None:
        """`records_max`: after so many records, a turn reads no further frame."""
        self.records_max = records_max
        recv, getsockopt = function("zmq_recv"), function("zmq_getsockopt")
        self.is_compiled = recv != 0
        words = np.zeros(8 * records_max + 2 * FRAMES_MAX + 2 * FRAME_WORDS, np.int64)
        call, scratch = np.zeros(1, GATE_CALL), np.zeros(1, SCRATCH)
        call["zmq_recv"], call["zmq_getsockopt"] = recv, getsockopt
        call["words_address"], call["scratch_address"] = words.ctypes.data, scratch.ctypes.data
        call["records_max"], call["ref_max"] = records_max, rules.ref_max
        call["account_row_length"] = rules.accounts.shape[1]
        self._call, self._words, self._scratch = call, words, scratch
        self._bytes = words.view(np.uint8).data
        # Memoryviews of single fields: they are read in every turn, faster than a record's.
        self._frame_count, self._irregular_count = (
            call["frame_count"].data, call["irregular_count"].data,
        )  # fmt: skip
        self._verdict_count, self._mark_count = (
            call["verdict_count"].data, call["mark_count"].data,
        )  # fmt: skip
        self.frames = np.zeros(FRAMES_MAX, FRAME_ROW)
        self.verdicts = np.zeros(FRAMES_MAX, VERDICT)
        self._first_frames: list[tuple[int, Port]] = []  # index of the first frame of each port
        self._port: Port | None = None  # whose peers the handle has
        self._handle = Handle(
            GATE_LAYOUT,
            {
                "call": call,
                "words": words,
                "frames": self.frames,
                "scratch": scratch,
                "peers": np.zeros(0, PEER_ROW),
                "rules": rules.sessions,
                "order_to_trade": rules.order_to_trade,
                "accounts": rules.accounts.reshape(-1),
                "verdicts": self.verdicts,
                "out": np.zeros(0, np.int64),
            },
        )

    @property
    def count(self) -> int:
        """Frames read in this turn."""
        return int(self._frame_count[0])

    @property
    def verdict_count(self) -> int:
        """Frames just admitted that were refused or have duplicates."""
        return int(self._verdict_count[0])

    @property
    def mark_count(self) -> int:
        """Sessions of frames just admitted whose report streams are to be marked."""
        return int(self._mark_count[0])

    def write_to(self, commands: NDArray[np.void]) -> None:
        """Write admitted commands to this array from now on."""
        self._handle.replace("out", commands.view(np.int64).reshape(-1))

    def clear(self) -> None:
        """Begin a turn."""
        for name in ("frame_count", "word_count", "record_count", "irregular_count"):
            self._call[name] = 0
        self._first_frames.clear()

    def read_and_admit(self, port: Port, now_ns: int, sequence: int) -> int:
        """Begin a turn with one port: read it and admit its frames; returns how many commands.

        NEEDS_REVIEW: some frames are irregular. Then all are read and none is admitted.
        """
        if port is not self._port or port.has_changed:
            self._use(port)
        if len(self._first_frames) != 1 or self._first_frames[0][1] is not port:
            self._first_frames = [(0, port)]
        count: int = read_and_admit(self._handle.argument, now_ns, sequence)
        if count == NEEDS_REVIEW and int(self._call["stop"][0]) == UNKNOWN_PEER:
            self._read_first_frame(port)
            self._read_compiled(port)
        return count

    def admit(self, now_ns: int, sequence: int, first: int) -> int:
        """Admit all frames read, writing commands from row `first` on; returns how many."""
        count: int = admit(self._handle.argument, now_ns, sequence, first)
        return count

    def load_kernels(self) -> None:
        """Have the kernels compiled or loaded: without room for a record nothing is read."""
        self.clear()
        self.admit(0, 1, 0)
        if self.is_compiled:
            self._call["records_max"] = 0
            read_and_admit(self._handle.argument, 0, 1)
            self._call["records_max"] = self.records_max

    def read(self, port: Port) -> None:
        """Read a port until it is empty or the buffer is full."""
        self._first_frames.append((self.count, port))
        if self.is_compiled:
            self._read_compiled(port)
        else:
            self._read_plainly(port)

    def content(self, place: int) -> bytes:
        """The bytes of a frame."""
        start, size = 8 * int(self.frames["start"][place]), int(self.frames["bytes"][place])
        return bytes(self._bytes[start : start + size])

    def peer(self, place: int) -> Peer | None:
        """The peer that sent a frame; None if it has disconnected since."""
        port = next(port for first, port in reversed(self._first_frames) if first <= place)
        return port.peers.get(int(self.frames["route"][place]).to_bytes(ROUTE_BYTES, "little"))

    def irregular_places(self) -> list[int]:
        """Indices of the irregular frames."""
        if not self._irregular_count[0]:
            return []
        found: list[int] = np.flatnonzero(self.frames["irregular"][: self.count]).tolist()
        return found

    def _use(self, port: Port) -> None:
        """Let the kernels read this port."""
        self._handle.replace("peers", port.peer_table())
        self._call["socket"] = port.address
        self._port = port

    def _read_compiled(self, port: Port) -> None:
        while True:
            if port is not self._port or port.has_changed:
                self._use(port)
            read_port(self._handle.argument)
            if int(self._call["stop"][0]) != UNKNOWN_PEER:
                return
            self._read_first_frame(port)

    def _read_first_frame(self, port: Port) -> None:
        """Read the frame whose routing id the kernels read but do not know."""
        route = self._scratch.tobytes()[: int(self._scratch["route_bytes"][0])]
        self._add_first_frame(port, route, port.socket.recv(zmq.NOBLOCK, False))

    def _add_first_frame(self, port: Port, route: bytes, frame: zmq.Frame) -> None:
        """Add a frame of a new peer, if the port accepts that peer."""
        parts = 1 + _skip_parts(port, frame)
        peer = port.add_peer(route, frame)
        if peer is not None:
            self._add(frame.bytes, 0, route, MULTIPART if parts > 1 else NOT_ORDERS)

    def _add(self, content: bytes, session: int, route: bytes, irregular: int) -> None:
        call, count, used = self._call[0], self.count, int(self._call["word_count"][0])
        self._bytes[8 * used : 8 * used + len(content)] = content
        row = (used, len(content), session, int.from_bytes(route, "little"), irregular)
        self.frames[count] = row
        call["irregular_count"] += irregular != 0
        call["frame_count"] += 1
        call["record_count"] += len(content) // RECORD_BYTES
        call["word_count"] += (len(content) + 7) // 8

    def _read_plainly(self, port: Port) -> None:
        """`_read_compiled` without compiled code."""
        call, recv = self._call[0], port.socket.recv
        while (
            call["frame_count"] < FRAMES_MAX
            and call["record_count"] < self.records_max
            and call["word_count"] + FRAME_WORDS <= len(self._words)
        ):
            try:
                route = recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            frame = recv(zmq.NOBLOCK, False)
            peer = port.peers.get(route)
            if peer is None:
                self._add_first_frame(port, route, frame)
                continue
            content, session = frame.bytes, peer.session_number
            irregular = 0
            if _skip_parts(port, frame):
                irregular = MULTIPART
            elif not session or not _is_order_frame(content):
                irregular = NOT_ORDERS
            self._add(content, session, route, irregular)


def _skip_parts(port: Port, frame: zmq.Frame) -> int:
    """Read and drop the parts of a message behind its first; returns how many."""
    count = 0
    while frame.more:
        frame = port.socket.recv(zmq.NOBLOCK, False)
        count += 1
    return count


def _is_order_frame(content: bytes) -> bool:
    size = len(content)
    return content[:1] == bytes([FrameKind.COMMANDS]) and size % 8 == 0 and size >= FRAME.itemsize
