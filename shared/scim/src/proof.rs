//! App secret proof: shows that the caller knows the app secret without sending it.

use aws_lc_rs::hmac;
use model::UnixSeconds;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

/// Proof for one attempt: HMAC-SHA256 of token and time, keyed with the app secret \[seen\].
///
/// Its lifetime is not recorded, so each attempt makes its own.
pub(crate) struct AppSecretProof {
    hex: SecretString,
    time: UnixSeconds,
}

impl AppSecretProof {
    pub(crate) fn new(app_secret: &SecretString, token: &SecretString, time: UnixSeconds) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, app_secret.expose_secret().as_bytes());
        let message = format!("{}|{}", token.expose_secret(), time.0);
        let tag = hmac::sign(&key, message.as_bytes());
        Self { hex: SecretString::from(hex::encode(tag.as_ref())), time }
    }

    /// URL with the proof in its query \[seen\].
    pub(crate) fn added_to(&self, url: &Url) -> Url {
        let Self { hex, time } = self;
        let mut url = url.clone();
        url.query_pairs_mut()
            .append_pair("appsecret_proof", hex.expose_secret())
            .append_pair("appsecret_time", &time.0.to_string());
        url
    }

    /// The proof, to redact it from texts.
    pub(crate) fn expose(&self) -> &str {
        self.hex.expose_secret()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof(app_secret: &str, token: &str, time: i64) -> AppSecretProof {
        AppSecretProof::new(&app_secret.into(), &token.into(), UnixSeconds(time))
    }

    /// Expected value made with OpenSSL: `printf %s 'the-token|1700000000' | openssl dgst -sha256 -hmac the-secret`.
    #[test]
    fn proof_equals_that_of_openssl() {
        insta::assert_snapshot!(
            proof("the-secret", "the-token", 1_700_000_000).expose(),
            @"97ece10d3394306ea08473637c56b6f5936f7913afd6f083ac9255745a4981da"
        );
    }

    #[test]
    fn app_secret_token_and_time_change_the_proof() {
        let all = [proof("s", "t", 1), proof("S", "t", 1), proof("s", "T", 1), proof("s", "t", 2)];
        let mut hexes: Vec<_> = all.iter().map(|proof| proof.expose().to_owned()).collect();
        assert!(hexes.iter().all(|hex| hex.len() == 64 && !hex.contains(|c: char| c.is_ascii_uppercase())));
        hexes.sort();
        hexes.dedup();
        assert_eq!(hexes.len(), all.len());
    }

    #[test]
    fn proof_is_added_to_an_existing_query() {
        let proof = proof("s", "t", 7);
        for (url, expect) in [
            ("https://x.test/Users", "https://x.test/Users?appsecret_proof="),
            ("https://x.test/Users?filter=a%20b", "https://x.test/Users?filter=a%20b&appsecret_proof="),
        ] {
            let url = proof.added_to(&Url::parse(url).unwrap()).to_string();
            assert!(url.starts_with(expect) && url.ends_with("&appsecret_time=7"), "{url}");
        }
    }
}
