"""Results of the checks, one line each."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from queue import Empty, SimpleQueue

OK, WARNING, PROBLEM, SKIPPED = "ok", "warning", "problem", "skipped"


@dataclass(frozen=True)
class Diagnosis:
    """A line of the report. state: `ok`, `warning` (a build runs, slower or with less), `problem`
    (it fails or is unsafe) or `skipped`; found: what was measured; advice: what to do.
    """

    state: str
    subject: str
    found: str
    advice: str = ""


Check = Callable[[], Iterable[Diagnosis]]


def examine(subject: str, check: Check, seconds: float) -> list[Diagnosis]:
    """Run a check; a warning if it times out or fails.

    The thread of a hanging check (a network drive, a resolver) is abandoned.
    """
    answers: SimpleQueue[list[Diagnosis]] = SimpleQueue()

    def run() -> None:
        try:
            answers.put(list(check()))
        except Exception as error:  # a failing check must not end the others
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            found = f"cannot be checked ({reason[:160]})"
            answers.put([Diagnosis(WARNING, subject, found, "Check it by hand.")])

    threading.Thread(target=run, daemon=True).start()
    try:
        return answers.get(timeout=seconds)
    except Empty:
        found = f"no answer within {seconds:g} s"
        return [Diagnosis(WARNING, subject, found, "Something it waits for is slow or gone.")]
