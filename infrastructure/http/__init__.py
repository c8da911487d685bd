"""What both sides share of HTTP: who calls, limits on what is sent, and how trouble is told."""
