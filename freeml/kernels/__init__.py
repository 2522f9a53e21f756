"""What the compiler knows of each kernel of runtime_c, in one place: units, reads, work, scratch, descriptor, call."""
