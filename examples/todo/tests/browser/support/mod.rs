//! Browsers, the program and hosts for the tests.

pub(crate) mod browser;
pub(crate) mod chores;
mod chromedriver;
pub(crate) mod device;
pub(crate) mod hand;
pub(crate) mod host;
pub(crate) mod judge;
pub(crate) mod page;
pub(crate) mod pair;
pub(crate) mod view;
