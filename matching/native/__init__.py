"""The compiled machine for programs in C, C++ or Rust: object code, a header, no Python."""
