//! Entity bodies.
