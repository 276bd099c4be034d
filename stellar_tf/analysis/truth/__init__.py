"""How well the dimensions match known factors of variation."""
