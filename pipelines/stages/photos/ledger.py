"""Ledger of a build of whole photos: one outcome for each of its rows."""

from typing import ClassVar

from pipelines.stages.ledger import Ledger


class PhotoLedger(Ledger):
    """The ledger with the stages of a build of whole photos."""

    passed: ClassVar[tuple[str, ...]] = ("download", "persons", "quality")
    needs = ("plan", *passed)
