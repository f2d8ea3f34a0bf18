"""How much is learnt, and how soon: trainings of the textbook loop and of the engine on the same real images."""
