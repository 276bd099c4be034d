"""Tests; a package, so that modules of the same name do not collide."""
