"""The admin panel: reads mirrors of the billing tables, acts through the commands' HTTP API (docs/decisions/0021)."""
