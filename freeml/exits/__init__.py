"""Answers at any depth: where exits lie, what their heads compute, how they are trained, and when to stop."""
