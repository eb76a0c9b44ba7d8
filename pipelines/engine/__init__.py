"""What runs the stages: their base class, their graph, the Ray workers and the cluster."""
