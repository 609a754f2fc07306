//! What was fetched, kept for a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use secrecy::SecretString;

/// How long a secret is used without a look whether it is still the same.
const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// How often a secret is fetched again for those who were refused with it. While a token is simply wrong, every
/// user's call is refused, and each would ask.
const PAUSE: Duration = Duration::from_secs(3);

/// Which value will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SecretRead {
    /// The one that is kept, while it is not too old.
    CachedSecret,
    /// The one of now: the one that is kept was refused.
    Current,
}

/// The secrets that were fetched, by id.
#[derive(Default)]
pub(super) struct Cache {
    slots: Mutex<HashMap<String, Arc<tokio::sync::Mutex<CacheSlot>>>>,
}

/// One secret.
#[derive(Default)]
struct CacheSlot {
    kept: Option<CachedSecret>,
    /// When it was last fetched because it had been refused, in vain or not.
    refetched: Option<Instant>,
}

/// A value that could be used. It is wiped from memory when it is dropped.
struct CachedSecret {
    text: SecretString,
    since: Instant,
}

impl Cache {
    /// The value of a secret, kept or fetched. Only one caller fetches a secret at a time; the others wait and take what
    /// it got. A value is kept only if it can be read, so that a mistake in a secret is forgotten when it is corrected,
    /// and a fetch that fails leaves the value before it in place.
    pub(super) async fn get<T, E>(
        &self,
        id: &str,
        wanted: SecretRead,
        now: Instant,
        fetch: impl AsyncFnOnce() -> Result<SecretString, E>,
        parse: impl Fn(&SecretString) -> Result<T, E>,
    ) -> Result<T, E> {
        let slot = self.slot(id);
        let mut slot = slot.lock().await;
        if let Some(value) = slot.servable(wanted, now).and_then(|text| parse(text).ok()) {
            return Ok(value);
        }
        if wanted == SecretRead::Current {
            slot.refetched = Some(now);
        }
        let text = fetch().await?;
        let value = parse(&text)?;
        slot.kept = Some(CachedSecret { text, since: now });
        Ok(value)
    }

    fn slot(&self, id: &str) -> Arc<tokio::sync::Mutex<CacheSlot>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.entry(id.to_owned()).or_default().clone()
    }
}

impl CacheSlot {
    fn servable(&self, wanted: SecretRead, now: Instant) -> Option<&SecretString> {
        let is_within = |limit: Duration, since: Instant| now.saturating_duration_since(since) < limit;
        let CachedSecret { text, since } = self.kept.as_ref()?;
        let is_servable = match wanted {
            SecretRead::CachedSecret => is_within(LIFETIME, *since),
            SecretRead::Current => self.refetched.is_some_and(|refetched| is_within(PAUSE, refetched)),
        };
        is_servable.then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use secrecy::ExposeSecret;

    use super::*;

    /// A cache over a secret whose value is the number of the fetch, and a clock.
    struct CacheFixture {
        cache: Cache,
        start: Instant,
        fetches: Cell<u32>,
    }

    impl CacheFixture {
        fn new() -> Self {
            Self { cache: Cache::default(), start: Instant::now(), fetches: Cell::new(0) }
        }

        async fn get(&self, wanted: SecretRead, second: u64) -> Result<u32, &'static str> {
            let number = || {
                self.fetches.set(self.fetches.get() + 1);
                Ok(SecretString::from(self.fetches.get().to_string()))
            };
            self.ask(wanted, second, number).await
        }

        async fn fail(&self, wanted: SecretRead, second: u64) -> Result<u32, &'static str> {
            self.ask(wanted, second, || Err("not reachable")).await
        }

