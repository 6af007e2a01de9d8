"""Metrics, each on arrays alone: `classes` from confusion matrices, `masks` from pixel counts."""
