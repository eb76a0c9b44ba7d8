"""The contracts in docs/models.md are those of the code (run this file to write them anew)."""

from pathlib import Path

from webbody.model_contracts import FAMILIES, Contract
from webbody.model_table import KNOWN

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
MARK = "a test compares it with the code. -->\n"


def table() -> str:
    lines = [
        "| family | network sees | input | output | score | threshold | source |",
        "|---|---|---|---|---|---|---|",
        *(_line(contract) for contract in FAMILIES.values()),
        "",
        "| name | backend | family | licence | permissive | sha256 |",
        "|---|---|---|---|---|---|",
    ]
    for model in KNOWN:
        digest = f"`{model.sha256[:12]}...`" if model.sha256 else "not known"
        permissive = "yes" if model.licence.permissive else "no"
        family = model.contract.family if model.contract else "unknown"
        lines.append(
            f"| `{model.name}` | {model.backend} | {family} | {model.licence.name} | {permissive} "
            f"| {digest} |"
        )
    return "\n" + "\n".join(lines) + "\n"


def _line(contract: Contract) -> str:
    facts = contract.facts(None)
    score = facts["score"] + (f"; beta {facts['beta']}" if "beta" in facts else "")
    cells = [
        contract.family, facts["colours"], facts["input"], facts["output"], score,
        facts.get("threshold", ""), facts["source"],
    ]  # fmt: skip
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


def test_the_page_shows_the_contracts_of_the_code():
    text = PAGE.read_text(encoding="utf-8")
    assert text.endswith(MARK + table()), "run: python tests/webbody/test_model_docs.py"


if __name__ == "__main__":
    head = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
    PAGE.write_text(head + MARK + table(), encoding="utf-8")
