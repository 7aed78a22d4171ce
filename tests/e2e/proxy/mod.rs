//! A real Caddy in front of small servers: what it serves with the configurations that are printed and loaded, and what happens to
//! requests during a switch.

mod app;
pub mod caddy;
mod grammar;
pub mod load;
mod refused;
mod site;
mod switch;

use std::future::Future;
use std::net::TcpListener;

/// A loopback port without a listener.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(work)
}
