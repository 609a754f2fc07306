//! Free ports for servers that can't choose one themselves.

use std::{
    net::{Ipv4Addr, TcpListener},
    sync::atomic::{AtomicU32, Ordering},
};

/// Below the range that the kernel takes ports for outgoing connections from (32768 and up): otherwise a client that
/// retries while the server is stopped could be given the server's own port.
const FIRST: u32 = 18_000;
const COUNT: u32 = 14_000;

/// A port of the loopback address that nobody listens on, and that this process hasn't handed out before.
pub fn free() -> anyhow::Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Test processes that run side by side start far from each other.
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
