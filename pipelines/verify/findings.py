"""Findings of a verification, and what was checked."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Redo:
    """A shard of a stage that `--repair` has to redo, because of a file."""

    stage: str
    shard: str
    file: str


@dataclass(frozen=True)
class Finding:
    """An error or a warning: where, what, and what to do."""

    severity: Severity
    where: str
    what: str
    advice: str = ""
    redo: Redo | None = None

    @property
    def line(self) -> str:
        """All of it in one line."""
        return f"{self.where}: {self.what}" + (f"; {self.advice}" if self.advice else "")


def error(where: str, what: str, advice: str = "", redo: Redo | None = None) -> Finding:
    return Finding("error", where, what, advice, redo)


def warning(where: str, what: str, advice: str = "") -> Finding:
    return Finding("warning", where, what, advice)


@dataclass(frozen=True)
class SampleDraw:
    """Which files are looked at: a share of them, drawn by a keyed hash of their names.

    Another seed draws others, so that checks on a schedule come to all in time.
    """

    share: float = 1.0
    seed: str = ""

    def takes(self, name: str) -> bool:
        if self.share >= 1:
            return True
        key = hashlib.blake2b(self.seed.encode(), digest_size=32).digest()
        drawn = hashlib.blake2b(name.encode(), digest_size=8, key=key).digest()
        return int.from_bytes(drawn) < self.share * 2**64


EVERYTHING = SampleDraw()


@dataclass
class Verified:
    """What was found in a folder.

    kind: build, import or release. files, bytes: whose digests were computed. notes: what was not
    looked at, and why.
    """

    url: str
    kind: str
    draw: SampleDraw
    findings: list[Finding] = field(default_factory=list)
    files: int = 0
    bytes: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def errors(self) -> list[Finding]:
        return [one for one in self.findings if one.severity == "error"]

    @property
    def clean(self) -> bool:
        """Whether nothing is damaged or wrong."""
        return not self.errors

    def add(self, found: Iterable[Finding]) -> None:
        self.findings.extend(found)

    def to_json(self) -> dict[str, Any]:
        """As values for JSON."""
        return {
            "folder": self.url,
            "kind": self.kind,
            "clean": self.clean,
            "sample": self.draw.share,
            "seed": self.draw.seed,
            "files": self.files,
            "bytes": self.bytes,
            "findings": [
                {name: getattr(one, name) for name in ("severity", "where", "what", "advice")}
                for one in self.findings
            ],
            "notes": self.notes,
        }


def some(items: Sequence[Any], most: int = 5) -> str:
    """The first few of many, and how many more there are."""
    message = ", ".join(map(str, items[:most]))
    return message if len(items) <= most else f"{message} and {len(items) - most:,} more"
