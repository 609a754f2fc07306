//! Reading in pages (RFC 2696): the control, and the chain of cookies.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::wire::Control;
use crate::wire::ber::{self, INTEGER, OCTET_STRING, SEQUENCE};

/// The name of the control.
pub(crate) const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";

/// How often the same page may come again before the server is taken to be stuck. A page that comes twice does no
/// harm.
const MAX_REPEATS: usize = 20;

/// How many pages in a row may be empty. Active Directory sends empty ones when a search takes it long.
const MAX_EMPTY: usize = 1000;

/// One page of the results. The control is critical: a server that can't obey it must not answer as if it had not been
/// there.
pub(crate) fn page(size: i32, cookie: &[u8]) -> Control {
    let parts = [ber::number(INTEGER, size), ber::element(OCTET_STRING, cookie)];
    Control::critical(PAGED_RESULTS, Some(ber::element(SEQUENCE, &parts.concat())))
}

/// The cookie among a page's controls; `None` when there is none, or none that can be read.
pub(crate) fn cookie_of(controls: Vec<Control>) -> Option<Vec<u8>> {
    let control = controls.into_iter().find(|control| control.oid == PAGED_RESULTS)?;
    decode(&control.value?).map(<[u8]>::to_vec)
}

/// `SEQUENCE { size INTEGER, cookie OCTET STRING }`. The size is the server's guess of the total, which nobody needs.
fn decode(value: &[u8]) -> Option<&[u8]> {
    let (content, after) = ber::take(SEQUENCE, value)?;
    let (size, content) = ber::take(INTEGER, content)?;
    let (cookie, more) = ber::take(OCTET_STRING, content)?;
    (after.is_empty() && more.is_empty() && !size.is_empty()).then_some(cookie)
}

/// The chain of cookies that leads from page to page, and an eye on whether it leads anywhere.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    cookie: Vec<u8>,
    previous: Option<u64>,
    repeats: usize,
    empty: usize,
}

/// What a page showed of its entries, to tell whether it is the same page again.
#[derive(Default)]
pub(crate) struct PageMark {
    hasher: DefaultHasher,
    entries: usize,
}

/// The chain leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stuck(pub(crate) &'static str);

impl PageMark {
    /// Counts an entry in.
    pub(crate) fn note(&mut self, dn: &str) {
        dn.hash(&mut self.hasher);
        self.entries += 1;
    }
}

impl Chain {
    /// What the next page is asked for with; empty for the first one.
    pub(crate) fn cookie(&self) -> &[u8] {
        &self.cookie
    }

    /// Goes on to the page behind `cookie`, unless the server keeps sending the same.
    ///
    /// A cookie that stays the same is not a sign of that by itself: some servers (389 Directory Server) give a
    /// search one cookie for all of its pages.
    pub(crate) fn follow(&mut self, cookie: Vec<u8>, page: PageMark) -> Result<(), Stuck> {
        let same_cookie = !self.cookie.is_empty() && self.cookie == cookie;
        let mark = page.hasher.finish();
        if page.entries == 0 {
            self.empty += 1;
            if same_cookie {
                return Err(Stuck("the server sent an empty page and the same cookie again"));
            }
            if self.empty > MAX_EMPTY {
                return Err(Stuck("the server sent nothing but empty pages"));
            }
        } else {
            self.empty = 0;
        }
        if same_cookie && self.previous == Some(mark) {
            self.repeats += 1;
            if self.repeats > MAX_REPEATS {
                return Err(Stuck("the server sent the same page over and over"));
            }
        } else {
            self.repeats = 0;
        }
        self.previous = Some(mark);
        self.cookie = cookie;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(names: &[&str]) -> PageMark {
        let mut mark = PageMark::default();
        names.iter().for_each(|dn| mark.note(dn));
        mark
    }

    #[test]
    fn the_control_value() {
        assert_eq!(decode(&[0x30, 5, 2, 1, 0, 4, 0]), Some([].as_slice()));
        assert_eq!(decode(&[0x30, 7, 2, 1, 0, 4, 2, 8, 9]), Some([8, 9].as_slice()));
        for broken in [
            [].as_slice(),
            &[0x30, 0],
            &[0x30, 3, 2, 1, 0],
            &[0x30, 4, 2, 0, 4, 0],
            &[0x30, 5, 2, 1, 0, 4, 0, 0],
            &[0x30, 6, 2, 1, 0, 4, 0, 0],
            &[0x31, 5, 2, 1, 0, 4, 0],
        ] {
            assert_eq!(decode(broken), None, "{broken:?}");
        }
    }

    #[test]
    fn a_chain_that_gets_on_may_be_long_and_have_empty_pages() {
        let mut chain = Chain::default();
        for number in 0..5000_u32 {
            let entry = format!("uid={number}");
            let names = if number % 3 == 0 { vec![] } else { vec![entry.as_str()] };
            assert_eq!(chain.follow(number.to_be_bytes().to_vec(), page(&names)), Ok(()));
        }
    }

    #[test]
    fn one_cookie_for_all_pages_is_legal() {
        let mut chain = Chain::default();
        for number in 0..5000_u32 {
            assert_eq!(chain.follow(b"0".to_vec(), page(&[&format!("uid={number}")])), Ok(()));
        }
    }

    #[test]
    fn a_chain_that_leads_nowhere_ends() {
        let mut chain = Chain::default();
        assert!(chain.follow(b"a".to_vec(), page(&[])).is_ok());
        assert!(chain.follow(b"a".to_vec(), page(&[])).is_err());

        let mut chain = Chain::default();
        assert!((0..2000_u32).any(|number| chain.follow(number.to_be_bytes().to_vec(), page(&[])).is_err()));

        let mut chain = Chain::default();
        assert!((0..3).all(|_| chain.follow(b"a".to_vec(), page(&["uid=ada"])).is_ok()));
        assert!((0..100).any(|_| chain.follow(b"a".to_vec(), page(&["uid=ada"])).is_err()));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }

        #[test]
        fn every_cookie_comes_through(cookie in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            proptest::prop_assert_eq!(cookie_of(vec![super::page(7, &cookie)]), Some(cookie));
        }
    }
}
