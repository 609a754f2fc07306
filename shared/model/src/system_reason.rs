//! Reasons of the operating system in messages.

use std::error::Error;

/// The reason of a failure without the number that the operating system gives it: `Connection refused`.
pub fn system_reason(error: &dyn Error) -> String {
    error.to_string().split(" (os error ").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn number_of_the_operating_system_is_left_out() {
        assert_eq!(system_reason(&io::Error::from_raw_os_error(13)), "Permission denied");
        assert_eq!(system_reason(&io::Error::other("closed")), "closed");
    }
}
