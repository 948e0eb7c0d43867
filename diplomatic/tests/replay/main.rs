//! Export, import and replay of `.dpl` files.
