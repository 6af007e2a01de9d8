"""Judges of frozen features. Every choice (k, C, steps, threshold) is made inside the training part of a fold."""
