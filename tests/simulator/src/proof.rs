//! App secret proof: query parameters that show that the client knows the app secret \[seen\].

use std::time::SystemTime;

use aws_lc_rs::hmac;

use crate::{call::ReceivedRequest, options::SimulatorOptions, reply::Refusal};

/// Largest difference between a proof's time and the server's clock, in seconds. Not recorded for Workplace.
const MAX_AGE: u64 = 5 * 60;

/// Refuses a request without a fresh proof, where one is required.
pub(crate) fn check(call: &ReceivedRequest, options: &SimulatorOptions) -> Result<(), Refusal> {
    let Some(app_secret) = &options.app_secret else { return Ok(()) };
    let (Some(proof), Some(time)) = (call.query.get("appsecret_proof"), call.query.get("appsecret_time"))
    else {
        return Err(Refusal::proof(
            "API calls require the arguments appsecret_proof and appsecret_time",
            options,
        ));
    };
    let key = hmac::Key::new(hmac::HMAC_SHA256, app_secret.as_bytes());
    let message = format!("{}|{time}", options.token);
    let tag = bytes(proof).ok_or_else(|| Refusal::proof("appsecret_proof is not lower-case hex", options))?;
    if hmac::verify(&key, message.as_bytes(), &tag).is_err() {
        return Err(Refusal::proof("Invalid appsecret_proof provided in the API argument", options));
    }
    let made: i64 = time.parse().map_err(|_| Refusal::proof("appsecret_time is no number", options))?;
    if (options.clock)().abs_diff(made) > MAX_AGE {
        return Err(Refusal::proof("appsecret_time is too far from now", options));
    }
    Ok(())
}

/// Clock of the server.
#[expect(clippy::disallowed_methods, reason = "the simulated server has its own clock")]
pub(crate) fn clock() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    if !hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) || !hex.len().is_multiple_of(2) {
        return None;
    }
    let byte = |start| u8::from_str_radix(hex.get(start..start + 2)?, 16).ok();
    (0..hex.len()).step_by(2).map(byte).collect()
}
