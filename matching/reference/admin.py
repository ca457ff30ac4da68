"""Administrative commands of the reference, by kind: what the venue and its operators may do."""

from collections.abc import Callable

from matching.records import CommandKind, Reason
from matching.reference.bust import bust
from matching.reference.fields import Command
from matching.reference.instrument_admin import (
    add_basket_member,
    link_sequence,
    list_instrument,
    set_band,
    set_collar,
    set_fees,
    set_phase,
    set_times,
)
from matching.reference.market import Market
from matching.reference.member_admin import (
    fund,
    halt_account,
    open_account,
    open_session,
    register,
    set_limits,
    withdraw,
)

ADMIN_COMMANDS: dict[int, Callable[[Market, Command], Reason]] = {
    CommandKind.LIST: list_instrument,
    CommandKind.BAND: set_band,
    CommandKind.FEES: set_fees,
    CommandKind.TIMES: set_times,
    CommandKind.COLLAR: set_collar,
    CommandKind.PHASE: set_phase,
    CommandKind.SEQUENCE: link_sequence,
    CommandKind.BASKET: add_basket_member,
    CommandKind.SESSION: open_session,
    CommandKind.ACCOUNT: open_account,
    CommandKind.LIMITS: set_limits,
    CommandKind.FUND: fund,
    CommandKind.WITHDRAW: withdraw,
    CommandKind.REGISTER: register,
    CommandKind.HALT_ACCOUNT: halt_account,
    CommandKind.BUST: bust,
}
