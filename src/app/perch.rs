//! Where the canary sits: which door it uses, and the login that is made for it.
//!
//! At our own endpoint it comes with a login that nobody else has and that ends with this process; through a broker it comes
//! as we do. Deliberately absent: what it does there (see `canary`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::Context as _;

use crate::canary;
use crate::ingest::broker::{self, Address, Credentials};
use crate::ingest::{self, Login, Proof, Role, SecretDigest, Service};
use crate::wire::topic::{Topic, TopicFilter};

/// Bytes of the login's secret: more than can ever be guessed.
const SECRET_BYTES: usize = 32;

/// The canary and its way in.
#[derive(Debug)]
pub(super) struct Perch {
    pub(super) settings: canary::Settings,
    pub(super) way: broker::Settings,
    /// Whether it comes to the address that the endpoint takes.
    is_beside: bool,
    /// The login that was made for it.
    pub(super) login: Option<Login>,
}

impl Perch {
    /// The way in: our endpoint where there is one, otherwise the broker. The endpoint gets the canary's login.
    pub(super) fn new(
        settings: canary::Settings,
        endpoint: Option<&mut ingest::Settings>,
        broker: Option<&broker::Settings>,
    ) -> anyhow::Result<Box<Self>> {
        if let Some(endpoint) = endpoint {
            let (login, credentials) = login(&settings, &endpoint.root)?;
            endpoint.logins.push(login.clone());
            // The port is the one that the endpoint takes; until then this is nowhere.
            let address = settings.address.clone().unwrap_or_else(|| Address {
                host: endpoint.address.ip().to_string(),
                port: endpoint.address.port(),
                encrypted: false,
            });
            let mut way = broker::Settings::new(address);
            way.client_id = format!("{}-{:08x}", canary::LOGIN, random()?);
            way.root.clone_from(&endpoint.root);
            way.credentials = Some(credentials);
            way.ca.clone_from(&settings.ca);
            return Ok(Box::new(Self {
                is_beside: settings.address.is_none(),
                settings,
                way,
                login: Some(login),
            }));
        }
        let way = broker
            .cloned()
            .context("a canary needs an endpoint or a broker")?;
        Ok(Box::new(Self {
            settings,
            way,
            is_beside: false,
            login: None,
        }))
    }

    /// The endpoint has its address.
    pub(super) fn settle(&mut self, address: Option<SocketAddr>) {
        if let Some(address) = address.filter(|_| self.is_beside) {
            self.way.address.host = reachable(address.ip()).to_string();
            self.way.address.port = address.port();
        }
    }
}

/// This computer, where an address means all of its addresses.
fn reachable(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(all) if all.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(all) if all.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        IpAddr::V4(_) | IpAddr::V6(_) => address,
    }
}

fn random() -> anyhow::Result<u32> {
    getrandom::u32().context("the system gives no random numbers")
}

/// A login for the canary's device and desk together.
fn login(settings: &canary::Settings, root: &str) -> anyhow::Result<(Login, Credentials)> {
    let mut secret = [0_u8; SECRET_BYTES];
    getrandom::fill(&mut secret)
        .map_err(|error| anyhow::anyhow!("the system gives no random numbers: {error}"))?;
    let password = hex::encode(secret);
    let agency = settings.agency.clone();
    let desk = Topic::DeskAlert {
        agency: agency.clone(),
    };
    let filter = TopicFilter::parse(&desk.to_text(root)).context("the canary's topic")?;
    let login = Login {
        username: canary::LOGIN.to_owned(),
        proof: Proof::Secret(SecretDigest::of(&password)),
        agency,
        role: Role::Service(Service {
            publish: true,
            subscribe: vec![filter],
        }),
    };
    let credentials = Credentials {
        username: canary::LOGIN.to_owned(),
        password,
    };
    Ok((login, credentials))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_addresses_are_this_computer() {
        for (text, expected) in [
            ("0.0.0.0", "127.0.0.1"),
            ("::", "::1"),
            ("10.0.0.7", "10.0.0.7"),
            ("::1", "::1"),
        ] {
            let found = reachable(text.parse().unwrap());
            assert_eq!(found.to_string(), expected, "{text}");
        }
    }
}
