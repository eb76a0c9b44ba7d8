"""Stages from their settings and what a worker may use, given together by name."""

from typing import Any

from pipelines.base.stage import Stage
from webbody.config import BuildConfig, WorkerResources


def with_settings(stage: type[Stage], **values: Any) -> Stage:
    """A stage; settings that are not given have their defaults."""
    use = {name: values.pop(name) for name in ("device", "batch", "threads") if name in values}
    kind = type(BuildConfig().stage(stage.name))
    return stage(kind(**values), WorkerResources(**use))
