"""The error of a URL without image."""


class FetchError(Exception):
    """A URL gave no image: `outcome` for the ledger, `detail` for the reader.

    `passing` says that a later try may succeed; `retry_after` is the server's wish in seconds.
    `network`: no server gave an answer, which may lie at the network on our side; `host` is whom
    it was asked (set by who asks). The text is
    `<outcome> <detail>`, so that it survives a library that keeps only the text.
    """

    def __init__(
        self,
        outcome: str,
        detail: str,
        passing: bool = False,
        retry_after: float | None = None,
        network: bool = False,
    ) -> None:
        self.outcome = outcome
        self.detail = detail[:500]
        self.passing = passing
        self.retry_after = retry_after
        self.network = network
        self.host = ""
        super().__init__(f"{outcome} {self.detail}".strip())
