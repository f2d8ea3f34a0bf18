"""All methods on the same images: one job of the engine a training, its outcome kept, tables over seeds."""
