"""Compiled models on simulated devices: by step, by instruction, through losses of power, on a trace."""
