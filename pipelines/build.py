"""The build: from a manifest to shards, on Ray, resuming whatever is committed."""

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from pipelines.base.stage import ALL, committed
from pipelines.build_result import BuildResult, Failure
from pipelines.corrections.correction import digest, in_force
from pipelines.corrections.journal import read_corrections
from pipelines.diagnostics.build_log import build_log, log_event, log_outcomes
from pipelines.diagnostics.no_rows import no_rows
from pipelines.diagnostics.watch import DropMonitor
from pipelines.engine import preflight, run_processes, upkeep
from pipelines.engine.backlog import Backlog
from pipelines.engine.driver.start import start_executor
from pipelines.engine.executor import Executor, OnEvent
from pipelines.engine.graph import (
    FACES,
    FROM_RELEASE,
    IDENTITIES,
    PLAN,
    SPLIT,
    Node,
    graph_of,
    is_done,
    tasks,
)
from pipelines.engine.rows import Row
from pipelines.engine.sources import source_of
from pipelines.engine.state import outcome_counts, stage_totals
from pipelines.engine.worker import Event
from pipelines.identity.gallery_file import read_gallery
from pipelines.monitoring.meter import BuildMeter
from pipelines.monitoring.metrics import BuildMetrics
from pipelines.monitoring.metrics_file import MetricsFile
from pipelines.monitoring.recorder import MetricsRecorder
from pipelines.monitoring.weights_and_biases import BuildDashboard, open_dashboard
from pipelines.stages import pack as pack_stage
from webbody.build_records import (
    BUILD_FILE,
    BuildRecords,
    Requested,
    given_inputs,
    output_shards,
    planned_shards,
    read_build,
    write_build,
)
from webbody.commit import Records, read_record
from webbody.config import BuildConfig
from webbody.errors import WebbodyError
from webbody.lease import Lease
from webbody.libraries import refuse_unsafe
from webbody.redaction import redacted
from webbody.removals import RemovalLists
from webbody.storage import Folder

#: Seconds between two moments whose metrics are written: lines of a file, objects of a store.
_BETWEEN, _BETWEEN_PUTS = 5.0, 30.0


def build(
    config: BuildConfig,
    listener: OnEvent | None = None,
    replace: bool = False,
    partial: bool = False,
) -> BuildResult:
    """Build `config.out` from `config.manifest`; returns when everything that can be done is done.

    Committed shards whose inputs and settings did not change are skipped. What happens is logged in
    `config.out`/build.log.

    Args:
        config: All settings; see webbody.config.load.
        listener: Gets an event whenever a shard starts or ends.
        replace: Allow a folder that was built from another manifest.
        partial: Go on with the other shards where one failed. Without it the stages that look at
            the whole build wait until the failed shards are done.

    Returns:
        What became of the rows, and the shards that failed, which do not raise.

    Raises:
        WebbodyError: Something that the user must mend first.
    """
    refuse_unsafe()

    def on_event(event: Event) -> None:
        log_event(event)
        if listener is not None:
            listener(event)

    run = Run(config, on_event, partial)
    try:
        with build_log(run.folder, config.manifest) as begin_log:
            result = run.build(replace, begin_log)
            log_outcomes(result.outcomes, len(result.failures))
            return result
    finally:
        run.close()


