"""Baskets of contracts: circles, definitions in TOML, and the commands that list them."""

import json
from datetime import date
from pathlib import Path

import pytest
from msgspec.structs import replace

from exchange.cli import run as run_command
from exchange.definition.baskets import chips_serving, circle, draft_baskets
from exchange.definition.contracts import read_venue
from exchange.definition.instruments import instruments
from exchange.definition.sequences import draft_sequences
from exchange.definition.toml_file import BadFile
from matching import Limits
from matching.records import CommandKind, EventKind
from matching.reference.engine import ReferenceEngine
from tests.support.scripts import START_S, as_commands, venue

DAY = date(2026, 11, 22)


def near(metro: str, within_us: int, need: str | None = None) -> list[tuple[str, int]]:
    whole = read_venue()
    found = circle(
        whole.contracts, whole.hubs, whole.chips, metro=metro, within_us=within_us, need=need
    )
    return [(each.contract.code, each.latency_us) for each in found]


def test_a_circle_holds_the_contracts_for_a_need_by_latency():
    assert near("Qingdao", 3_000, "H800") == [("H800.QD", 1_000)]
    assert near("qingdao", 1_000, "A100") == [("A100.QD", 1_000), ("H800.QD", 1_000)]
    assert near("wuhan", 6_300, "PF16") == [("PF16.SG", 4_800), ("PF16.QD", 6_300)]
    assert near("wuhan", 6_299, "PF16") == [("PF16.SG", 4_800)]
    assert len(near("shaoguan", 10**6)) == 5  # other hubs have no latency to it
    assert near("qingdao", 999) == near("nowhere", 10**6) == []


def test_a_chip_can_be_replaced_by_chips_of_its_vendor_with_at_least_its_rating():
    chips = read_venue().chips
    assert chips_serving("ASCEND910B", chips) == ("ASCEND910B", "ASCEND910C")
    assert "H20" not in chips_serving("A100", chips)
    assert chips_serving("PF16", chips) == ()


def definition(folder: Path, text: str) -> Path:
    """Write the definition of the package, with other baskets, into a folder."""
    whole = Path(__file__).parents[2] / "exchange" / "data" / "venue"
    for file in [*whole.glob("*.toml"), *whole.glob("contracts/*.toml")]:
        to = folder / file.relative_to(whole)
        to.parent.mkdir(exist_ok=True)
        to.write_text(file.read_text())
    (folder / "baskets.toml").write_text(text)
    return folder


def test_a_basket_names_contracts_or_a_circle(tmp_path):
    text = """
[[baskets]]
code = "TWO"
contracts = ["H800.CD", "A100.QD"]
[[baskets]]
code = "NEAR"
metro = "Suzhou"
within_us = 9000
need = "H800"
"""
    baskets = read_venue(definition(tmp_path, text)).baskets
    assert [(each.id, each.code, each.contracts) for each in baskets] == [
        (1, "TWO", ("H800.CD", "A100.QD")),
        (2, "NEAR", ("H800.QD", "H800.SG")),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('contracts = ["H800.QD", "PF16.QD"]', "`product` of PF16.QD is pflops-day, of H800.QD"),
        ('contracts = ["H800.QD", "H800.QD"]', "`contracts` names H800.QD twice"),
        ('contracts = ["H900.QD"]', "`contracts` names H900.QD, which no [[contracts]] defines"),
        ("contracts = []", "a basket has `contracts`, or `metro`, `within_us`, `need`"),
        ('metro = "wuhan"\nneed = "A100"', "a basket has `contracts`, or `metro`"),
        ('metro = "wuhan"\nneed = "A100"\nwithin_us = 1', "a basket has 1 to 16 contracts, got 0"),
        ('metro = "paris"\nneed = "A100"\nwithin_us = 1', "`metro` names paris, to which no hub"),
        ('contracts = ["H800.QD"]\nneed = "A100"', "`contracts` excludes `metro`"),
        ('contracts = ["H800.QD"]\n[[baskets]]\ncode = "B"\ncontracts = ["H800.CD"]',
         "`B` is defined twice - at `$.baskets[1].code`"),
    ],
)  # fmt: skip
def test_an_invalid_basket_is_refused_with_its_place(tmp_path, text, message):
    with pytest.raises(BadFile) as refused:
        read_venue(definition(tmp_path, f'[[baskets]]\ncode = "B"\n{text}\n'))
    assert message in str(refused.value)
    assert str(refused.value).startswith("baskets.toml: ")


