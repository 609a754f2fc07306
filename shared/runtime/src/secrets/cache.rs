//! Cache of fetched secrets.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use secrecy::SecretString;

/// Age up to which a cached secret is used without a new fetch.
const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// Shortest time between two fetches after refusals. While a token is wrong, the request of every user is refused, and
/// each of them would fetch.
const REFETCH_PAUSE: Duration = Duration::from_secs(3);

/// Which value of a secret a caller accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SecretRead {
    /// The cached value, unless it is too old.
    Cached,
    /// The current value, because the cached one was refused.
    Current,
}

/// A request for a secret at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct SecretRequest<'a> {
    pub id: &'a str,
    pub read: SecretRead,
    pub now: Instant,
}

/// Fetched secrets by id.
#[derive(Default)]
pub(super) struct Cache {
    slots: Mutex<HashMap<String, Arc<tokio::sync::Mutex<CacheSlot>>>>,
}

/// One secret of the cache.
#[derive(Default)]
struct CacheSlot {
    /// The last valid value and the time of its fetch. It is wiped from memory when it is dropped.
    cached: Option<(SecretString, Instant)>,
    /// Time of the last fetch after a refusal, successful or not.
    refetched: Option<Instant>,
}

impl Cache {
    /// The value of a secret, cached or fetched. Concurrent callers share one fetch. Only a value that can be parsed is
    /// cached, so a corrected secret is used at once. A failed fetch keeps the cached value.
    pub(super) async fn get<T, E>(
        &self,
        SecretRequest { id, read, now }: SecretRequest<'_>,
        fetch: impl AsyncFnOnce() -> Result<SecretString, E>,
        parse: impl Fn(&SecretString) -> Result<T, E>,
    ) -> Result<T, E> {
        let slot = self.slot(id);
        let mut slot = slot.lock().await;
        if let Some(value) = slot.usable(read, now).and_then(|text| parse(text).ok()) {
            return Ok(value);
        }
        if read == SecretRead::Current {
            slot.refetched = Some(now);
        }
        let text = fetch().await?;
        let value = parse(&text)?;
        slot.cached = Some((text, now));
        Ok(value)
    }

    fn slot(&self, id: &str) -> Arc<tokio::sync::Mutex<CacheSlot>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.entry(id.to_owned()).or_default().clone()
    }
}

impl CacheSlot {
    fn usable(&self, read: SecretRead, now: Instant) -> Option<&SecretString> {
        let (text, fetched) = self.cached.as_ref()?;
        let (limit, since) = match read {
            SecretRead::Cached => (LIFETIME, *fetched),
            SecretRead::Current => (REFETCH_PAUSE, self.refetched?),
        };
        (now.saturating_duration_since(since) < limit).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use secrecy::ExposeSecret;

    use super::*;

    /// A cache of one secret with the number of the fetch as its value, and a clock.
    struct CacheFixture {
        cache: Cache,
        start: Instant,
        fetches: Cell<u32>,
    }

    impl CacheFixture {
        fn new() -> Self {
            Self { cache: Cache::default(), start: Instant::now(), fetches: Cell::new(0) }
        }

        async fn get(&self, read: SecretRead, second: u64) -> Result<u32, &'static str> {
            let number = || {
                self.fetches.set(self.fetches.get() + 1);
                Ok(SecretString::from(self.fetches.get().to_string()))
            };
            self.get_with(read, second, number).await
        }

        async fn fail(&self, read: SecretRead, second: u64) -> Result<u32, &'static str> {
            self.get_with(read, second, || Err("not reachable")).await
        }

