"""Outcomes: the stage of each, and the setting that decides it."""

from collections.abc import Mapping
from typing import Any

#: The stages that drop rows, in the order in which a row passes them, and how their outcomes begin.
#: The user's own filters, whose outcomes do not tell one from another, count as one stage, and what
#: people took out as another.
STAGES_OF = {
    "plan": ("manifest", "takedown"),
    "download": ("download", "image"),
    "crops": ("release",),
    "persons": ("person",),
    "faces": ("face",),
    "quality": ("quality",),
    "flags": ("flag",),
    "filters": ("custom",),
    "clusters": ("cluster",),
    "identities": ("identity",),
    "corrections": ("corrected",),
}

#: The setting by which an outcome was decided.
_DECIDED_BY = {
    "download:timeout": "download.timeout",
    "download:deadline": "download.deadline",
    "download:too-large": "download.max_bytes",
    "download:redirects": "download.max_redirects",
    "download:private-address": "download.allow_private",
    "download:hash-mismatch": "download.verify",
    "download:robots": "download.robots",
    "image:too-large": "download.max_pixels",
    "image:too-small": "download.min_side",
    "release:changed": "rebuild.on_changed",
    "person:none": "persons.confidence",
    "person:too-small": "persons.min_side",
    "quality:low-score": "quality.min_score",
    "quality:too-small": "quality.min_side",
    "quality:text": "quality.max_text",
    "quality:drawing": "quality.min_texture",
    "face:low-score": "faces.min_score",
    "face:too-small": "faces.min_size",
    "flag:blurred": "flags.min_sharpness",
    "flag:dark": "flags.min_brightness",
    "flag:overexposed": "flags.max_brightness",
    "flag:low_information": "flags.min_entropy",
    "flag:odd_aspect": "flags.min_aspect",
    "flag:face_blurred": "flags.min_face_sharpness",
    "flag:profile": "flags.max_yaw",
    "cluster:noise": "clusters.eps",
    "cluster:minor": "clusters.eps",
    "cluster:too-few": "clusters.min_images",
    "identity:ambiguous": "identities.ambiguous",
    "identity:unmerged": "identities.similar",
    "identity:leak": "identities.leak",
    "identity:duplicate-of": "identities.duplicate",
    "identity:two-people": "identities.copies_across",
    "identity:too-few": "identities.min_images",
}

#: What to look at where no setting of the build decided alone, or where one needs a word more.
_ADVICE = {
    "manifest:duplicate": "the same URL and name stand in earlier rows",
    "manifest": "see manifests/README.md for what a row must hold",
    "takedown": "they were taken down",
    "download:dns": "the host names are not known: look at the list, and at this machine's DNS",
    "download:dns-failed": "name servers could not tell: look at download.dns_servers, and ask "
    "again with --retry passing",
    "download:dns-timeout": "name servers are silent: look at download.dns_servers, and ask again "
    "with --retry passing",
    "download:unreachable": "there is no way to these hosts: look at this machine's network",
    "download:robots": "files of their hosts forbid it (robots.txt, tdmrep.json, ai.txt)",
    "download:robots-unreachable": "servers failed to give their robots.txt, which means no: ask "
    "again with --retry passing",
    "download:refused": "nobody answers: look at the list, and at this machine's network and proxy",
    "download:reset": "connections break: look at this machine's network, and at "
    "download.per_domain",
    "download:timeout": "servers are silent: look at this machine's network too",
    "download:http-403": "servers refuse: look at download.user_agent and download.per_domain",
    "download:http-404": "the pictures are gone: the list is old",
    "download:http-410": "the pictures are gone: the list is old",
    "download:http-429": "servers ask for fewer requests: lower download.per_domain",
    "download:http-401": "servers want a login",
    "download:opt-out": "their owners do not want them to be used for this",
    "download:scheme": "only http and https are fetched",
    "image:not-an-image": "web pages came instead of pictures: look at some of the URLs",
    "image:unsupported-format": "the pictures are in a format that is not read: the detail in "
    "`webbody explain` names it",
    "quality:low-score": "the scale of a score is the detector's own (`webbody models list`)",
    "face:none": "no face was detected: look at faces.detector, faces.detector_size and the crops "
    "in `webbody report`",
    "face:shared": "the same face is in several crops: look at persons.iou",
    "flag": "they are in flags.drop",
    "cluster:too-few": "where earlier stages dropped much, fix these first",
    "identity:too-few": "where earlier stages dropped much, fix these first",
    "identity:leak": "they are in identities.galleries",
    "corrected": "people took them out: `webbody correct` lists what they said",
}


def stage_of(outcome: str) -> str | None:
    """The stage that drops rows with such an outcome; None for `kept` and `incomplete`."""
    group = outcome.split(":")[0]
    return next((stage for stage, groups in STAGES_OF.items() if group in groups), None)


def setting_of(outcome: str) -> str:
    """The setting that decides such an outcome, such as `clusters.eps`; "" where none does."""
    return _DECIDED_BY.get(_kind(outcome), "")


def advice_of(outcome: str, settings: Mapping[str, Any]) -> str:
    """What else to look at in a build with these settings; "" where the setting says it all."""
    if stage_of(outcome) == "filters":
        return f"look at filters in the configuration: {filter_names(settings)}"
    return _ADVICE.get(_kind(outcome), _ADVICE.get(outcome.split(":")[0], ""))


def filter_names(settings: Mapping[str, Any]) -> str:
    """The user's own filters of a build, such as `blur:sharp`, in the order in which they run."""
    return ", ".join(one["function"] for one in settings.get("filters") or ()) or "none is set now"


def value_of(setting: str, settings: Mapping[str, Any]) -> Any:
    """The value of `section.name` in a configuration as a mapping; None where it is not there."""
    section, _, name = setting.partition(".")
    return (settings.get(section) or {}).get(name)


def look_at(outcome: str, settings: Mapping[str, Any]) -> str:
    """What to look at: `look at faces.min_score (now 0.95)`, a word of advice, or both."""
    setting, advice = setting_of(outcome), advice_of(outcome, settings)
    if not setting:
        return advice or "`webbody explain` tells the story of a single URL"
    return f"look at {setting} (now {value_of(setting, settings)})" + (f"; {advice}" * bool(advice))


def _kind(outcome: str) -> str:
    return ":".join(outcome.split(":")[:2])
