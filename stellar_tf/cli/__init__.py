"""Command line of stellar-tf: one module a command."""
