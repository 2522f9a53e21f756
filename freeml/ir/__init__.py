"""The intermediate representation: small, immutable, typed, printable. It does no file I/O and knows no framework."""
