"""The nouns. Frozen, typed, free of behaviour that touches the outside world."""
