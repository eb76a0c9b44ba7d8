"""What a training costs before it starts: parameters, memory, time."""
