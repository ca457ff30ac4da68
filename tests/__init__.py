"""The test suite; README.md says what each part shows."""
