"""From generated C to something that runs: compilers, sizes, projects for other tools, flashing."""
