"""An emulated Cortex-M: Unicorn is the core, counts and devices are C."""
