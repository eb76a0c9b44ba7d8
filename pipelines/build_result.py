"""What a build did: rows by outcome, and what failed."""

from dataclasses import dataclass, field

from pipelines.engine.state import StageTotals


@dataclass
class Failure:
    """A shard that a stage could not finish, and why.

    Attributes:
        stage: The stage's name, such as `persons`.
        shard: The shard's name; `all` of a stage that looks at the whole build.
        message: One sentence, or an error with its traceback.
    """

    stage: str
    shard: str
    message: str


@dataclass
class BuildResult:
    """What a build did.

    Attributes:
        out: The build's folder.
        rows: Rows of the manifest.
        outcomes: Rows by their outcome, most frequent first; they add up to `rows`.
        stages: Shards, rows and seconds by stage.
        failures: Shards that failed; where there are any the build is incomplete.
        ran: Shards of stages that were processed, not skipped.
        from_release: Whether it was built from a release.
    """

    out: str
    rows: int
    outcomes: dict[str, int]
    stages: dict[str, StageTotals]
    failures: list[Failure] = field(default_factory=list)
    ran: int = 0
    from_release: bool = False

    @property
    def complete(self) -> bool:
        return not self.failures
