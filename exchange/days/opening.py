"""The opening of a day: drafts of the administrative commands that its registry calls for."""

from collections.abc import Iterable

import numpy as np

from exchange.definition.command_drafts import Draft, draft_admin, join
from exchange.definition.instrument_columns import InstrumentColumns
from exchange.definition.members import Members
from ledger.daylog.registry import Session
from matching.records import CommandFlag, CommandKind, Phase


def draft_members(members: Members, sessions: Iterable[Session], time_ns: int) -> Draft:
    """Draft the sessions and accounts; an account has its member's number and its owner's group."""
    opened = list(sessions)
    operators = np.array([session.operator for session in opened], np.int64)
    accounts = members.accounts
    return join(
        [
            draft_admin(
                CommandKind.SESSION,
                np.full(len(opened), time_ns),
                target_ref=[session.id for session in opened],
                account=[session.firm for session in opened],
                flags=operators * int(CommandFlag.OPERATOR),
            ),
            draft_admin(
                CommandKind.ACCOUNT,
                np.full(len(accounts), time_ns),
                account=[account.id for account in accounts],
                target_ref=[account.member for account in accounts],
                quantity=[members.group_of(account) for account in accounts],
            ),
        ]
    )


def draft_listing(columns: InstrumentColumns, time_ns: int, close_s: int) -> Draft:
    """Draft the listing of every instrument: reference, band, fees, close, gate, then its phase."""
    of = [columns.contracts[number] for number in columns.contract]
    numbers = np.arange(1, len(columns) + 1)

    def admin(kind: CommandKind, **fields: object) -> Draft:
        return draft_admin(kind, np.full(len(columns), time_ns), instrument=numbers, **fields)

    drafts = [
        admin(
            CommandKind.LIST,
            price=[contract.reference_ticks for contract in of],
            quantity=columns.tick_fen,
        ),
        admin(CommandKind.BAND, price=columns.low_ticks, stop=columns.high_ticks),
        admin(
            CommandKind.FEES,
            price=[contract.maker_fee_ppm for contract in of],
            stop=[contract.taker_fee_ppm for contract in of],
            quantity=columns.deposit_fen,
        ),
        admin(CommandKind.TIMES, expiry_s=close_s, target_ref=columns.gate_s),
        admin(CommandKind.PHASE, type=Phase.CONTINUOUS),
    ]
    return join(drafts)


def draft_clock(day_start_s: int, day_end_s: int, step_s: int) -> Draft:
    """Draft a CLOCK for every `step_s` seconds of the day, up to and with its end."""
    seconds = np.arange(day_start_s + step_s, day_end_s + 1, step_s, dtype=np.int64)
    return draft_admin(CommandKind.CLOCK, seconds * 1_000_000_000)
