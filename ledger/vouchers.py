"""Vouchers: the programmes' decisions on a batch's agreements, their states and payments."""

import numpy as np

from ledger.allocation import UNLIMITED_FEN, WANT, allocate
from ledger.books import Books
from ledger.queries import statements


def decide_vouchers(books: Books, batch: int, settlement: int, day: str) -> None:
    """Decide on the agreements of `batch`, write decisions and states, draft the payments.

    `settlement` is the batch whose registry is in force. The order of decisions is the order of
    agreements; grants of earlier batches count against the caps of their year.
    """
    books.run("vouchers", "wants", batch=batch, settlement=settlement)
    inputs = books.arrays(statements("vouchers")["inputs"], {"unlimited": UNLIMITED_FEN})
    wants = np.zeros(len(inputs["want_fen"]), dtype=WANT)
    for name in (
        "want_fen", "agreement_cap_fen", "firm_cap_fen", "pool_cap_fen", "firm_slot", "pool_slot",
    ):  # fmt: skip
        wants[name] = inputs[name]
    firm_used_fen = np.zeros(len(wants), dtype=np.int64)
    pool_used_fen = np.zeros(len(wants), dtype=np.int64)
    firm_used_fen[wants["firm_slot"]] = inputs["firm_used_fen"]
    pool_used_fen[wants["pool_slot"]] = inputs["pool_used_fen"]
    allocate(wants, firm_used_fen, pool_used_fen)
    columns = {
        "k": np.arange(len(wants)),
        **{
            name: np.ascontiguousarray(wants[name])
            for name in ("before_firm_fen", "before_pool_fen", "grant_fen")
        },
    }
    books.run_with(columns, "vouchers", "decisions", batch=batch)
    books.run("vouchers", "states", "payments", batch=batch, settlement=settlement, day=day)
