"""`python -m services.identity api | worker | relay | all`."""

import sys

from services.chassis import service
from services.identity.app import PARTS

if __name__ == "__main__":
    service.main(PARTS, sys.argv[1:])
