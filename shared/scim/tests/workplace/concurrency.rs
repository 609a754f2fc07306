//! Limit of concurrent calls.

use std::time::Duration;

use scim::{Dialect, Target, TargetOptions};
use simulator::{Simulator, SimulatorOptions};

use crate::support::{ADA, QUICK, credentials, name, options_at};

#[tokio::test]
async fn concurrent_calls_stay_within_the_limit() {
    const LATENCY: Duration = Duration::from_millis(60);
    let workplace = Simulator::start(SimulatorOptions::default()).await.expect("a free port");
    workplace.set_latency(LATENCY);
    let options = TargetOptions { max_concurrent_calls: 2, ..options_at(&workplace.url(), QUICK) };
    let dialect = Dialect::named("workplace").expect("a dialect");
    let target = Target::new(dialect, options, credentials(&workplace.token())).expect("loopback");
    let ada = name(ADA);
    let call = || async { target.find_by_user_name(&ada).await.expect("a response") };
    tokio::join!(call(), call(), call(), call(), call(), call());

    let mut times: Vec<_> = workplace.requests().iter().map(|request| request.at).collect();
    times.sort_unstable();
    assert_eq!(times.len(), 6);
    for three in times.windows(3) {
        assert!(three[2] - three[0] >= LATENCY, "{times:?}");
    }
}
