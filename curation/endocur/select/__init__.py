"""Which frames stay: pure decisions over scores and vectors, each with a reason and its evidence."""
