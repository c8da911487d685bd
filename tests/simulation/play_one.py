"""One small world, its findings told in plain lines. For code that is not trusted."""

from __future__ import annotations

import sys

from tests.simulation.run import play_one
from tests.simulation.servers import servers
from tests.simulation.world import WorldSize


def main(seed: str, world: str, plan_changes: str) -> None:
    small = WorldSize(people=60, days=150, quiet_every_days=30, plan_changes=float(plan_changes))
    with servers() as found:
        outcome = play_one(found, f"{seed}/{world}", small)
    sys.stdout.writelines(f"{line}\n" for line in outcome.findings)


if __name__ == "__main__":
    main(*sys.argv[1:])
