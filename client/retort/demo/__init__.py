"""`make demo`: the whole service, used as a client would, on real images."""
