"""Raw endoscopy video and stills in, a curated corpus and shards out."""

import os

# ONNX Runtime, which runs the text detector, reports to its maker unless this stands before it is loaded; workers
# inherit it. Nothing of a hospital's machine goes anywhere.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
