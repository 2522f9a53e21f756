"""An emulated MSP430: the MSP430X core and its peripherals in C."""