        async fn ask(
            &self,
            wanted: SecretRead,
            second: u64,
            fetch: impl FnOnce() -> Result<SecretString, &'static str>,
        ) -> Result<u32, &'static str> {
            let now = self.start + Duration::from_secs(second);
            let parse = |text: &SecretString| text.expose_secret().parse().map_err(|_| "not a number");
            self.cache.get("corp", wanted, now, async || fetch(), parse).await
        }
    }

    use SecretRead::{CachedSecret, Current};

    #[tokio::test]
    async fn a_value_is_kept_for_five_minutes() {
        let scene = CacheFixture::new();
        for (second, expect) in [(0, 1), (1, 1), (299, 1), (300, 2), (599, 2), (600, 3)] {
            assert_eq!(scene.get(CachedSecret, second).await, Ok(expect), "after {second} s");
        }
    }

    #[tokio::test]
    async fn who_was_refused_gets_the_current_value_but_not_too_often() {
        let scene = CacheFixture::new();
        for (wanted, second, expect) in [
            (CachedSecret, 0, 1),
            (Current, 0, 2),
            (Current, 2, 2),
            (CachedSecret, 2, 2),
            (Current, 3, 3),
            (Current, 4, 3),
            (CachedSecret, 302, 3),
            (CachedSecret, 303, 4),
            (Current, 303, 5),
        ] {
            assert_eq!(scene.get(wanted, second).await, Ok(expect), "{wanted:?} after {second} s");
        }
    }

    #[tokio::test]
    async fn a_fetch_in_vain_changes_nothing() {
        let scene = CacheFixture::new();
        assert_eq!(scene.fail(CachedSecret, 0).await, Err("not reachable"));
        assert_eq!(scene.get(CachedSecret, 0).await, Ok(1), "a failure is not kept");
        assert_eq!(scene.fail(Current, 10).await, Err("not reachable"));
        assert_eq!(scene.fail(Current, 11).await, Ok(1), "it is not tried again at once");
        assert_eq!(scene.get(CachedSecret, 299).await, Ok(1));
        assert_eq!(scene.get(CachedSecret, 300).await, Ok(2), "nor does it make the value younger");
    }

    #[tokio::test]
    async fn what_can_not_be_read_is_not_kept() {
        let scene = CacheFixture::new();
        let broken = || Ok(SecretString::from("{"));
        assert_eq!(scene.ask(CachedSecret, 0, broken).await, Err("not a number"));
        assert_eq!(scene.get(CachedSecret, 0).await, Ok(1));
        assert_eq!(scene.ask(Current, 1, broken).await, Err("not a number"));
        assert_eq!(scene.get(CachedSecret, 1).await, Ok(1));
        // Good for one reader, and not what another needs: then that one looks whether it has changed.
        let other =
            |text: &SecretString| if text.expose_secret() == "{}" { Ok(7) } else { Err("not my shape") };
        let fetched =
            scene.cache.get("corp", CachedSecret, scene.start, async || Ok("{}".into()), other).await;
        assert_eq!(fetched, Ok(7));
    }

    #[tokio::test]
    async fn secrets_do_not_get_mixed_up() {
        let scene = CacheFixture::new();
        scene.get(CachedSecret, 0).await.unwrap();
        let parse = |text: &SecretString| Ok::<_, ()>(text.expose_secret().to_owned());
        let other =
            scene.cache.get("other", CachedSecret, scene.start, async || Ok("its own".into()), parse).await;
        assert_eq!(other.as_deref(), Ok("its own"));
        assert_eq!(scene.get(CachedSecret, 0).await, Ok(1));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn those_who_ask_together_cause_one_fetch() {
        const CALLERS: usize = 16;
        for wanted in [CachedSecret, Current] {
            let (cache, fetches) = (Arc::new(Cache::default()), Arc::new(AtomicUsize::new(0)));
            let now = Instant::now();
            let ask = |_| {
                let (cache, fetches) = (cache.clone(), fetches.clone());
                tokio::spawn(async move {
                    let fetch = async || {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        Ok::<_, ()>(fetches.fetch_add(1, Ordering::SeqCst).to_string().into())
                    };
                    let parse = |text: &SecretString| Ok(text.expose_secret().to_owned());
                    cache.get("corp", wanted, now, fetch, parse).await
                })
            };
            let callers: Vec<_> = (0..CALLERS).map(ask).collect();
            for caller in callers {
                assert_eq!(caller.await.unwrap().as_deref(), Ok("0"));
            }
            assert_eq!(fetches.load(Ordering::SeqCst), 1, "{wanted:?}");
        }
    }
}
