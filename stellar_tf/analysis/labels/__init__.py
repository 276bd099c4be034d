"""What the informative dimensions share with labels and with the exposure."""
