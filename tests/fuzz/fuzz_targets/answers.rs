//! No bytes that a target answers with may make the client panic.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| scim::read_arbitrary_response(bytes));
