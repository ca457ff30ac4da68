"""Open-loop latency: orders at Poisson times, each timed from when it was due.

Arguments: FOLDER RATE COUNT KIND, where KIND is `echo` or a kind of venue. Prints percentiles in
microseconds as JSON. The schedule does not wait for the server, so a stall of the server adds to
the latency of all orders that were due in it.
"""

import json
import sys
import time
from pathlib import Path
from select import select
from typing import Any

import numpy as np
import zmq
from numpy.typing import NDArray

from bench.matching.latency import percentiles_ns
from bench.wire.load_generator import cancel_some, orders_of, venue_socket
from bench.wire.processes import LATENCY_SESSION
from feeds.protocol.records import FRAME_HEAD, FrameKind
from matching.records import EventKind

SPIN_NS = 40_000
"""Time in ns before an order is due from which the sender polls instead of sleeping. It sleeps
earlier to leave the processor to the server, where there are few cores."""


def main() -> None:
    """Send orders on schedule, and print the percentiles of the time to their answers."""
    folder, rate, count, kind = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    if kind == "echo":
        socket = context.socket(zmq.DEALER)
        socket.connect(json.loads((folder / "echo.json").read_text())["endpoint"])
        frames = [number.to_bytes(8, "little") + bytes(56) for number in range(count)]
        took = run(socket, frames, rate, _echoed_numbers)
    else:
        socket, last_ref = venue_socket(context, folder, LATENCY_SESSION)
        orders = orders_of(LATENCY_SESSION, folder, count, last_ref + 1)
        cancel_some(orders, 1)
        head, content = FRAME_HEAD.pack(FrameKind.COMMANDS, 0, 1, 0, 0), orders.tobytes()
        frames = [head + content[64 * n : 64 * n + 64] for n in range(count)]
        took = run(socket, frames, rate, lambda frame: _answered_numbers(frame, last_ref + 1))
    context.destroy(0)
    figures = {name: round(ns / 1_000, 1) for name, ns in percentiles_ns(took).items()}
    row: dict[str, float] = {name.replace("_ns", "_us"): us for name, us in figures.items()}
    print(json.dumps({**row, "unanswered": count - len(took)}))


def run(socket: "zmq.Socket[bytes]", frames: list[bytes], rate: int, numbers: Any) -> NDArray[Any]:
    """Send frames at `rate` a second; returns for each answered one the ns since it was due.

    `numbers(answer)` returns the numbers of the frames that a received frame answers.
    """
    count = len(frames)
    gaps = np.random.default_rng(1).exponential(1e9 / rate, count)
    due = (time.perf_counter_ns() + 50_000_000 + np.cumsum(gaps)).astype(np.int64)
    done = np.zeros(count, np.int64)
    schedule = due.tolist()
    sent = got = 0
    clock, recv, send = time.perf_counter_ns, socket.recv, socket.send
    readable = [int(socket.getsockopt(zmq.FD))]
    end_ns = schedule[-1] + 20_000_000_000
    while got < count and clock() < end_ns:
        now_ns = clock()
        while sent < count and schedule[sent] <= now_ns:
            send(frames[sent])
            sent += 1
        try:
            frame = recv(zmq.NOBLOCK)
        except zmq.Again:
            free_ns = (schedule[sent] if sent < count else end_ns) - clock() - SPIN_NS
            if free_ns > 0:  # the descriptor is readable if a frame has come since
                select(readable, [], [], free_ns / 1e9)
            continue
        now_ns = clock()
        for number in numbers(frame):
            if 0 <= number < count and not done[number]:
                done[number] = now_ns
                got += 1
    answered = done > 0
    took: NDArray[Any] = np.maximum(1, done[answered] - due[answered])
    return took


def _echoed_numbers(frame: bytes) -> list[int]:
    return [int.from_bytes(frame[:8], "little")]


def _answered_numbers(frame: bytes, first_ref: int) -> list[int]:
    """Return the numbers of the orders that a frame of reports answers; fills answer none."""
    if frame[0] != FrameKind.REPORTS:
        return []
    words = np.frombuffer(frame, "<u4", -1, 16).reshape(-1, 16)
    kinds = words[:, 14] & 0xFF
    refs = np.where(kinds == EventKind.CANCELLED, words[:, 4], words[:, 11])
    found: list[int] = (refs[kinds != EventKind.FILLED].astype(np.int64) - first_ref).tolist()
    return found


if __name__ == "__main__":
    main()
