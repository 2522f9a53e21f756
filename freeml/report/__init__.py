"""A compiled folder, and how it lives, as one HTML file that needs nothing else."""
