"""The card: what must be said is asked for by name."""

from datetime import date

import pytest
import yaml

from webbody.errors import WebbodyError
from webbody.releases.card import REQUIRED, Card, dated, read_card, template

FULL = {
    "name": "a-list", "version": "1.0", "licence": "CC-BY-4.0", "contact": "x@example.org",
    "purpose": "research", "out_of_scope": "all else", "legal_basis": "Art. 6(1)(f)",
    "collection": "targeted", "collected": "by hand", "authors": [{"name": "A Group"}],
}  # fmt: skip


def write(path, values):
    path.write_text(values if isinstance(values, str) else yaml.safe_dump(values))
    return path


def refusal(path, values, draft=False) -> str:
    with pytest.raises(WebbodyError) as caught:
        read_card(write(path / "card.yaml", values), draft)
    return str(caught.value)


def test_a_full_card_is_read(tmp_path):
    card = read_card(write(tmp_path / "card.yaml", FULL))
    assert card.missing == () and card.authors[0].full_name == "A Group"


def test_the_template_asks_for_everything_and_can_be_filled_in(tmp_path):
    values = yaml.safe_load(template())
    assert set(values) == set(Card.model_fields)
    assert all(f"\n{name}: " in template() for name in REQUIRED)
    assert all(name in refusal(tmp_path, template()) for name in REQUIRED)
    assert read_card(write(tmp_path / "card.yaml", {**values, **FULL})).missing == ()


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("empty", ["absent", "", None, "  "])
def test_a_missing_field_is_told_by_its_name(tmp_path, name, empty):
    values = {key: value for key, value in FULL.items() if key != name}
    if empty != "absent":
        values[name] = [] if name == "authors" and empty is not None else empty
        if name == "collection" and empty == "  ":
            values[name] = ""
    told = refusal(tmp_path, values)
    if name in ("name", "version") and empty == "  ":
        assert f"{name}: " in told
        return
    assert f"missing: {name}; " in told and "--card-template" in told
    assert read_card(tmp_path / "card.yaml", draft=True).missing == (name,)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"version": 1.0}, "version: 1.0 is no text such as '1.0.0', in quotes"),
        ({"version": "v1"}, "version: v1 is no text"),
        ({"version": "01"}, "version: "),
        ({"name": "a list"}, "name: 'a list' has other characters"),
        ({"name": "../up"}, "name: "),
        ({"collection": "both"}, "collection: "),
        ({"authors": [{}]}, "authors: number 1"),
        ({"authors": [{"first": "Jane"}]}, "authors.0.first: there is no such setting"),
        ({"authors": "Jane"}, "authors: must be a list"),
        ({"date": "soon"}, "date: "),
        ({"license": "MIT"}, "license: there is no such setting"),
    ],
)
def test_wrong_fields_are_told_also_of_a_draft(tmp_path, change, told):
    for draft in (False, True):
        text = refusal(tmp_path, {**FULL, **change}, draft)
        assert told in text and "\n" not in text


def test_files_that_are_no_card_are_told(tmp_path):
    assert "sections" in refusal(tmp_path, "- a\n- b\n")
    with pytest.raises(WebbodyError, match="absent"):
        read_card(tmp_path / "absent.yaml")
    with pytest.raises(WebbodyError, match=r"--card FILE.*legal_basis.*--draft"):
        read_card(None)
    assert read_card(None, draft=True).missing == REQUIRED


def test_the_option_goes_over_the_cards_day():
    card = Card(date="2026-01-01")
    assert dated(card, None).date == date(2026, 1, 1)
    assert dated(card, "2027-02-03").date == date(2027, 2, 3)
    with pytest.raises(WebbodyError, match="--date tomorrow"):
        dated(card, "tomorrow")
