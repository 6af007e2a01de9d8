"""Drawn procedures and drawn labelled pictures: real files with known truth, to try every command on.

A phantom is no endoscopy. Numbers measured on it show that the road works, never how good an encoder is.
"""
