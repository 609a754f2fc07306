//! Requests of clients.

use directory::wire::ber::{self, BOOLEAN, ENUMERATED, INTEGER, OCTET_STRING, SEQUENCE};
use directory::wire::{LdapControl, LdapMessage, SearchScope};

use crate::filter::SearchFilter;

pub(crate) const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";
pub(crate) const MANAGE_DSA_IT: &str = "2.16.840.1.113730.3.4.2";

/// Decoded search request.
#[derive(Debug)]
pub(crate) struct SearchRequest {
    pub(crate) id: i32,
    pub(crate) base: String,
    pub(crate) scope: SearchScope,
    pub(crate) size_limit: usize,
    pub(crate) types_only: bool,
    pub(crate) filter: SearchFilter,
    pub(crate) attributes: Vec<String>,
    pub(crate) controls: Vec<LdapControl>,
}

/// Value of the paged-results control.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PagingRequest {
    pub(crate) size: usize,
    pub(crate) cookie: Vec<u8>,
}

/// Decoded bind request; the password is `None` for other methods than the simple one.
pub(crate) struct BindRequest {
    pub(crate) version: i64,
    pub(crate) dn: String,
    pub(crate) password: Option<Vec<u8>>,
}

impl BindRequest {
    pub(crate) fn decode(message: &LdapMessage) -> Option<Self> {
        const SIMPLE: u8 = 0x80;
        let (version, rest) = number(INTEGER, &message.content)?;
        let (dn, rest) = text(rest)?;
        let (method, credentials, _) = ber::next(rest)?;
        let password = (method == SIMPLE).then(|| credentials.to_vec());
        Some(Self { version, dn, password })
    }
}

impl SearchRequest {
    pub(crate) fn decode(message: &LdapMessage) -> Option<Self> {
        let (base, rest) = text(&message.content)?;
        let (scope, rest) = number(ENUMERATED, rest)?;
        let scope = match scope {
            0 => SearchScope::Base,
            1 => SearchScope::OneLevel,
            2 => SearchScope::Subtree,
            _ => return None,
        };
        let (_aliases, rest) = number(ENUMERATED, rest)?;
        let (size_limit, rest) = number(INTEGER, rest)?;
        let (_time_limit, rest) = number(INTEGER, rest)?;
        let (types_only, rest) = ber::take(BOOLEAN, rest)?;
        let (filter, rest) = SearchFilter::decode(rest)?;
        let (mut names, _) = ber::take(SEQUENCE, rest)?;
        let mut attributes = Vec::new();
        while !names.is_empty() {
            let (name, rest) = text(names)?;
            attributes.push(name);
            names = rest;
        }
        Some(Self {
            id: message.id,
            base,
            scope,
            size_limit: usize::try_from(size_limit).ok()?,
            types_only: ber::boolean(types_only)?,
            filter,
            attributes,
            controls: message.controls(),
        })
    }

    /// Paged-results control: `Some(None)` if it can't be decoded.
    pub(crate) fn paging(&self) -> Option<Option<PagingRequest>> {
        let control = self.controls.iter().find(|control| control.oid == PAGED_RESULTS)?;
        Some(control.value.as_deref().and_then(PagingRequest::decode))
    }

    /// Critical control that the server does not support.
    pub(crate) fn unknown_critical_control(&self) -> Option<&LdapControl> {
        let known = [PAGED_RESULTS, MANAGE_DSA_IT];
        self.controls.iter().find(|control| control.is_critical && !known.contains(&control.oid.as_str()))
    }
}

impl PagingRequest {
    fn decode(value: &[u8]) -> Option<Self> {
        let (content, _) = ber::take(SEQUENCE, value)?;
        let (size, content) = number(INTEGER, content)?;
        let (cookie, _) = ber::take(OCTET_STRING, content)?;
        Some(Self { size: usize::try_from(size).ok()?, cookie: cookie.to_vec() })
    }
}

fn number(tag: u8, input: &[u8]) -> Option<(i64, &[u8])> {
    let (content, rest) = ber::take(tag, input)?;
    Some((ber::integer(content)?, rest))
}

fn text(input: &[u8]) -> Option<(String, &[u8])> {
    let (content, rest) = ber::take(OCTET_STRING, input)?;
    Some((String::from_utf8(content.to_vec()).ok()?, rest))
}
