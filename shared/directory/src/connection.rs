//! One connection to one server, from its opening to its end.

use std::time::Duration;

use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError};
use tokio::task::JoinHandle;

use crate::bind;
use crate::config::{Bind, DirectoryConfig};
use crate::endpoint::Endpoint;
use crate::errors::{DirectoryError, Doing};
use crate::tls;

/// How long to wait for the reason after a connection has ended. It is there at once, or never.
const REASON_WAIT: Duration = Duration::from_secs(1);

/// A connection that is signed in. It closes when it is dropped.
pub(crate) struct Connection {
    pub(crate) ldap: Ldap,
    pub(crate) timeout: Duration,
    /// The task that moves bytes. It ends with the connection, and knows why.
    driver: Option<JoinHandle<Result<(), LdapError>>>,
}

impl Connection {
    /// Connects, secures the connection, and signs in.
    pub(crate) async fn open(config: &DirectoryConfig, url: &str) -> Result<Self, DirectoryError> {
        let DirectoryConfig { start_tls, ca_pem, bind, timeout, .. } = config;
        let endpoint = Endpoint::parse(url)?;
        let url = endpoint.url();
        let is_secure = endpoint.is_ldaps || *start_tls;
        bind::check(bind, &url, is_secure)?;
        if matches!(bind, Bind::Simple { .. }) && !is_secure && !endpoint.is_loopback() {
            return Err(DirectoryError::Insecure { url });
        }

        let mut settings = LdapConnSettings::new().set_conn_timeout(*timeout).set_starttls(*start_tls);
        if let Some(config) = tls::config(&url, ca_pem.as_deref(), bind)? {
            settings = settings.set_config(config);
        }
        let address = url.clone();
        // The library panics on answers that it can't read: in a task of its own that is just an error.
        let opening = tokio::spawn(async move { LdapConnAsync::with_settings(settings, &address).await });
        let connecting = || Doing::Connecting { url: url.clone() };
        let (driver, ldap) = match opening.await {
            Ok(Ok(opened)) => opened,
            Ok(Err(LdapError::Timeout { .. })) => {
                return Err(DirectoryError::Timeout { doing: connecting(), limit: *timeout });
            }
            Ok(Err(error)) => {
                let failure = if is_secure { tls::failure(&url, &error) } else { None };
                return Err(failure.unwrap_or_else(|| unreachable(&url, &error)));
            }
            Err(_) => {
                return Err(DirectoryError::Protocol { doing: connecting(), detail: NOT_LDAP.to_owned() });
            }
        };
        let driver = tokio::spawn(async move { driver.drive().await });
        let mut connection = Self { ldap, timeout: *timeout, driver: Some(driver) };
        connection.sign_in(&url, bind).await?;
        Ok(connection)
    }

    async fn sign_in(&mut self, url: &str, bind: &Bind) -> Result<(), DirectoryError> {
        let doing = Doing::SigningIn { url: url.to_owned() };
        let mut ldap = self.ldap.clone();
        ldap.with_timeout(self.timeout);
        let bind = bind.clone();
        // The library reads this answer in the task that asks, so once more it gets one of its own.
        let sent = tokio::spawn(async move { bind::send(&mut ldap, &bind).await });
        match sent.await {
            Ok(Ok(answer)) => bind::judge(url, &answer),
            Ok(Err(error)) => Err(self.failure(doing, error).await),
            Err(_) => Err(DirectoryError::Protocol { doing, detail: NOT_LDAP.to_owned() }),
        }
    }

    /// What the library's error means.
    pub(crate) async fn failure(&mut self, doing: Doing, error: LdapError) -> DirectoryError {
        match error {
            LdapError::Timeout { .. } => DirectoryError::Timeout { doing, limit: self.timeout },
            LdapError::LdapResult { result } => DirectoryError::refused(doing, result.rc),
            LdapError::Io { source } => DirectoryError::ConnectionLost { doing, detail: source.to_string() },
            // What these have in common: whoever was at the other end of a channel, the driver, is gone.
            LdapError::EndOfStream
            | LdapError::OpSend { .. }
            | LdapError::ResultRecv { .. }
            | LdapError::IdScrubSend { .. } => {
                DirectoryError::ConnectionLost { doing, detail: self.reason_of_end().await }
            }
            other => DirectoryError::Protocol { doing, detail: other.to_string() },
        }
    }

    /// Why the connection ended, as far as its driver knows.
    async fn reason_of_end(&mut self) -> String {
        const UNKNOWN: &str = "the connection was lost";
        let Some(driver) = self.driver.take() else { return UNKNOWN.to_owned() };
        match tokio::time::timeout(REASON_WAIT, driver).await {
            Ok(Ok(Ok(()))) => "the server closed the connection".to_owned(),
            Ok(Ok(Err(error))) => error.to_string(),
            Ok(Err(_)) => NOT_LDAP.to_owned(),
            Err(_) => UNKNOWN.to_owned(),
        }
    }
}

const NOT_LDAP: &str = "the server sent something that is not LDAP";

fn unreachable(url: &str, error: &LdapError) -> DirectoryError {
    let detail = match error {
        LdapError::Io { source } => source.to_string(),
        other => other.to_string(),
    };
    DirectoryError::Unreachable { url: url.to_owned(), detail }
}
