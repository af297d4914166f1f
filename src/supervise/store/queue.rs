//! A queue directory.
