"""Labelled sets: plain folders of pictures, read strictly, and the public sets a user may fetch."""
