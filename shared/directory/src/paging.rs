//! Paged results (RFC 2696): the control, and the chain of cookies.

use std::hash::{DefaultHasher, Hash, Hasher};

use tokio::time::{Duration, Instant};

use crate::wire::LdapControl;
use crate::wire::ber::{self, INTEGER, OCTET_STRING, SEQUENCE};

pub(crate) const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";

/// Repetitions of one page before the read fails. Two equal pages do no harm.
const MAX_REPEATS: usize = 20;

/// Consecutive empty pages before the read fails. Active Directory sends some during a long search.
const MAX_EMPTY: usize = 1000;

/// Longest time of consecutive empty pages.
const MAX_EMPTY_TIME: Duration = Duration::from_secs(600);

/// Control that requests one page. It is critical, so a server that can't page must refuse the search.
pub(crate) fn page_control(size: i32, cookie: &[u8]) -> LdapControl {
    let parts = [ber::number(INTEGER, size), ber::element(OCTET_STRING, cookie)];
    LdapControl::critical(PAGED_RESULTS, Some(ber::element(SEQUENCE, &parts.concat())))
}

/// Cookie among the controls of a page; `None` if it is missing or can't be decoded.
pub(crate) fn cookie_of(controls: Vec<LdapControl>) -> Option<Vec<u8>> {
    let control = controls.into_iter().find(|control| control.oid == PAGED_RESULTS)?;
    decode(&control.value?).map(<[u8]>::to_vec)
}

/// `SEQUENCE { size INTEGER, cookie OCTET STRING }`. The size is an estimate of the total, which is not used.
fn decode(value: &[u8]) -> Option<&[u8]> {
    let (content, after) = ber::take(SEQUENCE, value)?;
    let (size, content) = ber::take(INTEGER, content)?;
    let (cookie, more) = ber::take(OCTET_STRING, content)?;
    (after.is_empty() && more.is_empty() && !size.is_empty()).then_some(cookie)
}

/// Chain of cookies from page to page. It ends a read in which the server repeats itself.
#[derive(Debug, Default)]
pub(crate) struct CookieChain {
    cookie: Vec<u8>,
    previous: Option<u64>,
    repeats: usize,
    empty: usize,
    /// When the first of the consecutive empty pages came.
    empty_since: Option<Instant>,
}

/// Digest of a page's entries, to recognise a repeated page.
#[derive(Default)]
pub(crate) struct PageDigest {
    hasher: DefaultHasher,
    entries: usize,
}

/// Reason for which the pages don't end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PagingStuck(pub(crate) &'static str);

impl PageDigest {
    pub(crate) fn add(&mut self, dn: &str) {
        dn.hash(&mut self.hasher);
        self.entries += 1;
    }
}

impl CookieChain {
    /// Cookie of the next page; empty for the first.
    pub(crate) fn cookie(&self) -> &[u8] {
        &self.cookie
    }

    /// Moves on to the page behind `cookie`, unless the server repeats itself.
    ///
    /// An unchanged cookie alone is no repetition: 389 Directory Server uses one cookie for all pages of a search.
    pub(crate) fn advance(&mut self, cookie: Vec<u8>, page: PageDigest) -> Result<(), PagingStuck> {
        let same_cookie = !self.cookie.is_empty() && self.cookie == cookie;
        let digest = page.hasher.finish();
        if page.entries == 0 {
            self.empty += 1;
            if same_cookie {
                return Err(PagingStuck("the server sent an empty page and the same cookie again"));
            }
            let since = *self.empty_since.get_or_insert_with(Instant::now);
            if self.empty > MAX_EMPTY || since.elapsed() > MAX_EMPTY_TIME {
                return Err(PagingStuck("the server sent only empty pages"));
            }
        } else {
            (self.empty, self.empty_since) = (0, None);
        }
        if same_cookie && self.previous == Some(digest) {
            self.repeats += 1;
            if self.repeats > MAX_REPEATS {
                return Err(PagingStuck("the server sent the same page over and over"));
            }
        } else {
            self.repeats = 0;
        }
        self.previous = Some(digest);
        self.cookie = cookie;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(names: &[String]) -> PageDigest {
        let mut digest = PageDigest::default();
        names.iter().for_each(|dn| digest.add(dn));
        digest
    }

    #[test]
    fn control_value_decodes() {
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

    /// Whether a chain over these pages ends by itself.
    fn repeats(pages: impl Iterator<Item = (Vec<u8>, Vec<String>)>) -> bool {
        let mut chain = CookieChain::default();
        pages.map(|(cookie, names)| chain.advance(cookie, page(&names))).any(|advanced| advanced.is_err())
    }

    #[test]
    fn only_a_repeating_server_ends_the_chain() {
        let counted = |number: u32| number.to_be_bytes().to_vec();
        let entry = |number: u32| vec![format!("uid={number}")];
        let some_empty = |number: u32| if number.is_multiple_of(3) { vec![] } else { entry(number) };
        assert!(!repeats((0..5000).map(|number| (counted(number), some_empty(number)))));
        // 389 Directory Server uses one cookie for all pages of a search.
        assert!(!repeats((0..5000).map(|number| (b"0".to_vec(), entry(number)))));
        assert!(!repeats((0..3).map(|_| (b"a".to_vec(), entry(1)))));

        assert!(repeats((0..100).map(|_| (b"a".to_vec(), entry(1)))));
        assert!(repeats((0..2).map(|_| (b"a".to_vec(), vec![]))));
        assert!(repeats((0..2000).map(|number| (counted(number), vec![]))));
    }

    #[test]
    fn empty_pages_end_after_a_time() {
        let mut chain = CookieChain::default();
        assert!(chain.advance(vec![1], page(&[])).is_ok());
        chain.empty_since = Instant::now().checked_sub(MAX_EMPTY_TIME + Duration::from_secs(1));
        assert!(chain.advance(vec![2], page(&[])).is_err());
        // An entry is progress.
        chain.empty_since = Instant::now().checked_sub(MAX_EMPTY_TIME + Duration::from_secs(1));
        assert!(chain.advance(vec![3], page(&["uid=ada".to_owned()])).is_ok());
        assert!(chain.advance(vec![4], page(&[])).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn decoding_never_panics(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }

        #[test]
        fn every_cookie_survives_encoding(cookie in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            proptest::prop_assert_eq!(cookie_of(vec![page_control(7, &cookie)]), Some(cookie));
        }
    }
}
