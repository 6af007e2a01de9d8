"""DICOM in: what a file holds (`header`, `kind`) and the video inside it untouched (`payload`).

Of the tags, a short list of technical ones is read (`header.TAGS`); no other is parsed, let alone kept.
"""
