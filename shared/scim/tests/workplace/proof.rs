//! App secret proof, checked by a server that requires it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use model::UnixSeconds;
use scim::{Dialect, Target, TargetCredentials, TargetError, TargetOptions};
use serde_json::json;
use simulator::{FaultEffect, Simulator, SimulatorOptions, TargetFault};

use crate::support::*;

const APP_SECRET: &str = "app-secret-1";

pub fn both(token: &str, app_secret: &str) -> TargetCredentials {
    TargetCredentials { app_secret: Some(app_secret.into()), ..credentials(token) }
}

/// Server with a fixed clock that requires the proof.
async fn requiring_proof() -> Arc<Simulator> {
    let options = SimulatorOptions {
        app_secret: Some(APP_SECRET.to_owned()),
        clock: || NOON,
        ..SimulatorOptions::default()
    };
    Arc::new(Simulator::start(options).await.expect("a free port"))
}

pub fn client(workplace: &Simulator, app_secret: &str, now: fn() -> UnixSeconds) -> Target {
    let options = TargetOptions { now, ..options_at(&workplace.url(), QUICK) };
    let dialect = Dialect::named("workplace").expect("a dialect");
    Target::new(dialect, options, both(&workplace.token(), app_secret)).expect("loopback")
}

fn noon() -> UnixSeconds {
    UnixSeconds(NOON)
}

/// Number of calls of [`provision`]: each method, and one call with a query.
const CALLS: usize = 7;

/// Makes the calls, and reports the number of each before it.
async fn provision(target: &Target, user_name: &str, before: impl Fn(usize)) -> Result<(), TargetError> {
    let wanted = user(user_name, [("name.formatted", text("Ada")), ("title", text("Analyst"))]);
    before(0);
    assert!(target.find_by_user_name(&name(user_name)).await?.is_none());
    before(1);
    let created = target.create(&wanted).await?;
    let account = owned(&created);
    let operations = [scim::PatchOperation::Remove { attribute: "title".into() }];
    before(2);
    let whole = target.fetch(account.id()).await?;
    before(3);
    target.update(&account, &whole, &wanted).await?;
    before(4);
    target.patch(&account, &operations).await?;
    before(5);
    target.list(1).await?;
    before(6);
    target.delete(&account, None).await?;
    Ok(())
}

#[tokio::test]
async fn each_call_carries_a_proof() {
    let workplace = requiring_proof().await;
    provision(&client(&workplace, APP_SECRET, noon), ADA, |_| ()).await.unwrap();
    // The deletion is verified by a GET.
    assert_eq!(workplace.request_count(), CALLS + 1);
    for request in workplace.requests() {
        assert!(request.status < 300 || request.status == 404, "{request}");
        let proof = request.query.get("appsecret_proof").expect("a proof");
        assert!(proof.len() == 64 && !proof.contains(char::is_uppercase), "{proof}");
        assert_eq!(request.query.get("appsecret_time"), Some(&NOON.to_string()));
    }
}

#[tokio::test]
async fn no_proof_without_an_app_secret() {
    let (workplace, target) = workplace(SimulatorOptions::default()).await;
    target.check().await.unwrap();
    let blank = client(&workplace, " \n", noon);
    blank.check().await.unwrap();
    for request in workplace.requests() {
        assert!(!request.query.keys().any(|name| name.starts_with("appsecret")), "{request}");
    }
}

#[tokio::test]
async fn missing_wrong_or_old_proof_is_unauthorized() {
    for status in [400, 401, 403] {
        let workplace = requiring_proof().await;
        workplace.change_options(|options| options.bad_proof_status = status);
        let without = target_at(&workplace.url(), &workplace.token(), QUICK).unwrap();
        for target in [
            without,
            client(&workplace, "another", noon),
            client(&workplace, APP_SECRET, || UnixSeconds(NOON - 301)),
            client(&workplace, APP_SECRET, || UnixSeconds(NOON + 301)),
        ] {
            for error in [target.check().await.unwrap_err(), target.create(&ada([])).await.unwrap_err()] {
                assert!(matches!(error, TargetError::Unauthorized { .. }), "{status}: {error}");
            }
        }
        client(&workplace, APP_SECRET, || UnixSeconds(NOON - 300)).check().await.unwrap();
        assert_eq!(workplace.accounts().len(), 0);
    }
}

#[tokio::test]
async fn each_attempt_has_its_own_proof() {
    static CLOCK: AtomicI64 = AtomicI64::new(NOON);
    let workplace = requiring_proof().await;
    let target = client(&workplace, APP_SECRET, || UnixSeconds(CLOCK.fetch_add(1, Ordering::SeqCst)));
    workplace.inject(TargetFault::times(2, FaultEffect::status(503)));
    target.check().await.unwrap();
    let asked = workplace.requests();
    let of = |name: &str| asked.iter().map(|request| request.query[name].clone()).collect::<Vec<_>>();
    let times: Vec<_> = (NOON..NOON + 3).map(|time| time.to_string()).collect();
    assert_eq!(of("appsecret_time"), times);
    let mut proofs = of("appsecret_proof");
    proofs.dedup();
    assert_eq!(proofs.len(), 3);
}

#[tokio::test]
async fn rotation_during_a_run_fails_no_user() {
    // A new token, a new app secret, or both.
    for (token, app_secret) in
        [("simulator-token", "app-secret-2"), ("rotated", APP_SECRET), ("rotated", "app-secret-2")]
    {
        for first_refused in 0..CALLS {
            let workplace = requiring_proof().await;
            let told = workplace.clone();
            let target = client(&workplace, APP_SECRET, noon).with_renewal(move || {
                let now = both(&told.token(), app_secret);
                async move { Some(now) }
            });
            let rotate = |call| {
                if call == first_refused {
                    workplace.change_options(|options| {
                        options.token = token.to_owned();
                        options.app_secret = Some(app_secret.to_owned());
                    });
                }
            };
            provision(&target, ADA, rotate).await.unwrap();
            provision(&target, ADA, |_| ()).await.unwrap();

            let refused = |(number, request): (usize, simulator::RecordedRequest)| {
                (request.status >= 400 && request.status != 404).then_some(number)
            };
            let refused: Vec<_> = workplace.requests().into_iter().enumerate().filter_map(refused).collect();
            assert_eq!(refused, [first_refused], "{token} {app_secret}");
            assert_eq!(
                workplace.request_count(),
                2 * (CALLS + 1) + 1,
                "{token} {app_secret} {first_refused}"
            );
        }
    }
}

#[tokio::test]
async fn secret_and_proof_are_redacted_from_error_texts() {
    let workplace = requiring_proof().await;
    let target = client(&workplace, APP_SECRET, noon);
    target.check().await.unwrap();
    let proof = workplace.requests()[0].query["appsecret_proof"].clone();
    let error_body = json!({"detail": format!("{APP_SECRET} and {} are no good", proof.to_uppercase())});
    let mock = Mock::responding(400, &[], error_body.to_string()).await;
    let options = options_at(&mock.url, QUICK);
    let dialect = Dialect::named("workplace").expect("a dialect");
    let target = Target::new(dialect, options, both(&workplace.token(), APP_SECRET)).unwrap();
    let error = target.create(&ada([])).await.unwrap_err();
    assert!(error.to_string().ends_with("HTTP 400: (token) and (token) are no good"), "{error}");
    assert!(mock.requests()[0].contains(&proof), "the proof was sent to the mock");
    let output = format!("{error:?} {target:?} {:?}", both("simulator-token", APP_SECRET)).to_lowercase();
    assert!(!output.contains(APP_SECRET) && !output.contains(&proof), "{output}");
}
