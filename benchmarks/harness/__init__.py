"""How loops are timed side by side: each in its own process, which lives through the whole race, a block at a time."""
