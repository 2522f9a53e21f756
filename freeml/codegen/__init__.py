"""From a planned integer graph to C: constants, tables and calls. All algorithms live in runtime_c/."""
