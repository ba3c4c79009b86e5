"""A process of phaya with a mistake planted in it: `python -m app.torture.child FAULT WORDS...`, as `phaya WORDS...`.

Only the torture starts it. phaya itself has no switch for any of this.
"""

import sys

from app.cli import main
from app.torture.faults import FAULTS

if __name__ == "__main__":
    FAULTS[sys.argv[1]].change_code()
    main(sys.argv[2:], prog_name="phaya")
