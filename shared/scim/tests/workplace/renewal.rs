//! The token is rotated while the client is at work.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use scim::{Target, TargetCredentials, TargetError};
use serde_json::json;
use simulator::{Content, Effect, Fault, Options, Reply, Simulator};
use tokio::time::sleep;

use crate::proof;
use crate::support::*;

/// Where new credentials come from, and how often it was asked.
#[derive(Clone, Default)]
struct Keeper(Arc<AtomicUsize>);

impl Keeper {
    /// The target with this keeper, which takes its time and then says what this says.
    fn of(
        &self,
        target: Target,
        says: impl Fn() -> Option<TargetCredentials> + Send + Sync + 'static,
    ) -> Target {
        let (asked, says) = (self.0.clone(), Arc::new(says));
        target.with_renewal(move || {
            asked.fetch_add(1, Ordering::SeqCst);
            let says = says.clone();
            async move {
                sleep(Duration::from_millis(20)).await;
                says()
            }
        })
    }

    fn asked(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// A simulated Workplace, a client for it, and a keeper who always knows its token.
async fn kept_workplace() -> (Arc<Simulator>, Target, Keeper) {
    let (workplace, target) = workplace(Options::default()).await;
    let (workplace, keeper) = (Arc::new(workplace), Keeper::default());
    let told = workplace.clone();
    let target = keeper.of(target, move || Some(credentials(&told.token())));
    (workplace, target, keeper)
}

/// All that is done for somebody new, with every method.
async fn provision(target: &Target, user_name: &str) -> Result<(), TargetError> {
    let wanted = user(user_name, [("name.formatted", text("Somebody")), ("title", text("Analyst"))]);
    assert!(target.find_by_user_name(&name(user_name)).await?.is_none());
    let created = target.create(&wanted).await?;
    let updated = target.update(&owned(&created), &created, &wanted).await?;
    target.set_active(&owned(&updated), false).await?;
    target.delete(&owned(&updated)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_in_mid_run_costs_no_user_and_one_renewal() {
    const WORKERS: usize = 8;
    const USERS: usize = 6;
    let (workplace, target, keeper) = kept_workplace().await;
    workplace.set_latency(Duration::from_millis(5));
    let target = Arc::new(target);
    let work = |worker: usize| {
        let (target, workplace) = (target.clone(), workplace.clone());
        tokio::spawn(async move {
            for number in 0..USERS {
                if (worker, number) == (0, USERS / 2) {
                    workplace.set_token("rotated");
                }
                provision(&target, &format!("user-{worker}-{number}@acme.test")).await.unwrap();
            }
        })
    };
    let workers: Vec<_> = (0..WORKERS).map(work).collect();
    for worker in workers {
        worker.await.unwrap();
    }

    assert_eq!(keeper.asked(), 1);
    let refused = workplace.requests().iter().filter(|request| request.status == 401).count();
    assert!((1..=WORKERS).contains(&refused), "{refused} calls were refused");
    assert_eq!(workplace.request_count(), WORKERS * USERS * 5 + refused, "each was made once more");
}

#[tokio::test]
async fn a_creation_is_made_once_more() {
    let (workplace, target, keeper) = kept_workplace().await;
    workplace.set_token("rotated");
    target.create(&ada([])).await.unwrap();
    assert_eq!((workplace.writes().len(), workplace.accounts().len(), keeper.asked()), (2, 1, 1));
    target.check().await.unwrap();
    assert_eq!((workplace.request_count(), keeper.asked()), (3, 1), "the new token stays");
}

#[tokio::test]
async fn a_new_token_that_is_refused_too_is_the_end() {
    let mock = Mock::answering(401, &[], "").await;
    let keeper = Keeper::default();
    let counter = AtomicUsize::new(0);
    let target = keeper.of(mock.target(), move || {
        Some(credentials(&format!("token-{}", counter.fetch_add(1, Ordering::SeqCst))))
    });
    let error = target.create(&ada([])).await.unwrap_err();
    assert!(matches!(error, TargetError::Unauthorized { .. }), "{error}");
    assert_eq!(mock.tokens(), ["the-token", "token-0"]);
    assert!(target.check().await.is_err());
    assert_eq!(mock.tokens(), ["the-token", "token-0", "token-0", "token-1"], "the next call asks again");
}

#[tokio::test]
async fn graphs_own_word_for_a_bad_token_counts_under_any_status() {
    for status in [200, 400, 500] {
        let (workplace, target, keeper) = kept_workplace().await;
        let expired = json!({"error": {"message": "expired", "type": "OAuthException", "code": 190}});
        workplace.inject(Fault::once(Effect::Answer(Reply::status(status).content(Content::Json(expired)))));
        workplace.set_token("rotated");
        target.create(&ada([])).await.unwrap();
        assert_eq!((workplace.writes().len(), keeper.asked()), (2, 1), "{status}");
    }
}

#[tokio::test]
async fn the_same_token_again_changes_nothing() {
    type Says = fn() -> Option<TargetCredentials>;
    let nothing_new: [Says; 4] = [
        || Some(credentials("the-token")),
        || Some(credentials(" the-token\n")),
        || Some(credentials("un\nusable")),
        || None,
    ];
    for says in nothing_new {
        let mock = Mock::answering(401, &[], "").await;
        let keeper = Keeper::default();
        let target = keeper.of(mock.target(), says);
        let error = target.create(&ada([])).await.unwrap_err();
        assert!(matches!(error, TargetError::Unauthorized { .. }), "{error}");
        assert_eq!((mock.asked().len(), keeper.asked()), (1, 1));
        assert!(target.check().await.is_err());
        assert_eq!((mock.asked().len(), keeper.asked()), (2, 2), "another call asks for itself");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn those_refused_together_ask_together() {
    const CALLS: usize = 8;
    let mock = Arc::new(Mock::answering(401, &[], "").await);
    let asked = Arc::new(AtomicUsize::new(0));
    let (everybody, count) = (mock.clone(), asked.clone());
    let target = Arc::new(mock.target().with_renewal(move || {
        count.fetch_add(1, Ordering::SeqCst);
        let everybody = everybody.clone();
        async move {
            while everybody.asked().len() < CALLS {
                sleep(Duration::from_millis(1)).await;
            }
            // Time for the last one to read its answer and to queue.
            sleep(Duration::from_millis(300)).await;
            None
        }
    }));
    let call = |_| {
        let target = target.clone();
        tokio::spawn(async move { target.check().await })
    };
    let calls: Vec<_> = (0..CALLS).map(call).collect();
    for call in calls {
        assert!(matches!(call.await.unwrap(), Err(TargetError::Unauthorized { .. })));
    }
    assert_eq!((mock.asked().len(), asked.load(Ordering::SeqCst)), (CALLS, 1));
}

#[tokio::test]
async fn whoever_hears_of_it_late_just_tries_again() {
    let (workplace, target, keeper) = kept_workplace().await;
    workplace.set_token("rotated");
    workplace.inject(Fault::once(Effect::EffectThenDelay { ms: 500 }).method("GET"));
    let others = async {
        while workplace.request_count() == 0 {
            sleep(Duration::from_millis(1)).await;
        }
        target.create(&ada([])).await
    };
    let (late, created) = tokio::join!(target.check(), others);
    assert!(late.is_ok() && created.is_ok());
    assert_eq!((workplace.request_count(), keeper.asked()), (4, 1));
}

#[tokio::test]
async fn whoever_gives_up_while_asking_does_not_hold_up_the_others() {
    let (workplace, target) = workplace(Options::default()).await;
    let told = Arc::new(workplace);
    let (first, answer) = (AtomicUsize::new(0), told.clone());
    let target = target.with_renewal(move || {
        let is_first = first.fetch_add(1, Ordering::SeqCst) == 0;
        let answer = answer.clone();
        async move {
            if is_first {
                std::future::pending::<()>().await;
            }
            Some(credentials(&answer.token()))
        }
    });
    told.set_token("rotated");
    assert!(tokio::time::timeout(Duration::from_millis(300), target.check()).await.is_err());
    target.check().await.unwrap();
}

#[tokio::test]
async fn neither_the_old_nor_the_new_token_is_repeated() {
    let complaint = json!({"detail": "not the-token, nor NEXT-token, nor the last-token"}).to_string();
    let mock = Mock::answering(401, &[], complaint).await;
    let keeper = Keeper::default();
    let counter = AtomicUsize::new(0);
    let tokens = ["next-token", "last-token\n"];
    let target = keeper.of(mock.target(), move || {
        tokens.get(counter.fetch_add(1, Ordering::SeqCst)).map(|token| credentials(token))
    });
    let mut said = format!("{target:?}");
    for _ in 0..3 {
        let error = target.create(&ada([])).await.unwrap_err();
        said = format!("{said}\n{error}\n{error:?}\n{target:?}");
    }
    assert_eq!(mock.tokens(), ["the-token", "next-token", "next-token", "last-token", "last-token"]);
    let last = said.lines().rev().nth(2).unwrap();
    assert!(last.ends_with("HTTP 401: not (token), nor (token), nor the (token)"), "{last}");
    let lower = said.to_lowercase();
    assert!(!lower.contains("the-token") && !lower.contains("next-token"), "{said}");
}

/// All that is logged, whatever the level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_token_is_logged() {
    let log = Log::default();
    let writer = log.clone();
    let everything = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // For all threads: for one alone, what another thread logged first would stay silent here too.
    tracing::subscriber::set_global_default(everything).unwrap();

    let (workplace, target, _) = kept_workplace().await;
    for token in ["logged-first", "logged-second", "un\nlogged-third"] {
        workplace.set_token(token);
        let _ = target.create(&ada([])).await;
    }
    workplace.set_token("logged-fourth");
    workplace.set_app_secret("logged-app-secret");
    let asked = workplace.request_count();
    let proven = proof::client(&workplace, "logged-app-secret", || model::UnixSeconds(NOON));
    let _ = proven.check().await;
    let proof = workplace.requests()[asked].query["appsecret_proof"].clone();
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for message in ["target answered", "another one is in use now", "can't be used"] {
        assert!(logged.contains(message), "{message}");
    }
    assert!(!logged.contains("logged-") && !logged.contains(&proof), "{logged}");
}
