"""Downloading from untrusted servers: guards, opt-outs, retries, concurrency."""
