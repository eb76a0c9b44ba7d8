"""Errors that a user can cause, told in one sentence, and the exit codes of the command line."""

EXIT_OK = 0
EXIT_INCOMPLETE = 1  # the build ran, but some shard is incomplete: run it again to resume
EXIT_USAGE = 2  # bad input: manifest, configuration, folder, model file


class WebbodyError(Exception):
    """Something the user can mend; its text is one sentence: what, where, what to do.

    The command line prints the text alone, without a traceback, and exits with `exit_code`.
    """

    exit_code = EXIT_USAGE


class Incomplete(WebbodyError):
    """A build ended with shards that have no commit record; the finished ones are kept."""

    exit_code = EXIT_INCOMPLETE
