"""The service on this machine, started as processes: `retort up`. Nothing of the service is imported."""
