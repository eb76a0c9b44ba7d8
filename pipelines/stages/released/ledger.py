"""Ledger of a build from a release: one outcome for each of its samples."""

from typing import ClassVar

from pipelines.stages.ledger import Ledger


class ReleasedLedger(Ledger):
    """As the ledger of every build; the road is shorter."""

    passed: ClassVar[tuple[str, ...]] = ("download", "crops")
    needs = ("plan", *passed)
