"""Encoding by many processes or machines, into a table in parts."""
