"""The rules number: builds of one number make the same events of the same commands.

A day log names the number of the rules that it was made under, and is replayed only by a build that
keeps them. The number rises with every change after which some log could give other events: a rule,
a reason or its place, a bound, the order of events, a field of one. A release with another number
raises its minor version, so all patches of a release replay the same logs.
"""

RULES = 1
"""The rules that this build keeps: those of matching/RULES.md."""

FIRST_RELEASES = {1: "0.2.0"}
"""The first release that keeps each number of rules. Rules 0 are all those before the first."""


def releases_of(number: int) -> str | None:
    """The releases that keep these rules, as pip takes them; None where this build knows of none.

    >>> releases_of(1)
    'suanshi==0.2.*'
    """
    first = FIRST_RELEASES.get(number)
    return None if first is None else f"suanshi=={first.rpartition('.')[0]}.*"


def explain_refusal(number: int) -> str:
    """A sentence on rules that this build does not replay: both numbers, and the release that does.

    >>> explain_refusal(0).partition(": ")[2]
    'there is no release that replays rules 0'
    """
    assert number != RULES
    age = f", which is before release {FIRST_RELEASES[1]}," if number == 0 else ""
    releases = releases_of(number)
    if releases is not None:
        then = f"install {releases}, which replays rules {number}"
    elif number > RULES:
        then = (
            "install a later release of suanshi, whose `suanshi doctor` lists the rules that it "
            "knows"
        )
    else:
        then = f"there is no release that replays rules {number}"
    return f"made under rules {number}{age or ','} and this build replays rules {RULES}: {then}"
