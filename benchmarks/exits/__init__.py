"""Networks with exits, trained: what each kind of head is worth by depth, and what it costs."""
