"""The steps of a training: the plan of batches, the schedule, the optimizer's step."""
