"""The recipe language (contract 7.8): from a page to fields."""
