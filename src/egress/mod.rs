//! SHELL: the forward proxy that keeps the allowlist.
