"""The compiled machine as object code and a C header, for programs without Python."""
