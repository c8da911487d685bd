"""Carries what was committed from the outbox into Redis and Elasticsearch."""
