"""Energy as physics: what a capacitor holds, and what steps take of it. Nothing here knows a network."""
