"""Compiled models on simulated devices: power losses today, energy later."""
