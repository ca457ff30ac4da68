"""The venue's definition: the one in the package is complete, and every broken rule is named."""

from datetime import date
from pathlib import Path

import pytest

from exchange.definition.calendar import BadDay, day_of, day_start_s, hour_of, parse_day
from exchange.definition.contracts import Venue, list_contracts, read_venue
from exchange.definition.instruments import instruments
from exchange.definition.members import read_members
from exchange.definition.toml_file import BadFile

DAY = date(2026, 11, 22)

GOOD = """
venue = "V"
[[chips]]
code = "H800"
vendor = "N"
dense_fp16_tflops = 989
confidence = "low"
source = "s"
[[hubs]]
code = "QD"
name = "Q"
name_zh = "青"
city = "Qingdao"
province = "Shandong"
tier = "edge"
latency_us = { qingdao = 1000 }
[[contracts]]
code = "H800.QD"
product = "gpu-hour"
hub = "QD"
chips = ["H800"]
tick_fen = 1
lot = 1
reference_ticks = 1000
band_low_ticks = 500
band_high_ticks = 1500
maker_fee_ppm = 200
taker_fee_ppm = 500
deposit_fen = 100
gate_closure_s = 300
[[programmes]]
id = "p"
version = 1
place = "P"
policy = "p"
source = "s"
model = "deduct"
side = "buyer"
effective_from = "2026-01-01"
effective_until = "2026-12-31"
rate_bp = 3000
funders = { city = 1 }
compute_hubs = ["QD"]
"""


@pytest.fixture(scope="module")
def venue() -> Venue:
    return read_venue()


def definition(tmp_path: Path, old: str = "", new: str = "") -> Path:
    assert old in GOOD
    path = tmp_path / "venue.toml"
    path.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    return path


def test_the_definition_in_the_package_has_every_class_at_every_hub(
    venue: Venue,
) -> None:
    codes = {contract.code for contract in venue.contracts}
    classes = ("H800", "ASCEND910B", "A100", "RTX4090", "PF16")
    assert codes == {f"{class_}.{hub}" for class_ in classes for hub in ("QD", "CD", "SG")}
    for contract in venue.contracts:
        assert contract.tick_fen == (10 if contract.product == "pflops-day" else 1)
    assert {programme.model for programme in venue.programmes} == {"deduct", "reimburse"}
    assert {hub.code: hub.latency_us["qingdao"] for hub in venue.hubs}["QD"] == 1_000


def test_every_published_rating_states_its_source(venue: Venue) -> None:
    assert len(venue.chips) == 14
    assert all(chip.source and chip.confidence for chip in venue.chips)
    assert {chip.code: chip.dense_fp16_tflops for chip in venue.chips}["H800"] == 989


def test_the_deduct_programme_states_that_it_is_not_published(venue: Venue) -> None:
    deduct = next(rule for rule in venue.programmes if rule.model == "deduct")
    assert deduct.source == "set for the demonstration, not published"
    assert deduct.per_agreement_cap_fen
    assert deduct.per_firm_year_cap_fen
    assert deduct.pool_year_fen