def test_the_commands_list_members_of_one_delivery_period_in_order():
    whole = read_venue()
    listed = instruments(whole.contracts, DAY, 2)
    late = [each for each in listed if each.contract != "H800.QD" or each.id % 24 > 5]
    commands = draft_baskets(late, whole.baskets, START_S * 10**9).commands
    by_id = {each.id: each for each in listed}
    found = [(int(c["target_ref"]), by_id[int(c["instrument"])]) for c in commands]
    for basket in whole.baskets:
        members = [each for number, each in found if number == basket.id]
        assert [each.contract for each in members] == list(basket.contracts)
        assert len({each.delivery_start_s for each in members}) == 1
    rows = [venue(CommandKind.LIST, instrument=each.id, price=100, quantity=1) for each in late]
    engine = ReferenceEngine(Limits())
    links = draft_sequences(late, whole.contracts, START_S * 10**9).commands
    events = [engine.process(part) for part in (as_commands(rows), links, commands)]
    assert not any((part["kind"] == EventKind.REJECTED).any() for part in events)


def test_members_without_instruments_and_instruments_after_gate_closure_are_left_out():
    whole = read_venue()
    listed = [each for each in instruments(whole.contracts, DAY, 1) if each.contract != "H800.SG"]
    gates = sorted(each.gate_s for each in listed if each.contract == "H800.QD")
    basket = whole.baskets[1]
    commands = draft_baskets(listed, [basket], gates[3] * 10**9).commands
    by_id = {each.id: each for each in listed}
    assert [by_id[number].symbol for number in commands["instrument"].tolist()] == [
        "H800.QD.2026112204", "H800.CD.2026112204",
    ]  # fmt: skip
    assert len(draft_baskets([], [basket], 0)) == len(draft_baskets(listed, [], 0)) == 0
    assert len(draft_baskets(listed, [replace(basket, contracts=("H800.SG",))], 0)) == 0


def test_the_command_line_shows_a_circle_and_its_baskets(capsys):
    def run(*arguments: str) -> str:
        assert run_command(["contracts", *arguments]) == 0
        return capsys.readouterr().out

    shown = run("--metro", "Qingdao", "--within-ms", "3", "--need", "H800")
    assert "1 contracts for the need H800 within 3 ms of qingdao" in shown
    assert "(H800.SG), H800.QD, (H800.CD)" in shown
    near = json.loads(run("--metro", "Wuhan", "--within-ms", "6.3", "--need", "pf16", "--json"))
    assert [one["contract"] for one in near["contracts"]] == ["PF16.SG", "PF16.QD"]
    assert near["baskets"] == [
        {"basket": "PF16.WUHAN", "number": 3, "contracts": ["PF16.SG", "PF16.QD", "PF16.CD"]}
    ]
    assert "A100.QINGDAO" in run()
    assert json.loads(run("--json"))["baskets"][0]["code"] == "A100.QINGDAO"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--metro", "Paris"], "no hub has a latency to Paris; the metros are beijing,"),
        (["--metro", "Wuhan", "--need", "Z80"], "there is no chip or class Z80; there are A10"),
        (["--need", "A100"], "--need needs --metro CITY"),
        (["--metro", "Wuhan", "--day", "2026-11-22"], "--metro and --day are two different lists"),
    ],
)
def test_the_command_line_names_an_unknown_metro_or_need(arguments, message, capsys):
    assert run_command(["contracts", *arguments]) == 2
    assert message in capsys.readouterr().err
