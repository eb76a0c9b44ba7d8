"""The ledger stage: one outcome for each row of a shard, from the tables of all stages."""

from collections.abc import Mapping
from typing import Any, ClassVar

import pyarrow as pa

from pipelines.base.stage import Inputs, Outputs, Stage
from webbody.config import Section

KEPT = "kept"
SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("url", pa.string()),
        ("name", pa.string()),
        ("stage", pa.string()),
        ("outcome", pa.string()),
        ("detail", pa.string()),
    ]
)

#: Stages in the order in which a crop passes them; the one that it reached last decides.
_PASSED = ("download", "persons", "faces", "clusters", "identities", "keypoints")


class Ledger(Stage[Section]):
    """One row per manifest row of the shard: `kept`, or the reason why not, and the stage.

    An image is kept if any of its crops is; otherwise the crop that got furthest speaks for it
    (of crops that got equally far, the largest person's).
    """

    name = "ledger"
    passed: ClassVar[tuple[str, ...]] = _PASSED
    needs = ("plan", *passed)

    def process(self, inputs: Inputs, outputs: Outputs) -> Mapping[str, int]:
        plan = inputs.table("plan", columns=["key", "url", "name"])
        best: dict[str, tuple[float, str, str | None]] = {}
        for depth, stage in enumerate(self.passed):
            table = inputs.table(stage)
            details = table["detail"].to_pylist() if "detail" in table.column_names else None
            outcomes = table["outcome"].to_pylist()
            for i, (key, outcome) in enumerate(
                zip(table["key"].to_pylist(), outcomes, strict=True)
            ):
                if outcome is None:
                    # Passed this stage: a later one decides, or it is kept.
                    reached: tuple[float, str, str | None] = (depth + 0.5, KEPT, None)
                else:
                    reached = (depth, outcome, details[i] if details else None)
                if key not in best or reached[0] > best[key][0]:
                    best[key] = reached
        kept_depth = len(self.passed) - 0.5
        rows: dict[str, list[Any]] = {"stage": [], "outcome": [], "detail": []}
        counts = {"in": plan.num_rows, "out": 0}
        for key in plan["key"].to_pylist():
            reached_depth, outcome, detail = best[key]
            stage = self.passed[int(reached_depth)]
            if outcome == KEPT and reached_depth != kept_depth:
                raise ValueError(f"row {key} passed {stage} and then vanished")
            counts[general(outcome)] = counts.get(general(outcome), 0) + 1
            counts["out"] += outcome == KEPT
            rows["stage"].append("pack" if outcome == KEPT else stage)
            rows["outcome"].append(outcome)
            rows["detail"].append(detail)
        outputs.table(
            pa.table([plan["key"], plan["url"], plan["name"], *rows.values()], schema=SCHEMA)
        )
        return counts


def general(outcome: str) -> str:
    """The outcome without the key of a single crop: `identity:duplicate-of:KEY` loses its KEY."""
    head, found, _ = outcome.partition(":duplicate-of:")
    return head + ":duplicate-of" if found else outcome
