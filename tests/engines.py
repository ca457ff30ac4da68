"""The engines that must behave alike."""

from matching.reference import ReferenceEngine

ENGINES = [ReferenceEngine]
"""Classes with one face: built from Limits, `process`, and what a test may ask of a state."""
