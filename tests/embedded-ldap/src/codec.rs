//! Cuts the stream of bytes into requests.

use std::io;

use ldap3_proto::LdapCodec;
use tokio_util::bytes::BytesMut;
use tokio_util::codec::Decoder;

use crate::ber::{Malformed, message_size};
use crate::request::{Request, SearchRequest};

/// The largest request that is read: room for a filter over a thousand names, and an end to nonsense lengths.
const MAX_REQUEST: usize = 1024 * 1024;

/// Reads searches itself and leaves everything else to `ldap3_proto`.
pub(crate) struct RequestCodec {
    others: LdapCodec,
}

impl RequestCodec {
    pub(crate) fn new() -> RequestCodec {
        RequestCodec { others: LdapCodec::new(Some(MAX_REQUEST), None) }
    }
}

impl Decoder for RequestCodec {
    type Item = Request;
    type Error = io::Error;

    fn decode(&mut self, bytes: &mut BytesMut) -> io::Result<Option<Request>> {
        let Some(size) = message_size(bytes)? else { return Ok(None) };
        if size > MAX_REQUEST {
            return Err(Malformed.into());
        }
        if bytes.len() < size {
            return Ok(None);
        }
        let mut message = bytes.split_to(size);
        if let Some(search) = SearchRequest::read(&message)? {
            return Ok(Some(Request::Search(search)));
        }
        match self.others.decode(&mut message)? {
            Some(message) => Ok(Some(Request::Other(message))),
            None => Err(Malformed.into()),
        }
    }
}
