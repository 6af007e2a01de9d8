"""Training: the loop, its data, its checkpoints and its run folder. It knows no method by name."""
