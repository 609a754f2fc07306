//! What clients ask for.

use ldap3_proto::{LdapMsg, LdapSearchScope};

use crate::ber::{BOOLEAN, ENUMERATED, INTEGER, Malformed, OCTET_STRING, Reader, SEQUENCE};
use crate::filter::Filter;

pub(crate) const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";
pub(crate) const MANAGE_DSA_IT: &str = "2.16.840.1.113730.3.4.2";

const SEARCH_REQUEST: u8 = 0x63;
const CONTROLS: u8 = 0xa0;

/// One message of a client.
#[derive(Debug)]
pub(crate) enum Request {
    Search(SearchRequest),
    Other(LdapMsg),
}

/// A search, with its filter and controls taken apart.
#[derive(Debug)]
pub(crate) struct SearchRequest {
    pub(crate) id: i32,
    pub(crate) base: String,
    pub(crate) scope: LdapSearchScope,
    pub(crate) size_limit: usize,
    pub(crate) types_only: bool,
    pub(crate) filter: Filter,
    pub(crate) attributes: Vec<String>,
    pub(crate) controls: Vec<Control>,
}

/// A control as sent.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) oid: String,
    pub(crate) critical: bool,
    pub(crate) value: Option<Vec<u8>>,
}

/// The value of the paged-results control.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Paging {
    pub(crate) size: usize,
    pub(crate) cookie: Vec<u8>,
}

impl SearchRequest {
    /// Reads a whole message, if it is a search.
    pub(crate) fn read(message: &[u8]) -> Result<Option<SearchRequest>, Malformed> {
        let mut message = Reader::new(message).inside(SEQUENCE)?;
        let id = i32::try_from(message.number(INTEGER)?).map_err(|_| Malformed)?;
        if message.peek() != Some(SEARCH_REQUEST) {
            return Ok(None);
        }
        let mut search = message.inside(SEARCH_REQUEST)?;
        let base = search.text(OCTET_STRING)?.to_owned();
        let scope = match search.number(ENUMERATED)? {
            0 => LdapSearchScope::Base,
            1 => LdapSearchScope::OneLevel,
            2 => LdapSearchScope::Subtree,
            3 => LdapSearchScope::Children,
            _ => return Err(Malformed),
        };
        let _aliases = search.number(ENUMERATED)?;
        let size_limit = usize::try_from(search.number(INTEGER)?).map_err(|_| Malformed)?;
        let _time_limit = search.number(INTEGER)?;
        let types_only = search.boolean()?;
        let filter = Filter::read(&mut search)?;
        let mut names = search.inside(SEQUENCE)?;
        let mut attributes = Vec::new();
        while !names.is_empty() {
            attributes.push(names.text(OCTET_STRING)?.to_owned());
        }
        let controls = read_controls(&mut message)?;
        Ok(Some(SearchRequest { id, base, scope, size_limit, types_only, filter, attributes, controls }))
    }

    /// The paged-results control, if the client sent one.
    pub(crate) fn paging(&self) -> Result<Option<Paging>, Malformed> {
        let Some(control) = self.controls.iter().find(|control| control.oid == PAGED_RESULTS) else {
            return Ok(None);
        };
        let value = control.value.as_deref().ok_or(Malformed)?;
        let mut value = Reader::new(value).inside(SEQUENCE)?;
        let size = usize::try_from(value.number(INTEGER)?).map_err(|_| Malformed)?;
        let cookie = value.expect(OCTET_STRING)?.to_vec();
        Ok(Some(Paging { size, cookie }))
    }

    /// A control that the client insists on and that is not known here.
    pub(crate) fn unknown_critical_control(&self) -> Option<&Control> {
        let known = [PAGED_RESULTS, MANAGE_DSA_IT];
        self.controls.iter().find(|control| control.critical && !known.contains(&control.oid.as_str()))
    }
}

fn read_controls(message: &mut Reader<'_>) -> Result<Vec<Control>, Malformed> {
    let mut controls = Vec::new();
    if message.peek() != Some(CONTROLS) {
        return Ok(controls);
    }
    let mut list = message.inside(CONTROLS)?;
    while !list.is_empty() {
        let mut control = list.inside(SEQUENCE)?;
        let oid = control.text(OCTET_STRING)?.to_owned();
        let critical = control.peek() == Some(BOOLEAN) && control.boolean()?;
        let value = match control.is_empty() {
            true => None,
            false => Some(control.expect(OCTET_STRING)?.to_vec()),
        };
        controls.push(Control { oid, critical, value });
    }
    Ok(controls)
}
