"""A device that lives on a supply: one scheduler in C for three engines, and what it found."""
