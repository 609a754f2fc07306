use scim::{DeleteOutcome, TargetError};
use serde_json::json;
use simulator::{ErrorShape, FaultEffect, SimulatorOptions, TargetFault};

use crate::support::*;

#[tokio::test]
async fn unclaimed_account_is_deleted() {
    let (workplace, target, now) = with_ada(SimulatorOptions::default(), json!({})).await;
    assert_eq!(target.delete(&owned(&now)).await, Ok(DeleteOutcome::Deleted));
    assert_eq!(workplace.accounts().len(), 0);
    assert_eq!(target.delete(&owned(&now)).await, Ok(DeleteOutcome::AlreadyGone));
}

#[tokio::test]
async fn claimed_account_is_kept() {
    for error_shape in [ErrorShape::Errors, ErrorShape::Scim, ErrorShape::Graph, ErrorShape::Empty] {
        let (workplace, target, now) =
            with_ada(SimulatorOptions { error_shape, ..SimulatorOptions::default() }, json!({})).await;
        workplace.set_claimed(ADA, true);
        assert_eq!(target.fetch(&now.account.id).await.unwrap().account.can_delete, Some(false));
        for status in [412, 403, 405, 501] {
            if status != 412 {
                workplace.inject(TargetFault::once(FaultEffect::status(status)));
            }
            let deleted = target.delete(&owned(&now)).await;
            assert!(
                matches!(deleted, Ok(DeleteOutcome::Refused { .. })),
                "{status} {error_shape:?}: {deleted:?}"
            );
        }
        assert_eq!(workplace.accounts().len(), 1);
    }
}

#[tokio::test]
async fn repeated_delete_after_a_lost_response_means_already_gone() {
    let (workplace, target, now) = with_ada(SimulatorOptions::default(), json!({})).await;
    workplace.inject(TargetFault::once(FaultEffect::EffectThenDrop));
    assert_eq!(target.delete(&owned(&now)).await, Ok(DeleteOutcome::AlreadyGone));
}

#[tokio::test]
async fn unauthorized_delete_is_not_a_refusal() {
    let (workplace, target, now) = with_ada(SimulatorOptions::default(), json!({})).await;
    workplace.inject(TargetFault::once(FaultEffect::TokenExpired));
    assert!(matches!(target.delete(&owned(&now)).await, Err(TargetError::Unauthorized { .. })));
}

#[tokio::test]
async fn proxy_404_does_not_mean_deleted() {
    let mock = Mock::responding(404, &[("content-type", "text/html")], "<html>Not found</html>").await;
    assert!(matches!(mock.target().delete(&unknown_account()).await, Err(TargetError::Unavailable { .. })));
    assert!(matches!(
        mock.target().fetch(unknown_account().id()).await,
        Err(TargetError::Unavailable { .. })
    ));
}
