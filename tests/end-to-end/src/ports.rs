//! Free ports for servers that can't choose one themselves.

use std::{
    net::{Ipv4Addr, TcpListener},
    sync::atomic::{AtomicU32, Ordering},
};

/// Below the kernel's range for outgoing connections (32768 and up): a client that retries while a server is stopped
/// could otherwise get the server's port.
const FIRST: u32 = 18_000;
const COUNT: u32 = 14_000;

/// A port without a listener on the loopback address, returned only once by this process.
pub fn free() -> anyhow::Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Concurrent test processes start at different ports.
    let start = std::process::id().wrapping_mul(101);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(FIRST + start.wrapping_add(step) % COUNT)?;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    anyhow::bail!("no free port on the loopback address between {FIRST} and {}", FIRST + COUNT)
}
