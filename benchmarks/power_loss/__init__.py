"""What surviving power failure costs, and the proof that it is survived, on real networks."""
