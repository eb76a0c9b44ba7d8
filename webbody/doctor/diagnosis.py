"""What a check of the machine has found: one line each."""

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
    """What a check finds; a warning of its own where it takes longer or fails.

    The thread of a check that hangs (a network drive, a resolver) is left behind.
    """
    answers: SimpleQueue[list[Diagnosis]] = SimpleQueue()

    def run() -> None:
        try:
            answers.put(list(check()))
        except Exception as error:  # a doctor must not fall ill of what it looks at
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            found = f"cannot be checked ({reason[:160]})"
            answers.put([Diagnosis(WARNING, subject, found, "Check it by hand.")])

    threading.Thread(target=run, daemon=True).start()
    try:
        return answers.get(timeout=seconds)
    except Empty:
        found = f"no answer within {seconds:g} s"
        return [Diagnosis(WARNING, subject, found, "Something it waits for is slow or gone.")]
