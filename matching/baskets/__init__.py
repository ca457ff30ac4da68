"""Orders that any of several like instruments may fill: who may enter one, and how it trades."""
