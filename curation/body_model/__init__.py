"""How the classifier of `endocur.quality.body` is made: drawings of both sides, and the fit."""
