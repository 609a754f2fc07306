use scim::{DeleteOutcome, TargetError};
use serde_json::json;
use simulator::{ErrorShape, FaultEffect, SimulatorOptions, TargetFault};

use crate::support::*;

#[tokio::test]
async fn unclaimed_account_is_deleted() {
    let (workplace, target, now) = with_ada(SimulatorOptions::default(), json!({})).await;
    assert!(matches!(target.delete(&owned(&now), Some(&name(ADA))).await, Ok(DeleteOutcome::Gone(_))));
    assert_eq!(workplace.accounts().len(), 0);
    assert!(matches!(target.delete(&owned(&now), Some(&name(ADA))).await, Ok(DeleteOutcome::Gone(_))));
}

#[tokio::test]
async fn claimed_account_is_kept() {
    for error_shape in [ErrorShape::Errors, ErrorShape::Scim, ErrorShape::Graph, ErrorShape::Empty] {
        let (workplace, target, now) =
            with_ada(SimulatorOptions { error_shape, ..SimulatorOptions::default() }, json!({})).await;
        workplace.set_claimed(ADA, true);
        assert_eq!(target.fetch(&now.account.id).await.unwrap().account.can_delete, Some(false));
        for status in [412, 400, 403, 405, 409, 500, 501] {
            if status != 412 {
                workplace.inject(TargetFault::always(FaultEffect::status(status)).method("DELETE"));
            }
            let deleted = target.delete(&owned(&now), Some(&name(ADA))).await;
            assert!(
                matches!(deleted, Ok(DeleteOutcome::Refused(_))),
                "{status} {error_shape:?}: {deleted:?}"
            );
            workplace.clear_faults();
        }
        assert_eq!(workplace.accounts().len(), 1);
    }
}

#[tokio::test]
async fn delete_without_effect_is_no_proof_that_the_account_is_gone() {
    for status in [200, 204, 404] {
        let (workplace, target, now) = with_ada(SimulatorOptions::default(), json!({})).await;
        workplace.inject(TargetFault::always(FaultEffect::status(status)).method("DELETE"));
        let deleted = target.delete(&owned(&now), Some(&name(ADA))).await;
        assert!(matches!(deleted, Ok(DeleteOutcome::Refused(TargetError::NotApplied { .. }))), "{deleted:?}");
    }
}

#[tokio::test]
async fn repeated_delete_after_a_lost_response_means_already_gone() {
    let (workplace, target, now) = with_ada(SimulatorOptions::default(), json!({})).await;
    workplace.inject(TargetFault::once(FaultEffect::EffectThenDrop));
    assert!(matches!(target.delete(&owned(&now), Some(&name(ADA))).await, Ok(DeleteOutcome::Gone(_))));
}

#[tokio::test]
async fn unauthorized_delete_is_not_a_refusal() {
    let (workplace, target, now) = with_ada(SimulatorOptions::default(), json!({})).await;
    workplace.inject(TargetFault::once(FaultEffect::TokenExpired));
    assert!(matches!(
        target.delete(&owned(&now), Some(&name(ADA))).await,
        Err(TargetError::Unauthorized { .. })
    ));
}

#[tokio::test]
async fn proxy_404_does_not_mean_deleted() {
    let mock = Mock::responding(404, &[("content-type", "text/html")], "<html>Not found</html>").await;
    let deleted = mock.target().delete(&unknown_account(), None).await;
    assert!(matches!(deleted, Ok(DeleteOutcome::Refused(TargetError::Unavailable { .. }))), "{deleted:?}");
    assert!(matches!(
        mock.target().fetch(unknown_account().id()).await,
        Err(TargetError::Unavailable { .. })
    ));
}
