"""Getting bytes from strangers' servers: guards, opt-outs, retries, many at once."""
