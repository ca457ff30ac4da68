"""The engines that must behave alike."""

from matching import Engine
from matching.reference.engine import ReferenceEngine

ENGINES = [ReferenceEngine, Engine]
"""Classes with one face: built from Limits, `process`, and what a test may ask of a state."""
