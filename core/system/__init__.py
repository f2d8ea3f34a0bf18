"""The machine under the engine: device, cores, processes, random seeds, interruption, memory."""
