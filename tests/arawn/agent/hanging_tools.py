"""What a user's own module may do as it is imported: wait for something that takes its time."""

import os
import time

while os.environ.get("TEST_HANGING_TOOLS"):
    time.sleep(0.01)


def late() -> str:
    return "here"
