"""`python -m services.delivery api | worker | relay | all`."""

import sys

from services.chassis import service
from services.delivery.app import PARTS

if __name__ == "__main__":
    service.main(PARTS, sys.argv[1:])
