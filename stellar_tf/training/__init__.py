"""The fit: one step, its losses, and all that watches over a run."""
