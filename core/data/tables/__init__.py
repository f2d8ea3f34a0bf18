"""Tables that give images their classes: how they are read, and which of them is the dataset's."""
