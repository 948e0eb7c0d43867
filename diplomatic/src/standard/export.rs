//! Export files.
