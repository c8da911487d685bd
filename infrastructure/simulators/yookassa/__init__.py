"""A stand-in for YooKassa: its HTTP API, payment page and notifications, for local runs and tests.

`python -m infrastructure.simulators.yookassa --help` starts it; `serve.running` starts it within a test.
"""
