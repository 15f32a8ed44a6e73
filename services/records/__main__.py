"""`python -m services.records api | worker | relay | all`."""

import sys

from services.chassis import service
from services.records.app import PARTS

if __name__ == "__main__":
    service.main(PARTS, sys.argv[1:])
