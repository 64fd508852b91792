"""`python -m tests.alerts [MINUTES]`: record a calm run of so many minutes (10) into calm_run.json."""

import sys

from tests.alerts.record import record

if __name__ == "__main__":
    record(float(sys.argv[1]) if len(sys.argv) > 1 else 10.0).save()
