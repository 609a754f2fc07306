//! The bytes to and from a server, message by message.

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::ber::{Header, SEQUENCE};
use super::{Message, WireError};

/// Room for what comes at a time. A page's entries share as much memory, so it is not much.
const READ: usize = 64 << 10;

/// No message is longer. A group that names half a million members has about this size.
const LONGEST: usize = 64 << 20;

/// A connection, secure or not.
pub(crate) struct Stream {
    socket: Socket,
    incoming: BytesMut,
    /// What is still to be sent. It is kept here so that a wait that is given up in the middle loses nothing.
    outgoing: BytesMut,
}

enum Socket {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Connects.
    pub(crate) async fn connect(host: &str, port: u16) -> Result<Self, WireError> {
        let socket = TcpStream::connect((host, port)).await.map_err(WireError::Io)?;
        // Questions are small, and answers are waited for.
        socket.set_nodelay(true).map_err(WireError::Io)?;
        let (incoming, outgoing) = (BytesMut::new(), BytesMut::new());
        Ok(Self { socket: Socket::Plain(socket), incoming, outgoing })
    }

    /// Secures the connection.
    pub(crate) async fn secure(
        self,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<Self, WireError> {
        // What came before was said by nobody in particular, and must not count as said by the server.
        if !self.incoming.is_empty() {
            return Err(WireError::NotLdap);
        }
        let Socket::Plain(socket) = self.socket else { return Err(WireError::NotLdap) };
        let secure = TlsConnector::from(config).connect(name, socket).await.map_err(WireError::Io)?;
        Ok(Self { socket: Socket::Secure(Box::new(secure)), ..self })
    }

    /// Sends a whole message.
    pub(crate) async fn send(&mut self, message: &[u8]) -> Result<(), WireError> {
        self.outgoing.extend_from_slice(message);
        while self.outgoing.has_remaining() {
            match &mut self.socket {
                Socket::Plain(socket) => socket.write_buf(&mut self.outgoing).await,
                Socket::Secure(socket) => socket.write_buf(&mut self.outgoing).await,
            }
            .map_err(WireError::Io)?;
        }
        match &mut self.socket {
            Socket::Plain(_) => Ok(()),
            Socket::Secure(socket) => socket.flush().await.map_err(WireError::Io),
        }
    }

    /// The next message, if it is here already.
    pub(crate) fn pop(&mut self) -> Result<Option<Message>, WireError> {
        let Some(header) = Header::read(&self.incoming).map_err(|_| WireError::NotLdap)? else {
            // Even a single byte tells whether it can become a message.
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
        Message::parse(&message).map(Some).ok_or(WireError::NotLdap)
    }

    /// The next message. A wait that is given up loses nothing of it.
    pub(crate) async fn receive(&mut self) -> Result<Message, WireError> {
        loop {
            if let Some(message) = self.pop()? {
                return Ok(message);
            }
            self.incoming.reserve(READ);
            let read = match &mut self.socket {
                Socket::Plain(socket) => socket.read_buf(&mut self.incoming).await,
                Socket::Secure(socket) => socket.read_buf(&mut self.incoming).await,
            };
            match read {
                Ok(0) => return Err(WireError::Closed),
                Ok(_) => {}
                // A server that hangs up without the farewell of TLS has hung up all the same.
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                    return Err(WireError::Closed);
                }
                Err(error) => return Err(WireError::Io(error)),
            }
        }
    }
}
