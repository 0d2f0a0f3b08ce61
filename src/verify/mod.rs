//! Verification: the GPU against the CPU reference.
