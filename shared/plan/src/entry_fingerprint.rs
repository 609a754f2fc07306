//! Fingerprints of entries, for the snapshot.

use model::{Entry, Fingerprint, Fingerprinter, UnixSeconds};

use crate::UserRules;
use crate::status::has_expired;

/// Computes the fingerprint of each entry without evaluating the mapping. It covers every attribute that a rule reads,
/// and no other. Entries with equal fingerprints give equal users; entries with different ones may do so too.
pub(crate) struct EntryFingerprints<'a> {
    rules: &'a UserRules,
    /// Names in lower case and in order, each with its position in the previous entry.
    attributes: Vec<(String, usize)>,
    /// Common start of all fingerprints.
    start: Fingerprinter,
    /// The fingerprint in progress, which reuses its memory.
    hash: Fingerprinter,
    now: UnixSeconds,
}

impl<'a> EntryFingerprints<'a> {
    /// Starts with the rules and the time. The time counts because accounts expire.
    pub fn new(rules: &'a UserRules, now: UnixSeconds) -> Self {
        let mut attributes = rules.mapping.source_attributes();
        attributes.extend(rules.status.attribute().map(str::to_ascii_lowercase));
        attributes.extend(rules.expires.as_ref().map(|attribute| attribute.to_ascii_lowercase()));
        let [mut start, hash] = [(); 2].map(|()| Fingerprinter::new("provisioner 2026 entry"));
        start.bytes(&rules.version().0);
        let attributes = attributes.into_iter().map(|attribute| (attribute, 0)).collect();
        Self { rules, attributes, start, hash, now }
    }

    /// The fingerprint of an entry.
    pub fn of(&mut self, entry: &Entry) -> Fingerprint {
        let hash = &mut self.hash;
        hash.start_from(&self.start);
        hash.text(&entry.dn);
        for (attribute, position) in &mut self.attributes {
            match entry.attributes.all_near(attribute, position) {
                [] if entry.attributes.is_hidden(attribute) => hash.number(0),
                [] => hash.flag(false),
                [value] => {
                    hash.flag(true);
                    hash.bytes(value);
                }
                // LDAP values have no order.
                several => {
                    let mut several: Vec<&[u8]> = several.iter().map(|value| value.as_ref()).collect();
                    several.sort_unstable();
                    hash.number(several.len() as u64);
                    several.into_iter().for_each(|value| hash.bytes(value));
                }
            }
        }
        if let Some(attribute) = &self.rules.expires {
            hash.flag(has_expired(&entry.attributes, attribute, self.now) == Ok(true));
        }
        hash.finish()
    }
}

#[cfg(test)]
mod tests;
