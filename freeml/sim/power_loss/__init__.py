"""Power losses: every reachable state of the C and of the ELF, and single cuts."""
