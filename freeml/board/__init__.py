"""Boards: what the compiler knows about a target, and how well."""
