"""What a person looks at: the corpus page, its pictures, the standing of a corpus."""
