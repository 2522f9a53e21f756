"""Pre-trained networks made small: layers separated, weights removed, retrained; on float graphs, through train/."""