        async fn get_with(
            &self,
            read: SecretRead,
            second: u64,
            fetch: impl FnOnce() -> Result<SecretString, &'static str>,
        ) -> Result<u32, &'static str> {
            let now = self.start + Duration::from_secs(second);
            let parse = |text: &SecretString| text.expose_secret().parse().map_err(|_| "not a number");
            self.cache.get(SecretRequest { id: "corp", read, now }, async || fetch(), parse).await
        }
    }

    use SecretRead::{Cached, Current};

    #[tokio::test]
    async fn value_is_cached_for_five_minutes() {
        let fixture = CacheFixture::new();
        for (second, expect) in [(0, 1), (1, 1), (299, 1), (300, 2), (599, 2), (600, 3)] {
            assert_eq!(fixture.get(Cached, second).await, Ok(expect), "after {second} s");
        }
    }

    #[tokio::test]
    async fn current_value_is_fetched_at_most_every_three_seconds() {
        let fixture = CacheFixture::new();
        for (read, second, expect) in [
            (Cached, 0, 1),
            (Current, 0, 2),
            (Current, 2, 2),
            (Cached, 2, 2),
            (Current, 3, 3),
            (Current, 4, 3),
            (Cached, 302, 3),
            (Cached, 303, 4),
            (Current, 303, 5),
        ] {
            assert_eq!(fixture.get(read, second).await, Ok(expect), "{read:?} after {second} s");
        }
    }

    #[tokio::test]
    async fn failed_fetch_keeps_the_cached_value() {
        let fixture = CacheFixture::new();
        assert_eq!(fixture.fail(Cached, 0).await, Err("not reachable"));
        assert_eq!(fixture.get(Cached, 0).await, Ok(1), "a failure is not cached");
        assert_eq!(fixture.fail(Current, 10).await, Err("not reachable"));
        assert_eq!(fixture.fail(Current, 11).await, Ok(1), "no fetch within three seconds");
        assert_eq!(fixture.get(Cached, 299).await, Ok(1));
        assert_eq!(fixture.get(Cached, 300).await, Ok(2), "a failed fetch does not renew the value");
    }

    #[tokio::test]
    async fn invalid_value_is_not_cached() {
        let fixture = CacheFixture::new();
        let broken = || Ok(SecretString::from("{"));
        assert_eq!(fixture.get_with(Cached, 0, broken).await, Err("not a number"));
        assert_eq!(fixture.get(Cached, 0).await, Ok(1));
        assert_eq!(fixture.get_with(Current, 1, broken).await, Err("not a number"));
        assert_eq!(fixture.get(Cached, 1).await, Ok(1));
        // A value that one caller can parse and another can not: the other fetches it again.
        let other =
            |text: &SecretString| if text.expose_secret() == "{}" { Ok(7) } else { Err("not my shape") };
        let fetched = fixture
            .cache
            .get(
                SecretRequest { id: "corp", read: Cached, now: fixture.start },
                async || Ok("{}".into()),
                other,
            )
            .await;
        assert_eq!(fetched, Ok(7));
    }

    #[tokio::test]
    async fn secrets_are_cached_by_id() {
        let fixture = CacheFixture::new();
        fixture.get(Cached, 0).await.unwrap();
        let parse = |text: &SecretString| Ok::<_, ()>(text.expose_secret().to_owned());
        let other = fixture
            .cache
            .get(
                SecretRequest { id: "other", read: Cached, now: fixture.start },
                async || Ok("its own".into()),
                parse,
            )
            .await;
        assert_eq!(other.as_deref(), Ok("its own"));
        assert_eq!(fixture.get(Cached, 0).await, Ok(1));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn concurrent_callers_share_one_fetch() {
        const CALLERS: usize = 16;
        for read in [Cached, Current] {
            let (cache, fetches) = (Arc::new(Cache::default()), Arc::new(AtomicUsize::new(0)));
            let now = Instant::now();
            let get = |_| {
                let (cache, fetches) = (cache.clone(), fetches.clone());
                tokio::spawn(async move {
                    let fetch = async || {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        Ok::<_, ()>(fetches.fetch_add(1, Ordering::SeqCst).to_string().into())
                    };
                    let parse = |text: &SecretString| Ok(text.expose_secret().to_owned());
                    cache.get(SecretRequest { id: "corp", read, now }, fetch, parse).await
                })
            };
            let callers: Vec<_> = (0..CALLERS).map(get).collect();
            for caller in callers {
                assert_eq!(caller.await.unwrap().as_deref(), Ok("0"));
            }
            assert_eq!(fetches.load(Ordering::SeqCst), 1, "{read:?}");
        }
    }
}
