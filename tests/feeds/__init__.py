"""Tests of the wire, part by part."""
