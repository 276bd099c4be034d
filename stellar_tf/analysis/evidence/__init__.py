"""What says, without labels, which dimensions carry information and how much."""
