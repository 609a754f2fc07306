//! Simulated SCIM targets for development and tests.
//!
//! The simulator speaks the SCIM v2 dialect of Workplace (and of Meta Admin Center, v1, and plain RFC 7644) over
//! real HTTP, keeps its accounts in memory, and can inject faults. The API's documentation has gaps, and a client must
//! work with every plausible answer, so each fact that is not certain is a switch in [`SimulatorOptions`], and the defaults are what is documented.
//!
//! Comments give the certainty of a fact:
//!
//! - **\[doc\]** Meta's or an identity vendor's documentation says it;
//! - **\[sample\]** Meta's published samples do it;
//! - **\[seen\]** a client that ran against the live API relied on it;
//! - **\[inferred\]** our conclusion.
//!
//! In a test:
//!
//! ```
//! # async fn example() -> anyhow::Result<()> {
//! use simulator::{FaultEffect, TargetFault, SimulatorOptions, Simulator};
//!
//! let workplace = Simulator::start(SimulatorOptions::default()).await?;
//! workplace.seed(serde_json::json!({"userName": "ada@acme.test", "active": true}));
//!
//! // The next update takes effect, but the answer never arrives.
//! workplace.inject(TargetFault::once(FaultEffect::EffectThenDrop).method("PUT"));
//!
//! // … run a client against workplace.url() with workplace.token() …
//! assert_eq!(workplace.writes().len(), 0);
//! # Ok(())
//! # }
//! ```
//!
//! As a program: `cargo run -p simulator -- --port 8080`; `--help` lists the switches. The endpoints under `/_simulator/`
//! need no token (the server listens on loopback only):
//!
//! ```text
//! curl localhost:8080/_simulator/accounts
//! curl localhost:8080/_simulator/requests
//! curl localhost:8080/_simulator/faults -d '{"times":3,"effect":{"kind":"answer","status":503}}'
//! curl localhost:8080/_simulator/faults -d '{"effect":{"kind":"effect-then-drop"},"matches":{"method":"POST"}}'
//! curl -X DELETE localhost:8080/_simulator/faults
//! curl -X POST localhost:8080/_simulator/reset
//! ```
//!
//! The same requests in the same order get the same responses: ids count up from 100000000000001 and dates are fixed.

mod simulator;

mod options;

mod connection;
mod control;
mod http;

mod call;
mod faults;
mod proof;
mod requests;
mod state;

mod users;

mod attributes;
mod check;
mod filter;
mod merge;
mod patch;
mod path;
mod schema;
mod spelling;

mod accounts;
mod discovery;
mod reply;
mod resource;

pub use faults::{FaultEffect, FaultMatch, TargetFault};
pub use options::{
    ActiveForm, DateForm, EmptyListForm, EmptyValueRule, ErrorShape, IdForm, NoTargetRule, Product, PutRule,
    SimulatorOptions, UndeclaredExtensionRule, UnknownAttributeRule,
};
pub use reply::{ReplyBody, SimulatedReply};
pub use requests::RecordedRequest;
pub use simulator::Simulator;
