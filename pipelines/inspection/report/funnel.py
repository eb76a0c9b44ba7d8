"""The funnel: how many rows are left after each stage, and why the others are not."""

from dataclasses import dataclass

from pipelines.engine.build_files import BuildFiles
from pipelines.engine.graph import FROM_NAMES, FROM_RELEASE, FROM_URLS
from pipelines.engine.state import StageTotals, outcome_counts, stage_totals
from pipelines.outcomes import filter_names
from pipelines.stages.ledger import KEPT

#: What is true of the rows that are left, and the outcomes (their first parts) that end before.
_STEPS = (
    ("Good rows", "with a name and a URL, none twice", ("manifest", "takedown")),
    ("Images", "fetched, and readable as a picture", ("download", "image")),
    ("Persons", "at least one person is in it", ("person",)),
    ("Faces", "one of them has a face to go by", ("face",)),
    ("Good pictures", "", ("flag",)),
    ("Your own filters", "", ("custom",)),
    ("Agreeing faces", "which looks like the other faces of the name", ("cluster",)),
    ("Clear identities", "and like nobody else in the build", ("identity",)),
    ("Corrected", "and nobody who looked at them took them out", ("corrected",)),
)

#: The same of a build from a release.
_RELEASED_STEPS = (
    ("Good rows", "which say where the person is, not taken down", ("manifest", "takedown")),
    ("Images", "fetched, and readable as a picture", ("download", "image")),
    ("Published pictures", "which show what they showed then", ("release",)),
)

#: The same of a build of whole photos.
_PHOTO_STEPS = (
    ("Good rows", "with a URL, none twice", ("manifest", "takedown")),
    ("Images", "fetched, and readable as a picture", ("download", "image")),
    ("Persons", "at least one person is in it", ("person",)),
    ("Your own filters", "", ("custom",)),
    ("Good photos", "of somebody certain and large, without text, not drawn", ("quality",)),
)
_STEPS_OF = {FROM_NAMES: _STEPS, FROM_RELEASE: _RELEASED_STEPS, FROM_URLS: _PHOTO_STEPS}

#: Outcomes in plain words.
_MEANINGS = {
    "manifest:no-url": "the row has no URL",
    "manifest:no-name": "the row has no name",
    "manifest:bad-url": "the URL is none that can be fetched",
    "manifest:bad-row": "the row cannot be read",
    "manifest:bad-sha256": "the digest is none",
    "manifest:blank-line": "the line holds nothing",
    "manifest:duplicate": "the same URL and name stand in an earlier row",
    "download:timeout": "the server fell silent",
    "download:deadline": "the whole download took too long",
    "download:dns": "the host name is not known any more",
    "download:refused": "nobody answers at that address",
    "download:private-address": "it leads into a private network",
    "download:scheme": "neither http nor https",
    "download:redirects": "sent from one address to the next too often",
    "download:too-large": "more bytes than allowed",
    "download:opt-out": "the owner does not want it to be used",
    "download:robots": "a file of the host forbids it (robots.txt, tdmrep.json, ai.txt)",
    "download:robots-unreachable": "the host failed to give its robots.txt, which means no",
    "download:dns-failed": "name servers could not tell",
    "download:dns-timeout": "name servers are silent",
    "download:unreachable": "there is no way to the host",
    "download:truncated": "the body ended early",
    "download:reset": "the connection broke",
    "download:hash-mismatch": "the bytes have changed since the manifest was made",
    "download:error": "something else went wrong",
    "image:not-an-image": "a web page or something else came instead",
    "image:unsupported-format": "a picture of a kind that is not read",
    "image:too-large": "more pixels than allowed, or more work than they are worth",
    "image:too-small": "too few pixels to show anybody",
    "image:truncated": "the file is cut off",
    "image:unreadable": "the file is damaged",
    "person:none": "nobody was found",
    "person:too-small": "too few pixels of a person",
    "quality:low-score": "nobody whom the detector is sure of",
    "quality:too-small": "too few pixels of those whom the detector is sure of",
    "quality:text": "lines of text cover too much of it",
    "quality:drawing": "the person has no fine texture, as in drawings",
    "face:none": "no face was found",
    "face:low-score": "something like a face, but not surely",
    "face:shared": "another, larger crop of the photo shows the same face",
    "face:too-small": "too few pixels of a face",
    "flag:blurred": "the picture of the person is blurred",
    "flag:dark": "the picture of the person is dark",
    "flag:overexposed": "the picture of the person is nearly white",
    "flag:low_information": "the picture of the person shows hardly anything",
    "flag:odd_aspect": "the box of the person is a strip",
    "flag:face_blurred": "the face is blurred, or has very few pixels",
    "flag:profile": "the head is turned to the side",
    "cluster:noise": "looks like no other face of this name",
    "cluster:minor": "somebody else who also appears under this name",
    "cluster:too-few": "too few images of this name to agree on a face",
    "identity:ambiguous": "nearly, but not surely, the same as another name",
    "identity:duplicate-of": "almost the same picture as one that is kept",
    "identity:two-people": "the same photo and face stand under somebody else, too",
    "identity:too-few": "too few images of the person were left",
    "identity:unmerged": "resembles several names that are not one person",
    "corrected:not-this-person": "somebody saw that it shows somebody else",
    "corrected:bad-picture": "somebody found the picture bad",
    "corrected:wrong-box": "somebody saw that the person is cut wrongly",
    "manifest:no-person": "the row says neither person nor split",
    "manifest:bad-box": "the box lies outside the picture",
    "manifest:bad-keypoints": "the keypoints are not 19 points",
    "manifest:bad-key": "the key is not that of the URL and the box",
    "release:changed": "another picture than was published",
    "takedown": "removed on request",
}


