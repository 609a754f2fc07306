//! Token rotation while the client makes calls.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use scim::{Target, TargetCredentials, TargetError};
use serde_json::json;
use simulator::{FaultEffect, ReplyBody, SimulatedReply, Simulator, SimulatorOptions, TargetFault};
use tokio::time::sleep;

use crate::proof;
use crate::support::*;

/// Source of new credentials that counts its calls.
#[derive(Clone, Default)]
struct CredentialSource(Arc<AtomicUsize>);

impl CredentialSource {
    /// Target that renews its credentials from this source after a short delay.
    fn of(
        &self,
        target: Target,
        current: impl Fn() -> Option<TargetCredentials> + Send + Sync + 'static,
    ) -> Target {
        let (asked, current) = (self.0.clone(), Arc::new(current));
        target.with_renewal(move || {
            asked.fetch_add(1, Ordering::SeqCst);
            let current = current.clone();
            async move {
                sleep(Duration::from_millis(20)).await;
                current()
            }
        })
    }

    fn asked(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Simulator, client, and a source that knows the current token.
async fn workplace_with_renewal() -> (Arc<Simulator>, Target, CredentialSource) {
    let (workplace, target) = workplace(SimulatorOptions::default()).await;
    let (workplace, source) = (Arc::new(workplace), CredentialSource::default());
    let told = workplace.clone();
    let target = source.of(target, move || Some(credentials(&told.token())));
    (workplace, target, source)
}

/// Provisions a new user, with each method.
async fn provision(target: &Target, user_name: &str) -> Result<(), TargetError> {
    let wanted = user(user_name, [("name.formatted", text("Ada")), ("title", text("Analyst"))]);
    assert!(target.find_by_user_name(&name(user_name)).await?.is_none());
    let created = target.create(&wanted).await?;
    let updated = target.update(&owned(&created), &created, &wanted).await?;
    target.deactivate(&owned(&updated)).await?;
    target.delete(&owned(&updated), Some(&name(user_name))).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn rotation_during_a_run_fails_no_user_and_renews_once() {
    const WORKERS: usize = 8;
    const USERS: usize = 6;
    let (workplace, target, source) = workplace_with_renewal().await;
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

    assert_eq!(source.asked(), 1);
    let refused = workplace.requests().iter().filter(|request| request.status == 401).count();
    assert!((1..=WORKERS).contains(&refused), "{refused} calls were refused");
    assert_eq!(workplace.request_count(), WORKERS * USERS * 7 + refused, "each was made once more");
}

#[tokio::test]
async fn unauthorized_creation_is_repeated_once() {
    let (workplace, target, source) = workplace_with_renewal().await;
    workplace.set_token("rotated");
    target.create(&ada([])).await.unwrap();
    assert_eq!((workplace.writes().len(), workplace.accounts().len(), source.asked()), (2, 1, 1));
    target.check().await.unwrap();
    assert_eq!((workplace.request_count(), source.asked()), (3, 1), "the new token is kept");
}

#[tokio::test]
async fn second_refused_token_ends_the_call() {
    let mock = Mock::responding(401, &[], "").await;
    let source = CredentialSource::default();
    let counter = AtomicUsize::new(0);
    let target = source.of(mock.target(), move || {
        Some(credentials(&format!("token-{}", counter.fetch_add(1, Ordering::SeqCst))))
    });
    let error = target.create(&ada([])).await.unwrap_err();
    assert!(matches!(error, TargetError::Unauthorized { .. }), "{error}");
    assert_eq!(mock.tokens(), ["the-token", "token-0"]);
    assert!(target.check().await.is_err());
    assert_eq!(mock.tokens(), ["the-token", "token-0", "token-0", "token-1"], "the next call renews again");
}

#[tokio::test]
async fn graph_code_for_an_invalid_token_renews_on_any_status() {
    for status in [200, 400, 500] {
        let (workplace, target, source) = workplace_with_renewal().await;
        let expired = json!({"error": {"message": "expired", "type": "OAuthException", "code": 190}});
        workplace.inject(TargetFault::once(FaultEffect::Answer(
            SimulatedReply::status(status).content(ReplyBody::Json(expired)),
        )));
        workplace.set_token("rotated");
        target.create(&ada([])).await.unwrap();
        assert_eq!((workplace.writes().len(), source.asked()), (2, 1), "{status}");
    }
}

#[tokio::test]
async fn unchanged_token_is_not_tried_again() {
    type Source = fn() -> Option<TargetCredentials>;
    let unchanged: [Source; 4] = [
        || Some(credentials("the-token")),
        || Some(credentials(" the-token\n")),
        || Some(credentials("un\nusable")),
        || None,
    ];
    for current in unchanged {
        let mock = Mock::responding(401, &[], "").await;
        let source = CredentialSource::default();
        let target = source.of(mock.target(), current);
        let error = target.create(&ada([])).await.unwrap_err();
        assert!(matches!(error, TargetError::Unauthorized { .. }), "{error}");
        assert_eq!((mock.requests().len(), source.asked()), (1, 1));
        assert!(target.check().await.is_err());
        assert_eq!((mock.requests().len(), source.asked()), (2, 2), "another call renews again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_refused_together_renew_once() {
    const CALLS: usize = 8;
    let mock = Arc::new(Mock::responding(401, &[], "").await);
    let asked = Arc::new(AtomicUsize::new(0));
    let (waiting, count) = (mock.clone(), asked.clone());
    let target = Arc::new(mock.target().with_renewal(move || {
        count.fetch_add(1, Ordering::SeqCst);
        let waiting = waiting.clone();
        async move {
            while waiting.requests().len() < CALLS {
                sleep(Duration::from_millis(1)).await;
            }
            // Time for the last call to read its response and to queue.
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
    assert_eq!((mock.requests().len(), asked.load(Ordering::SeqCst)), (CALLS, 1));
}

#[tokio::test]
async fn call_refused_after_a_renewal_uses_the_new_token() {
    let (workplace, target, source) = workplace_with_renewal().await;
    workplace.set_token("rotated");
    workplace.inject(TargetFault::once(FaultEffect::EffectThenDelay { ms: 500 }).method("GET"));
    let others = async {
        while workplace.request_count() == 0 {
            sleep(Duration::from_millis(1)).await;
        }
        target.create(&ada([])).await
    };
    let (late, created) = tokio::join!(target.check(), others);
    assert!(late.is_ok() && created.is_ok());
    assert_eq!((workplace.request_count(), source.asked()), (4, 1));
}

#[tokio::test]
async fn cancelled_renewal_does_not_block_other_calls() {
    let (workplace, target) = workplace(SimulatorOptions::default()).await;
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
async fn old_and_new_tokens_are_redacted_from_error_texts() {
    let error_body = json!({"detail": "not the-token, nor NEXT-token, nor the last-token"}).to_string();
    let mock = Mock::responding(401, &[], error_body).await;
    let source = CredentialSource::default();
    let counter = AtomicUsize::new(0);
    let tokens = ["next-token", "last-token\n"];
    let target = source.of(mock.target(), move || {
        tokens.get(counter.fetch_add(1, Ordering::SeqCst)).map(|token| credentials(token))
    });
    let mut output = format!("{target:?}");
    for _ in 0..3 {
        let error = target.create(&ada([])).await.unwrap_err();
        output = format!("{output}\n{error}\n{error:?}\n{target:?}");
    }
    assert_eq!(mock.tokens(), ["the-token", "next-token", "next-token", "last-token", "last-token"]);
    let last = output.lines().rev().nth(2).unwrap();
    assert!(last.ends_with("HTTP 401: not (token), nor (token), nor the (token)"), "{last}");
    let lower = output.to_lowercase();
    assert!(!lower.contains("the-token") && !lower.contains("next-token"), "{output}");
}

/// Log output of all levels.
#[derive(Clone, Default)]
struct LogBuffer(Arc<Mutex<Vec<u8>>>);

impl Write for LogBuffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn tokens_are_not_logged() {
    let log = LogBuffer::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // Global, because a callsite that another thread used first could stay disabled here.
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let (workplace, target, _) = workplace_with_renewal().await;
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
    for message in ["HTTP 401", "using renewed credentials", "can't be used"] {
        assert!(logged.contains(message), "{message}");
    }
    assert!(!logged.contains("logged-") && !logged.contains(&proof), "{logged}");
}
