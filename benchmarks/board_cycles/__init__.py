"""The figures of a board's [cycles], measured on its emulator instead of counted by hand."""
