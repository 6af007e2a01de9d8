"""Weights in and out: exports that other tools load, and starts from other weights."""
