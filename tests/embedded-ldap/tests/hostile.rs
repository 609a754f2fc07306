//! Clients that violate the protocol affect only their own connection.

#![allow(clippy::unwrap_used)] // A failed assertion may panic.

mod support;

use std::time::Duration;

use embedded_ldap::LdapOptions;
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn invalid_request_ends_only_its_connection() {
    let server = server_with(3, LdapOptions { allow_anonymous: true, ..LdapOptions::default() }).await;
    let nested_not = {
        let mut filter = vec![0x87, 0x01, b'x'];
        for _ in 0..100 {
            filter = element(0xa2, &filter);
        }
        search(&filter)
    };
    for bytes in [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
        vec![0x30, 0x80, 0x00],
        vec![0x30, 0x00],
        vec![0x30, 0x03, 0x02, 0x01, 0x01],
        vec![0x30, 0x05, 0x02, 0x01, 0x01, 0x63, 0x00],
        vec![0x30, 0x05, 0x02, 0x01, 0x01, 0x60, 0x00],
        nested_not,
        search(&[0xa9, 0x00, 0xff]),
    ] {
        let mut stream = TcpStream::connect(server.url().trim_start_matches("ldap://")).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
        assert!(read.is_ok(), "the connection stays open after {bytes:x?}");
    }
    let mut ldap = bound(&server).await;
    assert_eq!(read_all(&mut ldap, 2).await.unwrap().len(), 3);
}

#[tokio::test]
async fn altered_requests_do_not_stop_the_server() {
    let server = server_with(3, LdapOptions { allow_anonymous: true, ..LdapOptions::default() }).await;
    let request = search(&[0xa3, 0x07, 0x04, 0x02, b'c', b'n', 0x04, 0x01, b'x']);
    for position in 0..request.len() {
        let mut changed = request.clone();
        for byte in [0x00, 0x7f, 0x80, 0xff] {
            changed[position] = byte;
            let mut stream = TcpStream::connect(server.url().trim_start_matches("ldap://")).await.unwrap();
            stream.write_all(&changed).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
        }
    }
    let mut ldap = bound(&server).await;
    assert_eq!(read_all(&mut ldap, 2).await.unwrap().len(), 3);
}

#[tokio::test]
async fn dropped_server_stops() {
    let server = server_with(0, LdapOptions::default()).await;
    let address = server.url().trim_start_matches("ldap://").to_owned();
    let mut stream = TcpStream::connect(&address).await.unwrap();
    drop(server);
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await.unwrap();
    assert!(TcpStream::connect(&address).await.is_err());
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x82], &length[..], content].concat()
}

/// Encoded subtree search with this filter.
fn search(filter: &[u8]) -> Vec<u8> {
    let mut body = element(0x04, b"dc=acme,dc=test");
    body.extend([0x0a, 1, 2, 0x0a, 1, 0, 0x02, 1, 0, 0x02, 1, 0, 0x01, 1, 0]);
    body.extend_from_slice(filter);
    body.extend(element(0x30, &[]));
    let id = [0x02, 1, 1];
    element(0x30, &[&id[..], &element(0x63, &body)].concat())
}
