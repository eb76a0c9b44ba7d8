"""Ledger of a build from a release: one outcome for each of its samples."""

from typing import ClassVar

from pipelines.stages.ledger import Ledger


class ReleasedLedger(Ledger):
    """The ledger with the stages of a build from a release."""

    passed: ClassVar[tuple[str, ...]] = ("download", "crops")
    needs = ("plan", *passed)
