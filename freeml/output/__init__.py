"""The compiled folder: what is in freeml.json, how it is made, and the one place that reads and writes folders."""
