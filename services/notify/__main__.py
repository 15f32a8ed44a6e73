"""`python -m services.notify api | worker | relay | all`."""

import sys

from services.chassis import service
from services.notify.app import PARTS

if __name__ == "__main__":
    service.main(PARTS, sys.argv[1:])
