"""Train encoders on shards: methods, models, trainer, weights in and out."""
