"""A stand-in for the cinema's auth service: issues tokens, publishes its key, knows persons."""
