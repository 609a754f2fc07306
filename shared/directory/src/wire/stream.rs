//! Messages over a socket.

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::ber::{BerHeader, SEQUENCE};
use super::error::WireError;
use super::message::LdapMessage;

/// Bytes read at a time. The entries of a page share buffers of this size.
const READ: usize = 64 << 10;

/// Longest accepted message, in bytes: about a group with half a million members.
const LONGEST: usize = 64 << 20;

/// Stream of messages over a plain or encrypted connection.
pub struct LdapStream {
    socket: LdapSocket,
    incoming: BytesMut,
    /// Bytes not sent yet. A cancelled send loses none of them.
    outgoing: BytesMut,
}

enum LdapSocket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl LdapStream {
    /// Connects without encryption.
    pub async fn connect(host: &str, port: u16) -> Result<Self, WireError> {
        let socket = TcpStream::connect((host, port)).await.map_err(WireError::Io)?;
        Self::over(socket)
    }

    /// Stream over a connected socket.
    pub fn over(socket: TcpStream) -> Result<Self, WireError> {
        // Messages are small, and the other side waits for each.
        socket.set_nodelay(true).map_err(WireError::Io)?;
        let (incoming, outgoing) = (BytesMut::new(), BytesMut::new());
        Ok(Self { socket: LdapSocket::Plain(socket), incoming, outgoing })
    }

    /// Encrypts the connection.
    pub async fn encrypt(
        self,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<Self, WireError> {
        // Bytes from before the handshake are not authenticated and must not count as answers of the server.
        if !self.incoming.is_empty() {
            return Err(WireError::NotLdap);
        }
        let LdapSocket::Plain(socket) = self.socket else { return Err(WireError::NotLdap) };
        let tls = TlsConnector::from(config).connect(name, socket).await.map_err(WireError::Io)?;
        Ok(Self { socket: LdapSocket::Tls(Box::new(tls)), ..self })
    }

    /// Sends bytes.
    pub async fn send(&mut self, message: &[u8]) -> Result<(), WireError> {
        self.outgoing.extend_from_slice(message);
        while self.outgoing.has_remaining() {
            match &mut self.socket {
                LdapSocket::Plain(socket) => socket.write_buf(&mut self.outgoing).await,
                LdapSocket::Tls(socket) => socket.write_buf(&mut self.outgoing).await,
            }
            .map_err(WireError::Io)?;
        }
        match &mut self.socket {
            LdapSocket::Plain(_) => Ok(()),
            LdapSocket::Tls(socket) => socket.flush().await.map_err(WireError::Io),
        }
    }

    /// Next message that has arrived already.
    pub fn pop(&mut self) -> Result<Option<LdapMessage>, WireError> {
        let Some(header) = BerHeader::read(&self.incoming).map_err(|_| WireError::NotLdap)? else {
            // A single byte shows whether it can begin a message.
            return match self.incoming.first() {
                Some(&first) if first != SEQUENCE => Err(WireError::NotLdap),
                _ => Ok(None),
            };
        };
        if header.tag != SEQUENCE {
            return Err(WireError::NotLdap);
        }
        if header.length > LONGEST {
            return Err(WireError::TooLong);
        }
        let whole = header.size + header.length;
        if self.incoming.len() < whole {
            return Ok(None);
        }
        let message: Bytes = self.incoming.split_to(whole).freeze();
        LdapMessage::parse(&message).map(Some).ok_or(WireError::NotLdap)
    }

    /// Waits for the next message. A cancelled wait loses no bytes.
    pub async fn receive(&mut self) -> Result<LdapMessage, WireError> {
        loop {
            if let Some(message) = self.pop()? {
                return Ok(message);
            }
            self.incoming.reserve(READ);
            let read = match &mut self.socket {
                LdapSocket::Plain(socket) => socket.read_buf(&mut self.incoming).await,
                LdapSocket::Tls(socket) => socket.read_buf(&mut self.incoming).await,
            };
            match read {
                Ok(0) => return Err(WireError::Closed),
                Ok(_) => {}
                // The server closed the connection without TLS's close_notify.
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                    return Err(WireError::Closed);
                }
                Err(error) => return Err(WireError::Io(error)),
            }
        }
    }
}
