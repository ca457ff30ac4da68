"""From one day to the next: replay of a log, opening commands, what is carried forward."""
