"""Print a hash of the events of some short streams, to compare ways of compilation.

python -m tests.support.event_hash
"""

from hashlib import sha256

from matching import Engine
from tests.tools.fuzz import stream_of

SEEDS = range(8)
LENGTH = 250

if __name__ == "__main__":
    digest = sha256()
    for seed in SEEDS:
        limits, commands = stream_of(seed, LENGTH)
        engine = Engine(limits)
        digest.update(engine.process(commands).tobytes())
        digest.update(engine.state_hash())
    print(digest.hexdigest())
