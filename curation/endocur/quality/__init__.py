"""Scores of one stored frame, and the tables that hold them."""
