"""What a user's own module may do as it is imported: leave, as a script does that was given no arguments."""

import sys

sys.exit("usage: leaving_tools FILE")
