//! What an entry looks like, as far as that decides anything about its user.

use model::{Entry, Fingerprint, Fingerprinter, UnixSeconds};

use crate::UserRules;
use crate::status::has_expired;

/// Tells whether an entry looks as it did before, without working out what it means. It takes in every attribute that any
/// rule reads, and nothing else: who looks the same is the same, and who looks different may be the same all the same.
pub(crate) struct EntryFingerprints<'a> {
    rules: &'a UserRules,
    /// In lower case, in order, with their places in the entry before.
    attributes: Vec<(String, usize)>,
    /// What all fingerprints begin with.
    begun: Fingerprinter,
    /// The one that is made just now.
    hash: Fingerprinter,
    now: UnixSeconds,
}

impl<'a> EntryFingerprints<'a> {
    /// Looks by these rules at a moment: an account can expire without anybody's doing.
    pub fn new(rules: &'a UserRules, now: UnixSeconds) -> Self {
        let mut attributes = rules.mapping.source_attributes();
        attributes.extend(rules.status.attribute().map(str::to_ascii_lowercase));
        attributes.extend(rules.expires.as_ref().map(|attribute| attribute.to_ascii_lowercase()));
        let [mut begun, hash] = [(); 2].map(|()| Fingerprinter::new("provisioner 2026 look"));
        begun.bytes(&rules.version().0);
        let attributes = attributes.into_iter().map(|attribute| (attribute, 0)).collect();
        Self { rules, attributes, begun, hash, now }
    }

    /// The fingerprint of an entry's look.
    pub fn of(&mut self, entry: &Entry) -> Fingerprint {
        let hash = &mut self.hash;
        hash.start_from(&self.begun);
        hash.text(&entry.dn);
        for (attribute, place) in &mut self.attributes {
            match entry.attributes.all_near(attribute, place) {
                [] => hash.flag(false),
                [value] => {
                    hash.flag(true);
                    hash.bytes(value);
                }
                // Values come in any order.
                several => {
                    let mut several: Vec<&[u8]> = several.iter().map(|value| value.as_ref()).collect();
                    several.sort_unstable();
                    hash.bytes(&several.len().to_le_bytes());
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
