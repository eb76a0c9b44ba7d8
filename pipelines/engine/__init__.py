"""What runs the stages: their graph, the Ray workers and the cluster; a build's state."""
