"""Members: firms, accounts, sessions and inventory, read from TOML."""

from pathlib import Path

from exchange.definition.toml_file import BadFile, read_toml
from ledger.daylog.registry import Account, Firm, Inventory, Record, Session

DEMO_PATH = Path(__file__).parents[1] / "data" / "demo" / "members.toml"
"""The members of the demonstration."""


class Members(Record, frozen=True, kw_only=True):
    """The firms, their accounts and sessions, and the suppliers' GPUs."""

    firms: tuple[Firm, ...]
    accounts: tuple[Account, ...]
    sessions: tuple[Session, ...]
    inventory: tuple[Inventory, ...] = ()

    @property
    def buyers(self) -> tuple[Account, ...]:
        """The buyers' accounts, in their order in the file."""
        return tuple(account for account in self.accounts if account.role == "buyer")

    @property
    def suppliers(self) -> tuple[Account, ...]:
        """The suppliers' accounts, in their order in the file."""
        return tuple(account for account in self.accounts if account.role == "supplier")

    def group_of(self, account: Account) -> int:
        """The related-party group of the firm that owns an account; 0: no group."""
        return next(firm.group for firm in self.firms if firm.id == account.firm)

    def sessions_of(self, account: Account) -> tuple[int, ...]:
        """The sessions that may trade an account: those of its member."""
        return tuple(session.id for session in self.sessions if session.firm == account.member)


def read_members(path: str | Path | None = None) -> Members:
    """The members in a TOML file; without a path, those of the demonstration.

    Raises BadFile; its message is one line with the file, the key and the rule.
    """
    file = DEMO_PATH if path is None else Path(path)
    members = read_toml(file, Members, file.name)
    for place, text in _broken_rules(members):
        raise BadFile(f"{file.name}: {text} - at `$.{place}`")
    return members


def _broken_rules(members: Members) -> list[tuple[str, str]]:
    """The place and the text of each broken rule: unique ids and names, existing references."""
    problems: list[tuple[str, str]] = []
    for kind in ("firms", "accounts", "sessions"):
        for key in ("id", "name"):
            seen = set()
            for index, entry in enumerate(getattr(members, kind)):
                value = getattr(entry, key)
                if value in seen:
                    problems.append((f"{kind}[{index}].{key}", f"`{key}` {value} is given twice"))
                seen.add(value)
    firms = {firm.id for firm in members.firms}
    suppliers = {account.id for account in members.suppliers}
    for index, account in enumerate(members.accounts):
        for key, firm in (("firm", account.firm), ("member", account.member)):
            if firm not in firms:
                place = f"accounts[{index}].{key}"
                problems.append((place, f"`{key}` names {firm}, which no [[firms]] defines"))
        if not members.sessions_of(account):
            place = f"accounts[{index}].member"
            problems.append(
                (place, f"`member` {account.member} has no session; add one to [[sessions]]")
            )
    for index, session in enumerate(members.sessions):
        if session.firm not in firms and not (session.operator and session.firm == 0):
            place = f"sessions[{index}].firm"
            problems.append((place, f"`firm` names {session.firm}, which no [[firms]] defines"))
    seen_inventory = set()
    for index, entry in enumerate(members.inventory):
        if (entry.account, entry.hub, entry.chip) in seen_inventory:
            text = f"{entry.chip} of account {entry.account} at {entry.hub} is given twice"
            problems.append((f"inventory[{index}]", text))
        seen_inventory.add((entry.account, entry.hub, entry.chip))
        if entry.account not in suppliers:
            place = f"inventory[{index}].account"
            problems.append((place, f"`account` {entry.account} is not a supplier's account"))
    return problems
