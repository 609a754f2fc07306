//! The crate against servers: an embedded one with faults, a scripted one with invalid answers, and OpenLDAP.

#[cfg(test)]
mod changes;
#[cfg(test)]
mod completeness;
#[cfg(test)]
mod failover;
#[cfg(test)]
mod freshness;
#[cfg(test)]
mod groups;
#[cfg(test)]
mod hidden;
#[cfg(test)]
mod lookups;
#[cfg(test)]
mod nonsense;
#[cfg(test)]
mod openldap;
#[cfg(test)]
mod scopes;
#[cfg(test)]
mod sign_in;
#[cfg(test)]
mod slapd;
#[cfg(test)]
mod support;
