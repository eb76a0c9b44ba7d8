"""Ray's driver in a process of its own, watched from outside and started again when it is lost."""
