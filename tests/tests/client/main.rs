//! Real clients on real files against the real host over real sockets.

mod device;
mod faults;
mod foreign;
mod host;
mod hosts;
mod kill;
mod offline;
mod proxy;
mod stories;
mod wrong;
