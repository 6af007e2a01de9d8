"""Tar shards of samples: write, index, verify, order, read, stream; and the ground all packages share.

Imports neither torch nor cv2, here or below.
"""

__version__ = "0.1.0"
