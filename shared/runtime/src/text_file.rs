//! Text files that an administrator writes: configurations, secrets and certificates.

use std::io;
use std::path::Path;

/// Why a text file can't be read. The content is not shown, because it may be a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TextFileError {
    /// The operating system refused.
    #[error("can't be read: {}", model::system_reason(.0))]
    Io(#[from] io::Error),
    /// The text has an encoding other than UTF-8.
    #[error("is encoded in {0}; save it as UTF-8")]
    Encoding(&'static str),
}

/// Reads a file in UTF-8. Some editors write a byte order mark at its beginning, which is no content.
pub(crate) fn read(path: &Path) -> Result<String, TextFileError> {
    let bytes = std::fs::read(path)?;
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") || bytes.contains(&0) {
        return Err(TextFileError::Encoding("UTF-16"));
    }
    let text = String::from_utf8(bytes).map_err(|_| TextFileError::Encoding("another form than UTF-8"))?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(content) => content.to_owned(),
        None => text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_order_mark_is_no_content_and_another_encoding_is_named() {
        let path = std::env::temp_dir().join(format!("runtime-text-{}", std::process::id()));
        let read_bytes = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            read(&path).map_err(|error| error.to_string())
        };
        assert_eq!(read_bytes(b"\xef\xbb\xbfname"), Ok("name".to_owned()));
        assert_eq!(read_bytes(b"name"), Ok("name".to_owned()));
        let utf16 = Err("is encoded in UTF-16; save it as UTF-8".to_owned());
        for text in [&b"\xff\xfen\0a\0"[..], b"\xfe\xff\0n\0a", b"n\0a\0"] {
            assert_eq!(read_bytes(text), utf16);
        }
        assert_eq!(
            read_bytes(b"M\xfcller"),
            Err("is encoded in another form than UTF-8; save it as UTF-8".to_owned())
        );
        std::fs::remove_file(&path).unwrap();
        assert!(read(&path).unwrap_err().to_string().ends_with("No such file or directory"));
    }
}
