"""A page on which a person looks at what the encoder learnt."""
