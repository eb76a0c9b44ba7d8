"""The error of what a user brings to an evaluation."""


class EvaluationError(ValueError):
    """Data that cannot be evaluated; the text says what, where, and what to do."""
