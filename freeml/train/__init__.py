"""Float graphs as torch modules: the same numbers, trained, and back. Only frontend/torch imports torch, too."""
