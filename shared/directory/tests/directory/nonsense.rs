//! Servers that don't speak LDAP, or stop in the middle of it.

use model::UnixSeconds;
use std::time::Duration;

use directory::{Directory, DirectoryError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::config;

/// A server that answers each request with the next of these, waits for one more, and hangs up.
async fn scripted(answers: Vec<Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ldap://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        for answer in answers {
            if stream.read(&mut request).await.unwrap_or(0) == 0 {
                return;
            }
            let _ = stream.write_all(&answer).await;
        }
        let _ = stream.read(&mut request).await;
    });
    url
}

/// `LDAPMessage { 1, bindResponse { result, "", "" } }`.
fn bind_response(result: &[u8]) -> Vec<u8> {
    let mut response = result.to_vec();
    response.extend([4, 0, 4, 0]);
    let length = u8::try_from(response.len()).unwrap();
    let mut message = vec![0x30, length + 5, 2, 1, 1, 0x61, length];
    message.extend(response);
    message
}

async fn connect(answers: Vec<Vec<u8>>) -> DirectoryError {
    let mut config = config(&scripted(answers).await);
    config.timeout = Duration::from_millis(500);
    match Directory::connect(&config).await {
        Err(error) => error,
        Ok(mut directory) => directory.read(None, UnixSeconds(0)).await.err().unwrap(),
    }
}

#[tokio::test]
async fn a_bind_is_answered_with_something_else() {
    for answer in [
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        vec![0x30, 0],
        vec![0x30, 3, 2, 1, 1],
        vec![0x30, 5, 2, 1, 1, 0x61, 0],
        // The result is a text, not a number.
        bind_response(&[4, 1, 0]),
        vec![0x30, 5, 4, 1, 1, 0x61, 0],
    ] {
        let error = connect(vec![answer.clone()]).await;
        let meaning = matches!(
            error,
            DirectoryError::Protocol { .. }
                | DirectoryError::ConnectionLost { .. }
                | DirectoryError::Timeout { .. }
        );
        assert!(meaning, "{answer:02x?}: {error}");
    }
}

#[tokio::test]
async fn a_search_is_answered_with_something_else() {
    let bound = || bind_response(&[10, 1, 0]);
    for (answer, lost) in [
        // An operation that doesn't belong there, under the search's number.
        (vec![0x30, 5, 2, 1, 2, 0x7e, 0], true),
        // A result without content.
        (vec![0x30, 5, 2, 1, 2, 0x65, 0], true),
        // More than anybody has to say.
        (vec![0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 2], true),
        // A message that never ends.
        (vec![0x30, 0x84, 0, 0xff, 0xff, 0xff, 2], false),
        // Somebody else's answer.
        (vec![0x30, 5, 2, 1, 99, 0x65, 0], false),
    ] {
        let error = connect(vec![bound(), answer.clone()]).await;
        match error {
            DirectoryError::ConnectionLost { .. } if lost => {}
            DirectoryError::Timeout { .. } if !lost => {}
            _ => panic!("{answer:02x?}: {error}"),
        }
    }
}

#[tokio::test]
async fn the_server_says_nothing() {
    // The connection is made by the operating system, and never looked at.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    for url in [format!("ldap://{address}"), format!("ldaps://{address}")] {
        let mut config = config(&url);
        config.timeout = Duration::from_millis(200);
        let error = Directory::connect(&config).await.err().unwrap();
        assert!(matches!(error, DirectoryError::Timeout { .. }), "{error}");
    }
}

#[tokio::test]
async fn the_server_hangs_up() {
    let error = connect(vec![bind_response(&[10, 1, 0])]).await;
    assert!(error.to_string().contains("was cut off: the server closed the connection"), "{error}");
}

#[tokio::test]
async fn the_server_says_that_it_hangs_up() {
    // `LDAPMessage { 0, extendedResponse { unavailable, "", "" } }`.
    let farewell = vec![0x30, 12, 2, 1, 0, 0x78, 7, 10, 1, 52, 4, 0, 4, 0];
    let error = connect(vec![bind_response(&[10, 1, 0]), farewell]).await.to_string();
    assert!(error.contains("the server ended the connection with LDAP result 52 (unavailable)"), "{error}");
}

#[tokio::test]
async fn nothing_is_taken_from_before_the_connection_was_secure() {
    // Somebody in between answers StartTLS, and puts the bind's answer behind it.
    let mut answer = vec![0x30, 12, 2, 1, 1, 0x78, 7, 10, 1, 0, 4, 0, 4, 0];
    answer.extend([0x30, 12, 2, 1, 2, 0x61, 7, 10, 1, 0, 4, 0, 4, 0]);
    let mut config = config(&scripted(vec![answer]).await);
    config.start_tls = true;
    let error = Directory::connect(&config).await.err().unwrap();
    let expected = "brought an answer that can't be used: the server sent something that is not LDAP";
    assert!(error.to_string().contains(expected), "{error}");
}
