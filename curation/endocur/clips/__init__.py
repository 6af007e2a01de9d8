"""Short clips for video pretraining, cut from recordings whose frames were curated: which, how written, where."""
