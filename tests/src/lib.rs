//! Test harness of libnopipe.
