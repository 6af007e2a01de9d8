"""Raw endoscopy video and stills in, a curated corpus and shards out."""