class Run:
    """One run of a build. The methods follow the data: plan, chains, what looks at the whole."""

    def __init__(self, config: BuildConfig, listener: OnEvent, partial: bool = False) -> None:
        for name in ("manifest", "out"):
            if not getattr(config, name):
                raise WebbodyError(f"No {name} is given; pass --{name}.")
        self.listener = listener
        self.folder = Folder(config.out, self._before_change)
        if not self.folder.is_shared:
            raise WebbodyError(
                f"{config.out} lies in the memory of one process, where workers cannot see it: "
                "choose a folder, or an object store, for --out."
            )
        self.lease = Lease(
            Folder(config.out),
            on_wait=lambda text: listener(Event("lease", "", "note", message=text)),
        )
        self._partial = partial
        self._changed = False
        self.source = source_of(config)
        self.graph = self.source.graph
        filters = self.source.filters(config)  # first, as it fetches nothing
        self.config = self.source.resolved(config)
        self.files = self.source.files(self.config)
        self.tasks = tasks(self.config, self.files, filters, self.graph)
        self._known: Records = {}  # empty again whenever something is written
        self.backlog = Backlog(self.folder, self.tasks, self._known)
        self._tried: set[Node] = {PLAN}
        self.failures: list[Failure] = []
        self.watch = DropMonitor(self.config.model_dump(mode="json"), listener)
        self.meter = BuildMeter(
            redacted(self.folder.url).rpartition("/")[2],
            [[node.name for node in step] for step in self.graph.steps],
        )
        self.recorder = MetricsRecorder(
            self.meter, _BETWEEN if self.folder.local else _BETWEEN_PUTS
        )
        self._dashboard: BuildDashboard | None = None
        self.ran = 0
        self._asked: dict[str, Any] = {}
        self._begun = False
        self._begun_writing: Callable[[], None] = lambda: None
        self._executor: Executor | None = None

    def build(self, replace: bool, begun: Callable[[], None] = lambda: None) -> BuildResult:
        """A failed shard fails alone; what looks at the whole build waits for it, or goes without.

        `begun` is called before something in the folder is changed.
        """
        self._begun_writing = begun
        self.lease.refuse_if_held()
        self.folder.look()
        alive = self.plan(replace)
        looked_at: tuple[str, ...] | None = None  # by the last stage that looks at the whole
        packs: tuple[str, ...] = ()
        done = {PLAN.name}
        for step in self.graph.steps[1:]:
            inside = {node.name for node in step}
            needs = {need for node in step for need in self.tasks[node.name].needs}
            if not alive or not needs <= done | inside:
                continue
            if step[0].is_global and self.failures and not self._partial:
                break
            if step[0].is_global:
                # What it reads must be there of every shard that the one before looked at.
                if looked_at not in (None, alive) or not self.run_global(step[0], alive):
                    continue
                looked_at = alive
            elif step[0].of_output:
                packs = output_shards(committed(self.folder, SPLIT.name, ALL))
                if self.backlog.undone(step[0], packs):
                    self.restore(alive)
                packs = self.chain(step, packs)
            else:
                if step[0].reads_images:
                    self.restore(self.backlog.undone(step[0], alive))
                alive = self.chain(step, alive)
            done |= inside
        # Shards whose rows all have their outcome.
        finished = alive if self.graph.steps[-1][-1].name in done else ()
        if not self.failures:
            if self.config.resources.evict:
                upkeep.evict(self.folder, self.graph, finished)
            upkeep.forget_stale(self.folder, self.graph, self._known, finished, packs)
            upkeep.forget_kinds(self.folder, self.graph)
            upkeep.remember(self.folder)
            self._write_state()
            pack_stage.write_index(self.folder)
            if self._changed:
                self._look_again()
        return self.result(finished)

    def plan(self, replace: bool) -> tuple[str, ...]:
        """Plan if the manifest or the cut changed; the shards."""
        self._asked = self._identity(replace)
        removals = self.source.removals(self.folder)
        for note in self.source.notes:
            self._on_event(Event(PLAN.name, ALL, "note", message=note))
        if (read_build(self.folder) or {}).get("removals", "") != removals.digest():
            self._take_down(removals)
        task = self.tasks[PLAN.name]
        if removals:
            self._asked["removals"] = removals.digest()
        self._heed_corrections()
        inputs = {"manifest": self._asked["sha256"]} | given_inputs(PLAN.name, self._asked)
        record = read_record(self.folder, PLAN.name, ALL)
        if record is None or not record.matches(task.fingerprint, inputs):
            from pipelines.base.stage import run_shard

            self.meter.expect(PLAN.name, (ALL,), (ALL,))
            self._on_event(Event(PLAN.name, ALL, "started"))
            started = time.perf_counter()
            self.folder.remove(pack_stage.INDEX)
            stage = self.source.plan(self.config, removals)
            record = run_shard(stage, self.folder, ALL, task.fingerprint, inputs, note=self._note)
            seconds = time.perf_counter() - started
            event = Event(PLAN.name, ALL, "done", record.counts, seconds, bytes=record.size)
            self._on_event(event)
            self._begin()
        if not record.counts["in"]:
            raise WebbodyError(f"Manifest {self.config.manifest} has no rows; nothing to build.")
        if not record.counts["out"]:
            raise no_rows(self.config.manifest, self.folder, self.source.needs)
        return planned_shards(record)

    def _take_down(self, removals: RemovalLists) -> None:
        """Apply lists that are newer than what was built: nothing else is fetched or made again."""
        if read_record(self.folder, PLAN.name, ALL) is not None:
            from pipelines.takedown.surgery import apply

            taken = apply(self.folder, removals)
            if taken.rows:
                message = f"{taken.rows:,} rows were taken down, as the list of removals says."
                self._on_event(Event(PLAN.name, ALL, "note", message=message))

    def _heed_corrections(self) -> None:
        """Give what people said so far to the stage that decides who is who."""
        if IDENTITIES.name in self.tasks:
            said = in_force(read_corrections(self.folder))
            task = self.tasks[IDENTITIES.name]
            self.tasks[IDENTITIES.name] = replace(task, corrections=said)
            if said:
                self._asked["corrections"] = digest(said)

    def _begin(self) -> None:
        """Withdraw the index and note what is asked for, before the first shard is done anew.

        So a build that is stopped from here on leaves no index that lists some old and some
        new samples, and readers can tell the records of both. A build with nothing to do, or with
        a setting that its preflight refuses, leaves a finished folder as it is.
        """
        if not self._begun:
            self._begun = True
            self.folder.remove(pack_stage.INDEX)
            self._write_state()

    def _write_state(self) -> None:
        values = {**self._asked, "config": self.config.model_dump(mode="json")}
        stages = {
            name: Requested(task.fingerprint, task.needs, task.node.is_global)
            for name, task in self.tasks.items()
        }
        write_build(self.folder, values, stages)

    def _identity(self, replace: bool) -> dict[str, Any]:
        """What identifies the source, with its sha256, which is reused while the rest holds."""
        state = self.source.state()
        path = state["manifest"]
        old = read_build(self.folder)
        if old is not None and graph_of(old.get("stages")) is not self.graph and not replace:
            raise WebbodyError(
                f"{self.config.out} holds a build of another kind (of people, of whole photos, or "
                "from a release); choose another --out, or pass --replace to turn this folder into "
                "the build that is asked for."
            )
        if old is None and self.folder.size(BUILD_FILE) is not None:
            text = f"{self.folder.path(BUILD_FILE)} cannot be read, and is written anew."
            self._on_event(Event(PLAN.name, ALL, "note", message=text))
        if old and old.get("sha256") and all(old.get(k) == value for k, value in state.items()):
            return {**state, "sha256": old["sha256"]}
        state["sha256"] = self.source.digest()
        another = (
            old is not None and old["manifest"] != path and old.get("sha256") != state["sha256"]
        )
        if old is not None and another and not replace:
            raise WebbodyError(
                f"{self.config.out} holds a build of another manifest ({old['manifest']}); choose "
                "another --out, or pass --replace to turn this folder into a build of "
                f"{self.config.manifest}."
            )
        return state

    def chain(self, nodes: tuple[Node, ...], shards: tuple[str, ...]) -> tuple[str, ...]:
        """Run a chain of per-shard stages over the shards that need it; the complete ones."""
        rows = [row for shard in shards if (row := self.backlog.row(nodes, shard)) is not None]
        for node in nodes:
            self.meter.expect(node.name, shards, (row["shard"] for row in rows))
        if not rows:
            return shards
        self.preflight(node for node in nodes if self.backlog.runs(node, rows))
        self._queue(nodes, rows)
        failed = self._send(nodes, rows)
        return tuple(shard for shard in shards if shard not in failed)

    def preflight(self, nodes: Iterable[Node]) -> None:
        """Try the settings of stages that will run, and of all that read from them; once each.

        A stage that has committed a shard with the same settings needs no trial, unless it asks for
        a device that may be gone. Raises WebbodyError for what is wrong.
        """
        new = [node for node in self.graph.downstream(nodes) if node not in self._tried]
        self._tried |= set(new)
        if IDENTITIES in new:
            for path in self.config.identities.galleries:
                read_gallery(path).check(self.files["faces.embedder"][1], None)
        new = [node for node in new if not self._proven(node)]
        light = [self.tasks[node.name] for node in new if not node.loads]
        heavy = [
            (self.tasks[node.name], getattr(self.config.resources, node.name))
            for node in new
            if node.loads
        ]
        found = preflight.problems(light) or (self.executor().problems(heavy) if heavy else {})
        for node in new:
            if node.name in found:
                raise WebbodyError(found[node.name])

    def _proven(self, node: Node) -> bool:
        """Whether one of the first shards was committed with the present settings."""
        if self.config.resources.device == "cuda":
            return False
        if node.is_global:
            first: tuple[str, ...] = (ALL,)
        elif node.of_output:
            split = read_record(self.folder, SPLIT.name, ALL)
            first = output_shards(split) if split else ()
        else:
            first = planned_shards(committed(self.folder, PLAN.name, ALL))
        records = (read_record(self.folder, node.name, shard) for shard in first[:3])
        return any(
            r is not None and r.fingerprint == self.tasks[node.name].fingerprint for r in records
        )

    def _send(self, nodes: tuple[Node, ...], rows: list[Row]) -> set[str]:
        """Send rows through a chain on Ray; the shards that failed, which are noted."""
        self._begin()
        self.folder.forget_look()
        stages = [
            (self.tasks[node.name], getattr(self.config.resources, node.name)) for node in nodes
        ]
        ended = {
            row["shard"]: row
            for row in self.executor().run_chain(stages, rows, self.config.out, self._on_event)
        }
        self.watch.end()
        self._look_again()
        failed = {}
        for row in rows:
            end = ended.get(row["shard"])
            if end is None:  # the row itself was lost with its worker
                stage = self.backlog.first_undone(nodes, row["shard"])
                message = "it was lost with the machine that worked on it"
                failed[row["shard"]] = Failure(stage, row["shard"], message)
            elif end["failed"]:
                failed[row["shard"]] = Failure(end["failed"], row["shard"], end["message"])
        self.failures.extend(failed.values())
        return set(failed)

    def restore(self, shards: tuple[str, ...]) -> None:
        """Make crops again that were evicted and are needed after all."""
        nodes = tuple(node for node in self.graph.stages if node.evictable)
        self._again(nodes, self.backlog.evicted(nodes, shards))

    def _remember_features(self, node: Node, shards: tuple[str, ...]) -> None:
        """Compute face features again that were forgotten and are needed after all."""
        if FACES.name in self.tasks[node.name].needs:
            chain = next(step for step in self.graph.steps if FACES in step)
            self._again(chain, self.backlog.forgotten(chain, shards))

    def _again(self, nodes: tuple[Node, ...], rows: list[Row]) -> None:
        """Send rows through stages that are committed already."""
        if rows:
            self.preflight(nodes)
            for node in nodes:
                self.meter.expect(node.name, None, (row["shard"] for row in rows))
            self._queue(nodes, rows)
            self._send(nodes, rows)

    def _queue(self, nodes: tuple[Node, ...], rows: list[Row]) -> None:
        for node in nodes:
            self._on_event(Event(node.name, "", "queued", {"shards": len(rows)}))

    def run_global(self, node: Node, shards: tuple[str, ...]) -> bool:
        """Run a stage that looks at the whole build, if anything it reads changed."""
        task = self.tasks[node.name]
        done = is_done(self.folder, task, ALL, shards, self._known)
        self.meter.expect(node.name, (ALL,), () if done else (ALL,))
        if done:
            return True
        self._remember_features(node, shards)
        self.preflight([node])
        self._begin()
        self.folder.forget_look()
        stage = task, getattr(self.config.resources, node.name)
        end = self.executor().run_once(stage, self.config.out, shards, self._on_event)
        self._look_again()
        if end["failed"]:
            self.failures.append(Failure(node.name, ALL, end["message"]))
        return not end["failed"]

    def _look_again(self) -> None:
        """See what workers wrote, and keep their records in the index of an object store."""
        self._known.clear()
        self.folder.look()
        self.folder.keep_look()

    def result(self, finished: tuple[str, ...]) -> BuildResult:
        """`finished` are the shards whose ledger counts; other ledgers are of an older run."""
        records = BuildRecords(self.folder, self._known)
        outcomes, rows = outcome_counts(records, finished)
        missing = rows - sum(outcomes.values())
        if self.failures:
            outcomes["incomplete"] = missing
        elif missing:
            raise RuntimeError(f"{missing} of {rows} manifest rows have no outcome in the ledger")
        return BuildResult(
            out=self.config.out,
            rows=rows,
            outcomes=outcomes,
            stages=stage_totals(records),
            failures=self.failures,
            ran=self.ran,
            from_release=self.graph is FROM_RELEASE,
        )

    def executor(self) -> Executor:
        """What runs the stages, started when there is work for it."""
        if self._executor is None:
            self._executor = start_executor(self.config.resources, self._on_event)
        return self._executor

    def close(self) -> None:
        with ExitStack() as ending:  # each of them, in the reverse order
            ending.callback(self.lease.release)
            if self._dashboard is not None:
                ending.callback(self._dashboard.close)
            ending.callback(self.recorder.show)
            if self._executor is not None:
                ending.callback(self._executor.close)
            ending.callback(self.source.close)

    def _before_change(self) -> None:
        """Hold the folder and begin its log; a build with nothing to do changes nothing."""
        self._known.clear()
        if not self._changed:
            self._changed = True
            self.lease.take()
            run_processes.end_orphans()  # of a killed build, which might still write
            self._begun_writing()
            folder = Folder(self.config.out)
            upkeep.sweep(folder, self.graph)
            shows = [MetricsFile(folder).add, self._show_in_ray]
            if self.config.resources.wandb:
                self._dashboard = open_dashboard(folder, self.config.resources.wandb, self._note)
            if self._dashboard is not None:
                shows.append(self._dashboard.show)
            self.recorder.begin(self.lease.key, *shows)

    def _note(self, text: str) -> None:
        self._on_event(Event(PLAN.name, "", "note", message=text))

    def _show_in_ray(self, metrics: BuildMetrics) -> None:
        if self._executor is not None:
            self._executor.show(metrics)

    def _on_event(self, event: Event) -> None:
        self.lease.check()
        self.ran += event.kind == "done"
        if event.kind == "done" and self.config.resources.evict:
            upkeep.evict_used(self.folder, self.graph, event.stage, event.shard)
        self.recorder.on_event(event)
        self.listener(event)
        self.watch.on_event(event)
