//! Host names to addresses: our own DNS client, so that the addresses that are checked are those that are dialled.

use super::mark::Marked;
use futures::future::BoxFuture;
use hickory_resolver::Resolver as Hickory;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// All questions for one name, retries included: what an agent's client is willing to wait.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Something that knows the addresses of a host.
pub trait Resolve: Send + Sync {
    /// Where to dial for `host` (without a trailing dot) and `port`; never asked about a host that isn't allowed.
    /// The addresses are checked afterwards, whoever names them.
    fn addresses<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, Result<Vec<SocketAddr>, LookupError>>;
}

/// No addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupError {
    /// There are none, or nobody can say.
    Failed,
    /// No answer in time.
    TimedOut,
}

/// A static answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// The host's address; checked like one from DNS.
    pub ip: IpAddr,
    /// The port to dial there; none: the one that was asked for.
    pub port: Option<u16>,
}

/// DNS, by the system's `resolv.conf` or by given servers; static answers come first.
///
/// A name is asked for as it is: no search domain is added and no hosts file is read.
pub struct Dns {
    fixed: HashMap<String, Vec<Fixed>>,
    resolver: Hickory<Marked>,
}

impl Dns {
    /// With these servers, or the system's when there are none; a host may have several static answers.
    pub fn new(
        servers: &[SocketAddr],
        answers: impl IntoIterator<Item = (String, Fixed)>,
    ) -> Result<Self, NetError> {
        Self::marked(servers, answers, None)
    }

    /// The same, by sockets whose packets carry that mark.
    pub fn marked(
        servers: &[SocketAddr],
        answers: impl IntoIterator<Item = (String, Fixed)>,
        mark: Option<u32>,
    ) -> Result<Self, NetError> {
        let mut fixed: HashMap<String, Vec<Fixed>> = HashMap::new();
        for (host, answer) in answers {
            fixed.entry(host).or_default().push(answer);
        }
        let mut builder = if servers.is_empty() {
            Hickory::builder(Marked::new(mark))?
        } else {
            let config = ResolverConfig::from_name_servers(servers.iter().map(server).collect());
            Hickory::builder_with_config(config, Marked::new(mark))
                .with_options(ResolverOpts::default())
        };
        builder.options_mut().use_hosts_file = ResolveHosts::Never;
        Ok(Self {
            fixed,
            resolver: builder.build()?,
        })
    }
}

fn server(address: &SocketAddr) -> NameServerConfig {
    let connection = |mut config: ConnectionConfig| {
        config.port = address.port();
        config
    };
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    server.connections = vec![
        connection(ConnectionConfig::udp()),
        connection(ConnectionConfig::tcp()),
    ];
    server
}

impl Resolve for Dns {
    fn addresses<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, Result<Vec<SocketAddr>, LookupError>> {
        Box::pin(async move {
            let at = |ip| SocketAddr::new(ip, port);
            if let Some(answers) = self.fixed.get(host) {
                let answers = answers.iter();
                return Ok(answers
                    .map(|answer| SocketAddr::new(answer.ip, answer.port.unwrap_or(port)))
                    .collect());
            }
            // The dot at the end keeps search domains out.
            let lookup = self.resolver.lookup_ip(format!("{host}."));
            match tokio::time::timeout(TIMEOUT, lookup).await {
                Ok(Ok(found)) => Ok(found.iter().map(at).collect()),
                Ok(Err(NetError::Timeout)) | Err(_) => Err(LookupError::TimedOut),
                Ok(Err(error)) => {
                    tracing::debug!(host, %error, "The name could not be resolved");
                    Err(LookupError::Failed)
                }
            }
        })
    }
}
