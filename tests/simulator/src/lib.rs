//! A Workplace account server to develop and test against.
//!
//! The simulator speaks the SCIM v2 dialect of Workplace (and of Meta Admin Center, v1, and plain RFC 7644) over
//! real HTTP, keeps its accounts in memory, and can be told to misbehave. It exists because the API's
//! documentation leaves gaps: a client that has only met one guess at an answer is not tested. So every fact that
//! is not certain is a switch in [`SimulatorOptions`], and the defaults are what is documented.
//!
//! Facts carry the weight of their source, here and in the comments below:
//!
//! - **\[doc\]** Meta's or an identity vendor's documentation says it;
//! - **\[sample\]** Meta's published samples do it;
//! - **\[seen\]** a client that ran against the live API relied on it;
//! - **\[inferred\]** it is our conclusion.
//!
//! In a test, start one, point the client at it, and look at what it holds and what it was asked:
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
//! By hand, `cargo run -p simulator -- --port 8080` serves the same thing; `--help` lists the switches.
//! Under `/_simulator/` it can then be watched and disturbed without a token (it only listens on loopback):
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
//! Two runs that ask the same things in the same order get the same answers: ids count up from
//! 100000000000001 and dates are fixed.

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
    DateForm, EmptyListForm, EmptyValueRule, ErrorShape, IdForm, NoTargetRule, Product, PutRule,
    SimulatorOptions, UndeclaredExtensionRule, UnknownAttributeRule,
};
pub use reply::{ReplyBody, SimulatedReply};
pub use requests::RecordedRequest;
pub use simulator::Simulator;