@dataclass
class OutcomeCount:
    """An outcome: its rows, and what it means."""

    outcome: str
    count: int
    share: float
    meaning: str


@dataclass
class FunnelStep:
    """Rows that are left, and the outcomes of those that went just before."""

    label: str
    note: str
    count: int
    share: float
    lost: list[OutcomeCount]


@dataclass
class Funnel:
    """All rows of the manifest: kept + lost + undecided = rows."""

    rows: int
    kept: int
    undecided: int
    steps: list[FunnelStep]


def funnel(build: BuildFiles) -> Funnel:
    """The funnel from the commit records of plan and ledger."""
    outcomes, rows = outcome_counts(build.records, build.planned)
    kept = outcomes.pop(KEPT, 0)
    undecided = rows - kept - sum(outcomes.values())
    steps = [FunnelStep("Rows", "all lines of the manifest", rows, 1.0, [])]
    left = rows
    chosen = _STEPS_OF[build.graph]
    for label, note, groups in chosen:
        lost = _reasons({k: n for k, n in outcomes.items() if k.split(":")[0] in groups}, rows)
        if groups == ("custom",):
            if not (lost or build.settings.get("filters")):
                continue
            note = filter_names(build.settings)
        if groups == ("corrected",) and not (lost or build.records.build.get("corrections")):
            continue
        if groups == ("flag",):
            dropping = (build.settings.get("flags") or {}).get("drop") or ()
            if not (lost or dropping):
                continue
            note = f"none is {', '.join(dropping)}" if dropping else ""
        left -= sum(reason.count for reason in lost)
        steps.append(FunnelStep(label, note, left, left / max(rows, 1), lost))
    known = {group for *_, groups in chosen for group in groups}
    rest = _reasons({k: n for k, n in outcomes.items() if k.split(":")[0] not in known}, rows)
    steps.append(FunnelStep("Kept", "samples in the shards", kept, kept / max(rows, 1), rest))
    return Funnel(rows, kept, undecided, steps)


def _reasons(outcomes: dict[str, int], rows: int) -> list[OutcomeCount]:
    """Most frequent first."""
    order = sorted(outcomes.items(), key=lambda item: (-item[1], item[0]))
    return [OutcomeCount(name, n, n / max(rows, 1), meaning(name)) for name, n in order]


def meaning(outcome: str) -> str:
    group, _, rest = outcome.partition(":")
    if rest.startswith("http-"):
        return f"the server answered with HTTP status {rest[5:]}"
    if group == "identity" and rest.startswith("leak:"):
        return f"a person of the validation set {rest[5:]}"
    if group == "custom":
        return "a filter of your own dropped it"
    return _MEANINGS.get(outcome, "")


def stages(build: BuildFiles) -> list[tuple[str, StageTotals, int]]:
    """Each stage with its totals and the shards it has in all (0: not known yet)."""
    totals = stage_totals(build.records)
    return [
        (
            node.name,
            totals[node.name],
            1 if node.is_global else len(build.packs if node.of_output else build.planned),
        )
        for node in build.graph.stages
        if node.name in totals
    ]
