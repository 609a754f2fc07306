//! The client must not panic on any response.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| scim::read_arbitrary_response(bytes));