def test_the_list_of_contracts_has_money_in_fen_and_the_ratings_of_chips(venue: Venue) -> None:
    rows = {row["contract"]: row for row in list_contracts(venue)}
    assert len(rows) == 15
    assert rows["PF16.QD"]["reference_fen"] == 22_500
    assert rows["PF16.QD"]["chips"] == {"H800": 989, "ASCEND910B": 320, "A100": 312}
    assert rows["H800.CD"]["city"] == "Chengdu"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("tick_fen = 1", "tick_fen = 0",
         "`tick_fen` must be at least 1, got 0 - at `$.contracts[0].tick_fen`"),
        ("tick_fen = 1", "tick_fen = 1_000_001",
         "`tick_fen` must be at most 1000000, got 1000001 - at `$.contracts[0].tick_fen`"),
        ("tick_fen = 1", 'tick_fen = "1"',
         "`tick_fen` must be `int`, got '1' - at `$.contracts[0].tick_fen`"),
        ("lot = 1", "lot = 1\ncolour = 2", "unknown key `colour` - at `$.contracts[0]`"),
        ("lot = 1", "", "missing key `lot` - at `$.contracts[0]`"),
        ("lot = 1", "lot = 2",
         "`lot` must be 1, got 2: quantities count units - at `$.contracts[0].lot`"),
        ('hub = "QD"', 'hub = "XX"',
         "`hub` names XX, which no [[hubs]] defines - at `$.contracts[0].hub`"),
        ('chips = ["H800"]', 'chips = ["H900"]',
         "`chips` names H900, which no [[chips]] defines - at `$.contracts[0].chips[0]`"),
        ('chips = ["H800"]', "chips = []",
         "`chips` must name at least one chip - at `$.contracts[0].chips`"),
        ('code = "H800.QD"', 'code = "H800.CD"',
         "`code` must be CLASS.QD in capitals and digits, got 'H800.CD' - at "
         "`$.contracts[0].code`"),
        ("band_low_ticks = 500", "band_low_ticks = 1501",
         "`band_low_ticks` 1501 must not be above `band_high_ticks` 1500 - at "
         "`$.contracts[0].band_low_ticks`"),
        ("band_high_ticks = 1500", "band_high_ticks = 300_000",
         "the band may span 262144 ticks, got 299501 - at `$.contracts[0].band_high_ticks`"),
        ("reference_ticks = 1000", "reference_ticks = 400",
         "`reference_ticks` 400 must be inside the band 500 to 1500 - at "
         "`$.contracts[0].reference_ticks`"),
        ("taker_fee_ppm = 500", "taker_fee_ppm = 100_001",
         "`taker_fee_ppm` must be at most 100000, got 100001 - at `$.contracts[0].taker_fee_ppm`"),
        ('tier = "edge"', 'tier = "moon"',
         "`tier` is none of the values allowed, got 'moon' - at `$.hubs[0].tier`"),
        ("{ qingdao = 1000 }", "{}",
         "`latency_us` of QD names no metro - at `$.hubs[0].latency_us`"),
        ("2026-12-31", "2025-12-31",
         "`effective_until` is before `effective_from` - at `$.programmes[0].effective_until`"),
        ("2026-12-31", "31.12.2026", "`effective_until` must be a day YYYY-MM-DD, got '31.12.2026' "
         "- at `$.programmes[0].effective_until`"),
        ("{ city = 1 }", "{}",
         "`funders` must name at least one, with its weight - at `$.programmes[0].funders`"),
        ('compute_hubs = ["QD"]', 'compute_hubs = ["GZ"]',
         "`compute_hubs` names GZ, which no [[hubs]] defines - at "
         "`$.programmes[0].compute_hubs[0]`"),
        ("rate_bp = 3000", "rate_bp = 10001",
         "`rate_bp` must be at most 10000, got 10001 - at `$.programmes[0].rate_bp`"),
    ],
)  # fmt: skip
def test_a_broken_rule_names_the_file_the_key_and_the_place(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    with pytest.raises(BadFile) as error:
        read_venue(definition(tmp_path, old, new))
    assert str(error.value) == f"venue.toml: {message}"


def test_errors_in_a_folder_name_the_file_by_its_place_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "contracts").mkdir()
    definition(tmp_path)
    (tmp_path / "contracts" / "h800.toml").write_text("[[contracts]]\ntick_fen = true\n")
    with pytest.raises(BadFile, match=r"^contracts/h800.toml: `tick_fen` must be `int`, got True"):
        read_venue(tmp_path)


def test_a_code_defined_in_two_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "b.toml").write_text(GOOD.replace('venue = "V"', ""), encoding="utf-8")
    with pytest.raises(BadFile, match=r"^b.toml: `H800` is defined twice - at `\$.chips\[0\]`$"):
        read_venue(tmp_path)


