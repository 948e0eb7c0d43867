//! `dip verify`.
