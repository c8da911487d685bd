"""Servers and simulators of one machine, for `make run` and the tests."""