def test_a_folder_is_its_files_together(tmp_path: Path) -> None:
    head, _, rest = GOOD.partition("[[hubs]]")
    folder = tmp_path / "venue"
    folder.mkdir()
    (folder / "z.toml").write_text(head, encoding="utf-8")
    (folder / "a.toml").write_text("[[hubs]]" + rest, encoding="utf-8")
    assert read_venue(folder) == read_venue(definition(tmp_path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"venue = \n", "venue.toml: is not TOML: "),
        (b"\xff", "venue.toml: is not UTF-8 at byte 0"),
        (b"", "`venue`, the venue's name, must be given once, was given none"),
        (b"venue = 'V'", "has no [[contracts]]"),
    ],
)
def test_a_file_that_is_not_a_definition_is_refused_in_one_line(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "venue.toml"
    path.write_bytes(content)
    with pytest.raises(BadFile) as error:
        read_venue(path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_files_and_empty_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="nowhere: there is no such file or folder"):
        read_venue(tmp_path / "nowhere")
    with pytest.raises(BadFile, match="holds no TOML file"):
        read_venue(tmp_path)


def test_instruments_have_a_symbol_a_day_or_hour_and_a_gate_before_it(venue: Venue) -> None:
    listed = instruments(venue.contracts, DAY, 2)
    assert [instrument.id for instrument in listed] == list(range(1, 12 * 48 + 3 * 2 + 1))
    by_symbol = {instrument.symbol: instrument for instrument in listed}
    hour = by_symbol["H800.QD.2026112214"]
    assert hour.delivery_start_s == day_start_s(DAY) + 14 * 3_600
    assert hour.delivery_end_s - hour.delivery_start_s == 3_600
    assert hour.delivery_start_s - hour.gate_s == 300
    day = by_symbol["PF16.SG.20261123"]
    assert day.delivery_end_s - day.delivery_start_s == 86_400
    assert listed == instruments(venue.contracts, DAY, 2)


def test_instruments_whose_gate_has_passed_are_left_out_and_use_no_number(venue: Venue) -> None:
    listed = instruments(venue.contracts, DAY, 1, gate_after_s=day_start_s(DAY))
    assert len(listed) == 12 * 23
    assert listed[-1].id == len(listed)
    assert "H800.QD.2026112200" not in {instrument.symbol for instrument in listed}


def test_the_days_to_list_are_bounded(venue: Venue) -> None:
    with pytest.raises(ValueError, match="days must be 1 to 366, got 0"):
        instruments(venue.contracts, DAY, 0)


def test_shanghai_days_begin_eight_hours_before_those_of_utc() -> None:
    start_s = day_start_s(date(1992, 1, 1))
    assert start_s == 694_195_200
    assert day_of(start_s) == date(1992, 1, 1)
    assert day_of(start_s - 1) == date(1991, 12, 31)
    assert hour_of(start_s) == 0
    assert hour_of(start_s - 1) == 23


@pytest.mark.parametrize("text", ["2026-11-31", "20261122", "1991-12-31", "today", "2101-01-01"])
def test_a_text_that_is_not_a_day_is_refused(text: str) -> None:
    with pytest.raises(BadDay, match=f"`{text}`"):
        parse_day(text)


def test_members_with_an_unknown_firm_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "members.toml"
    path.write_text(
        """
        inventory = []
        [[firms]]
        id = 1
        name = "a"
        kind = "sme"
        city = "c"
        province = "p"
        [[accounts]]
        id = 1
        name = "x"
        firm = 1
        member = 2
        role = "buyer"
        [[sessions]]
        id = 1
        name = "s"
        firm = 1
        """
    )
    with pytest.raises(BadFile, match=r"^members.toml: `member` names 2, which no \[\[firms\]\]"):
        read_members(path)


def test_a_folder_is_read_two_levels_deep_and_no_deeper(tmp_path):
    deep = tmp_path / "one" / "two"
    deep.mkdir(parents=True)
    (deep / "foreign.toml").write_text("firms = []")
    with pytest.raises(BadFile, match="holds no TOML file"):
        read_venue(tmp_path)
