"""Plan: order of ops, bytes of every value, cost of every op. Analyses are frozen objects keyed by value name."""
