"""Readers of model files and objects: each gives a Graph@FLOAT whose every op names the node it came from."""
