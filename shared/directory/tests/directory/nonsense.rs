//! Servers with invalid answers.

use model::UnixSeconds;
use std::time::Duration;

use directory::{Directory, DirectoryError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::config;

/// Server that answers each request with the next of these, waits for one more, and closes the connection.
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

/// Server that accepts the bind, and answers the search with intermediate responses until the client leaves.
async fn endless_intermediates() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ldap://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await;
        let _ = stream.write_all(&bind_response(&[10, 1, 0])).await;
        let _ = stream.read(&mut request).await;
        // `LDAPMessage { 2, intermediateResponse {} }`
        while stream.write_all(&[0x30, 5, 2, 1, 2, 0x79, 0]).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    url
}

/// Each message comes in time, and none brings anything.
#[tokio::test]
async fn endless_intermediate_responses_are_no_progress() {
    let mut config = config(&endless_intermediates().await);
    config.timeout = Duration::from_millis(500);
    let mut directory = Directory::connect(&config).await.unwrap();
    let read = tokio::time::timeout(Duration::from_secs(120), directory.read(None, UnixSeconds(0)));
    let error = read.await.expect("the read goes on for ever").err().unwrap();
    assert!(matches!(error, DirectoryError::Timeout { .. }), "{error}");
}

#[tokio::test]
async fn invalid_bind_answer_is_an_error() {
    for answer in [
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        vec![0x30, 0],
        vec![0x30, 3, 2, 1, 1],
        vec![0x30, 5, 2, 1, 1, 0x61, 0],
        // The result code is a text.
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
async fn invalid_search_answer_is_an_error() {
    let bound = || bind_response(&[10, 1, 0]);
    for (answer, lost) in [
        // An unknown operation with the search's id.
        (vec![0x30, 5, 2, 1, 2, 0x7e, 0], true),
        // A result without content.
        (vec![0x30, 5, 2, 1, 2, 0x65, 0], true),
        // A longer message than is accepted.
        (vec![0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 2], true),
        // A message that does not end.
        (vec![0x30, 0x84, 0, 0xff, 0xff, 0xff, 2], false),
        // The answer to another request.
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
async fn silent_server_times_out() {
    // The operating system accepts the connection; no code reads from it.
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
async fn closed_connection_is_reported() {
    let error = connect(vec![bind_response(&[10, 1, 0])]).await;
    assert!(error.to_string().contains("was cut off: the server closed the connection"), "{error}");
}

#[tokio::test]
async fn notice_of_disconnection_is_reported() {
    // `LDAPMessage { 0, extendedResponse { unavailable, "", "" } }`.
    let notice = vec![0x30, 12, 2, 1, 0, 0x78, 7, 10, 1, 52, 4, 0, 4, 0];
    let error = connect(vec![bind_response(&[10, 1, 0]), notice]).await.to_string();
    assert!(error.contains("the server ended the connection with LDAP result 52 (unavailable)"), "{error}");
}

#[tokio::test]
async fn bytes_from_before_tls_are_refused() {
    // An attacker appends a bind response to the StartTLS response.
    let mut answer = vec![0x30, 12, 2, 1, 1, 0x78, 7, 10, 1, 0, 4, 0, 4, 0];
    answer.extend([0x30, 12, 2, 1, 2, 0x61, 7, 10, 1, 0, 4, 0, 4, 0]);
    let mut config = config(&scripted(vec![answer]).await);
    config.start_tls = true;
    let error = Directory::connect(&config).await.err().unwrap();
    let expected = "brought an answer that can't be used: the server sent something that is not LDAP";
    assert!(error.to_string().contains(expected), "{error}");
}
