"""How good a build of the synthetic web is, compared with the truth.

A score holds a number for each figure: a share, or a count for `COUNTS` (None for a share of
nothing). `counted` holds for each `[right, of]`, `lost` what the images died of that
`identity_recall` misses. What is counted is told at the functions of
`score_images` and `score_people`, and in a line each by `print_score`.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

from webbody.demo.scoring import score_images, score_people
from webbody.demo.scoring.built import KEPT, Built, read_build
from webbody.demo.scoring.score_images import Match, share
from webbody.demo.scoring.score_table import print_score
from webbody.demo.website import kinds
from webbody.manifest import sample_key
from webbody.parquet_tables import read_parquet
from webbody.storage import Folder

__all__ = ["COUNTS", "print_score", "score", "write_score"]

#: Figures that are numbers of things, not shares.
COUNTS = ("merges_right", "merges_wrong", "leaks_left")


def score(out_folder: str | os.PathLike[str], web_folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Compare a finished build with the web that it was built from.

    Raises WebbodyError where the build is not finished.
    """
    built = read_build(str(out_folder))
    rows = read_parquet(Path(web_folder) / "truth.parquet").to_pylist()
    names = read_parquet(Path(web_folder) / "names.parquet").to_pylist()
    real = {
        sample_key(row["url"], row["name"]): row
        for row in rows
        if row["kind"] in ("right", "wrong")
    }
    matched = {
        key: score_images.match_photo(row, built.crops.get(key, [])) for key, row in real.items()
    }
    photos = list(matched.values())
    seen = [match for key, match in matched.items() if key in built.seen]
    outcomes = _outcomes(built, rows)
    right, wrong = _expected(rows, outcomes)
    figures = {
        **score_images.persons(seen),
        "face_recall": score_images.faces(seen),
        "keypoint_pck": score_images.keypoints(photos),
        **score_people.identities(photos),
        **score_people.merges(built.people, names),
        **score_people.leaks(photos, {row["identity"] for row in names if row["leaked"]}),
        **score_people.copies(photos),
        "outcomes_right": right,
    }
    return {
        **{key: part["right" if key in COUNTS else "value"] for key, part in figures.items()},
        "counted": {key: [part["right"], part["of"]] for key, part in figures.items()},
        "rows": len(rows),
        "outcomes": dict(sorted(Counter(outcomes.values()).items())),
        "lost": score_people.lost(photos, outcomes),
        "outcomes_add_up": _add_up(built, rows, outcomes, matched),
        "outcomes_wrong": wrong,
    }


def write_score(
    out_folder: str | os.PathLike[str],
    web_folder: str | os.PathLike[str],
    file: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
    """Score a build and write the result as JSON, to OUT/score.json by default; returns it."""
    result = score(out_folder, web_folder)
    folder, _, name = str(file or f"{out_folder}/score.json").rpartition("/")
    text = json.dumps(result, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    Folder(folder or ".").write_bytes(name, text.encode())
    return result


def _outcomes(built: Built, rows: list[dict[str, Any]]) -> dict[int, str]:
    """The outcome of every manifest row that has one."""
    repeated = {(url, name): outcome for url, name, outcome in built.rejected.values()}
    outcomes = {}
    for row in rows:
        outcome = None
        if row["kind"] == "repeated":
            outcome = repeated.get((row["url"], row["name"]))
        elif row["kind"] == "bad":
            outcome = built.rejected.get(row["row"], (None, None, None))[2]
        if outcome is None and row["url"] and row["name"]:
            outcome = built.outcomes.get(sample_key(row["url"], row["name"]))
        if outcome is not None:
            outcomes[row["row"]] = outcome
    return outcomes


def _add_up(
    built: Built, rows: list[dict[str, Any]], outcomes: dict[int, str], matched: dict[str, Match]
) -> bool:
    """Whether each row has one outcome, and `kept` are exactly the images with samples."""
    kept = {key for key, outcome in built.outcomes.items() if outcome == KEPT}
    sampled = {key for key, match in matched.items() if match.kept()}
    unique = built.ledger_rows == len(built.outcomes)
    total = len(built.outcomes) + len(built.rejected) == len(rows) == len(outcomes)
    return unique and total and kept == sampled


def _expected(
    rows: list[dict[str, Any]], outcomes: dict[int, str]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Share of the odd rows (behaviour, encoding, row) with an expected outcome; the others."""
    odd = [
        row
        for row in rows
        if row["kind"] in ("repeated", "bad")
        or (row["behaviour"], row["encoding"]) != (kinds.PLAIN, kinds.PLAIN)
    ]
    wrong = [
        row
        for row in odd
        if not kinds.is_expected(outcomes.get(row["row"], "manifest:"), row["expected"])
    ]
    examples = [
        {
            **{key: row[key] for key in ("url", "behaviour", "encoding", "expected")},
            "outcome": outcomes.get(row["row"]),
        }
        for row in wrong[:20]
    ]
    return share(len(odd) - len(wrong), len(odd)), examples
