"""What is sent again when an executor is lost, and when it is enough."""

import pytest
from drawn_driver import SMALL, SOURCE, rows

from pipelines.engine.driver.healing import SelfHealing
from pipelines.engine.executor import ExecutorLost
from pipelines.engine.worker import Event
from webbody.errors import EXIT_INCOMPLETE, WebbodyError


class Fragile:
    """An executor that does a shard, then is lost; `lives` shards are done in all."""

    def __init__(self, lives=1, drops=(), committed=None):
        self.lives, self.drops, self.sent, self.closed = lives, set(drops), [], False
        self.committed = set() if committed is None else committed

    def run_chain(self, stages, rows, out, on_event):
        self.sent = [dict(row) for row in rows]
        for row in rows:
            if row["shard"] in self.committed:
                continue
            if not self.lives:
                raise ExecutorLost("Ray is lost: somebody pulled the plug.")
            self.lives -= 1
            self.committed.add(row["shard"])
            on_event(Event("source", row["shard"], "done"))
        return [row for row in rows if row["shard"] not in self.drops]

    def run_once(self, *arguments):
        if not self.lives:
            raise ExecutorLost("Ray is lost: somebody pulled the plug.")
        return {"failed": ""}

    def problems(self, stages):
        return self.run_once()

    def close(self):
        self.closed = True


class Starter:
    def __init__(self, *executors):
        self.left, self.made = list(executors), []

    def __call__(self):
        one = self.left.pop(0)
        if isinstance(one, Exception):
            raise one
        self.made.append(one)
        return one


def healing(start, restarts=2):
    notes, pauses = [], []
    made = SelfHealing(start, restarts, lambda e: notes.append(e.message), pauses.append)
    return made, notes, pauses


STAGES = [(SOURCE, SMALL)]


def test_what_was_done_by_force_is_not_done_by_force_again():
    start = Starter(Fragile(1), Fragile(9))
    one, _, _ = healing(start)
    forced = [{**row, "force": ["source"], "again": ["source"]} for row in rows(["a", "b"])]
    ended = one.run_chain(STAGES, forced, "out", lambda event: None)
    assert [row["shard"] for row in ended] == ["a", "b"]
    assert start.made[0].closed
    assert [row["force"] for row in start.made[1].sent] == [[], ["source"]]
    assert [row["again"] for row in start.made[1].sent] == [[], ["source"]]


def test_rows_that_were_lost_with_a_machine_are_sent_again():
    executor = Fragile(9, drops=["b"])
    one, notes, _ = healing(Starter(executor))
    sent = []
    real = executor.run_chain

    def run_chain(stages, rows, out, on_event):
        sent.append([row["shard"] for row in rows])
        got = real(stages, rows, out, on_event)
        executor.drops.clear()
        return got

    executor.run_chain = run_chain
    ended = one.run_chain(STAGES, rows(["a", "b", "c"]), "out", lambda event: None)
    assert sent == [["a", "b", "c"], ["b"]]
    assert sorted(row["shard"] for row in ended) == ["a", "b", "c"]
    assert notes == ["1 shard was lost with the machine that worked on it; it is sent again."]


def test_tries_without_a_shard_done_are_limited_and_each_waits_longer():
    start = Starter(*(Fragile(0) for _ in range(9)))
    one, notes, pauses = healing(start)
    with pytest.raises(ExecutorLost, match="2 times and got nothing done") as told:
        one.run_chain(STAGES, rows(["a"]), "out", lambda event: None)
    assert told.value.exit_code == EXIT_INCOMPLETE
    assert len(start.made) == 3
    assert pauses == [2.0, 4.0]
    assert [note.split("(")[-1] for note in notes] == ["try 1 of 2).", "try 2 of 2)."]


def test_a_shard_done_makes_the_count_begin_anew():
    committed = set()
    start = Starter(*(Fragile(1, committed=committed) for _ in range(6)))
    one, _, pauses = healing(start)
    ended = one.run_chain(STAGES, rows("abcdef"), "out", lambda event: None)
    assert len(ended) == len(start.made) == 6
    assert pauses == [2.0] * 5


def test_a_cluster_that_is_not_back_yet_is_asked_again():
    start = Starter(Fragile(0), WebbodyError("Cannot join Ray."), Fragile(9))
    one, notes, _ = healing(start)
    assert one.run_once((SOURCE, SMALL), "out", (), lambda event: None) == {"failed": ""}
    assert "Cannot join Ray." in notes[1]


def test_what_cannot_be_started_at_first_is_told_at_once():
    with pytest.raises(WebbodyError, match="Cannot join"):
        healing(Starter(WebbodyError("Cannot join Ray.")))
