//! TLS of every listener and every connection: certificates and keys from PEM files, one provider of cryptography.
//!
//! [`Listening`] becomes what a listener needs, and [`client`] makes what a connection needs. Files are named in errors, their
//! content never is. Deliberately absent: sockets, whom the subject of a certificate stands for (`ingest::endpoint`), and
//! switching verification off, which nothing here can do.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once, PoisonError, RwLock};

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use x509_parser::parse_x509_certificate;

/// A certificate and the key that proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// PEM: the certificate, then those that lead to a root, if any.
    pub certificate: PathBuf,
    /// PEM: the private key (PKCS #8, PKCS #1 or SEC 1), not encrypted.
    pub key: PathBuf,
}

/// What a listener is told of TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    /// Who we are.
    pub identity: Identity,
    /// PEM: the roots of clients' certificates, where clients may show one. Those who show none are still let in by TLS;
    /// who may do what is for the listener to decide.
    pub client_roots: Option<PathBuf>,
}

/// What a listener uses: read from its files at the start, and again whenever it is told that they are renewed.
#[derive(Debug)]
pub struct Renewable(RwLock<Arc<ServerConfig>>);

/// Why TLS can't be had. All of these are lasting: somebody must mend a file or the configuration.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read, or is no PEM.
    #[error("{path} can't be read as PEM: {problem}", path = path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong, without the content.
        problem: String,
    },
    /// A file has no certificate.
    #[error("{path} has no certificate; expected PEM with BEGIN CERTIFICATE", path = path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A certificate can't be used: it is malformed, or is not of this key.
    #[error("{path} can't be used", path = path.display())]
    Unusable {
        /// The file of the certificate.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: rustls::Error,
    },
    /// Nobody is trusted, so that no connection could ever be verified.
    #[error(
        "the operating system names no certificates that it trusts; install ca-certificates, or name a file of roots"
    )]
    NoRoots,
}

/// Makes the one provider known to libraries that ask the process for it. May be called any number of times; everything
/// that builds a connection of such a library calls it first.
pub fn install_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Only this function installs one; where a test has done so before, it is as good.
        drop(ring::default_provider().install_default());
    });
}

impl Listening {
    /// Reads the files.
    ///
    /// # Errors
    /// When a file can't be used.
    pub fn read(&self) -> Result<Arc<ServerConfig>, TlsError> {
        install_provider();
        let builder = ServerConfig::builder();
        let builder = match &self.client_roots {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let verifier = WebPkiClientVerifier::builder(Arc::new(roots(path)?))
                    .allow_unauthenticated()
                    .build()
                    .map_err(|error| TlsError::Unusable {
                        path: path.to_owned(),
                        source: rustls::Error::General(error.to_string()),
                    })?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let (chain, key) = self.identity.read()?;
        let config = builder.with_single_cert(chain, key);
        Ok(Arc::new(
            config.map_err(|source| self.identity.unusable(source))?,
        ))
    }
}

impl Renewable {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// When a file can't be used.
    pub fn new(listening: &Listening) -> Result<Self, TlsError> {
        Ok(Self(RwLock::new(listening.read()?)))
    }

    /// What new connections use.
    pub fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on new connections use this; those that stand go on.
    pub fn renew(&self, config: Arc<ServerConfig>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = config;
    }
}

/// The common name of a certificate's subject; none where it has none, more than one, or can't be read.
pub fn subject(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_rest, certificate) = parse_x509_certificate(certificate).ok()?;
    let mut names = certificate.subject().iter_common_name();
    let name = names.next()?.as_str().ok()?.to_owned();
    names.next().is_none().then_some(name)
}

/// Whether a host as it stands in a URL is this computer: what is secret goes without TLS to nobody else.
pub fn is_loopback(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// What a connection needs: whom to trust (the operating system's roots where no file is given), and who we are, where the
/// other side asks for a certificate.
///
/// # Errors
/// When a file can't be used, or nobody is trusted.
pub fn client(
    trusted: Option<&Path>,
    identity: Option<&Identity>,
) -> Result<Arc<ClientConfig>, TlsError> {
    install_provider();
    let trusted = match trusted {
        Some(path) => roots(path)?,
        None => roots_of_the_system()?,
    };
    let builder = ClientConfig::builder().with_root_certificates(trusted);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let (chain, key) = identity.read()?;
            let config = builder.with_client_auth_cert(chain, key);
            config.map_err(|source| identity.unusable(source))?
        }
    };
    Ok(Arc::new(config))
}

/// What a connection needs that never speaks TLS: it trusts nobody, so that it can't by mistake.
pub fn client_in_the_clear() -> Arc<ClientConfig> {
    install_provider();
    let builder = ClientConfig::builder().with_root_certificates(RootCertStore::empty());
    Arc::new(builder.with_no_client_auth())
}

/// The certificates of a file.
///
/// # Errors
/// When there is none, or the file can't be read.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_file_iter(path).map_err(|error| no_pem(path, &error))?;
    let found: Result<Vec<_>, _> = found.collect();
    let found = found.map_err(|error| no_pem(path, &error))?;
    if found.is_empty() {
        return Err(TlsError::NoCertificate {
            path: path.to_owned(),
        });
    }
    Ok(found)
}

impl Identity {
    fn read(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
        let chain = certificates(&self.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&self.key);
        Ok((chain, key.map_err(|error| no_pem(&self.key, &error))?))
    }

    fn unusable(&self, source: rustls::Error) -> TlsError {
        let path = self.certificate.clone();
        TlsError::Unusable { path, source }
    }
}

fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|source| TlsError::Unusable {
                path: path.to_owned(),
                source,
            })?;
    }
    Ok(roots)
}

fn roots_of_the_system() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    // A system may list one that is malformed; the others are still trusted.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(TlsError::NoRoots);
    }
    Ok(roots)
}

fn no_pem(path: &Path, error: &pem::Error) -> TlsError {
    // Only the kind of trouble: the library's text may repeat a line of the file, which may be a key's.
    let problem = if let pem::Error::Io(error) = error {
        error.to_string()
    } else if matches!(error, pem::Error::NoItemsFound) {
        "it has no such part".to_owned()
    } else {
        "it is malformed".to_owned()
    };
    TlsError::Pem {
        path: path.to_owned(),
        problem,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A folder with a certificate that signs itself, its key, and files that are neither.
    fn folder() -> (tempfile::TempDir, Identity) {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let identity = Identity {
            certificate: folder.path().join("certificate.pem"),
            key: folder.path().join("key.pem"),
        };
        fs::write(&identity.certificate, made.cert.pem()).unwrap();
        fs::write(&identity.key, made.signing_key.serialize_pem()).unwrap();
        fs::write(folder.path().join("text.pem"), "no certificate").unwrap();
        (folder, identity)
    }

    fn listening(identity: &Identity, client_roots: Option<&Path>) -> Listening {
        Listening {
            identity: identity.clone(),
            client_roots: client_roots.map(Path::to_owned),
        }
    }

    #[test]
    fn files_that_fit_together_are_taken() {
        let (_folder, identity) = folder();
        let renewable = Renewable::new(&listening(&identity, None)).unwrap();
        let renewed = listening(&identity, Some(&identity.certificate))
            .read()
            .unwrap();
        renewable.renew(Arc::clone(&renewed));
        assert!(Arc::ptr_eq(&renewable.current(), &renewed));
        client(Some(&identity.certificate), Some(&identity)).unwrap();
    }

    #[test]
    fn a_subject_is_its_one_common_name() {
        let name = |names: &[&str]| {
            let mut parameters = rcgen::CertificateParams::default();
            parameters.distinguished_name = rcgen::DistinguishedName::new();
            for name in names {
                parameters
                    .distinguished_name
                    .push(rcgen::DnType::CommonName, *name);
            }
            let key = rcgen::KeyPair::generate().unwrap();
            subject(parameters.self_signed(&key).unwrap().der())
        };
        assert_eq!(name(&["tag-7"]).as_deref(), Some("tag-7"));
        assert_eq!(name(&[]), None);
        assert_eq!(subject(&CertificateDer::from(vec![1, 2, 3])), None);
    }

    #[test]
    fn what_is_wrong_is_said_with_the_file_and_without_its_content() {
        let (folder, identity) = folder();
        let (_other_folder, other) = self::folder();
        let text = folder.path().join("text.pem");
        let with = |certificate: &Path, key: &Path| {
            let identity = Identity {
                certificate: certificate.to_owned(),
                key: key.to_owned(),
            };
            listening(&identity, None).read().unwrap_err().to_string()
        };
        let ends =
            |problem: String, expected: &str| assert!(problem.ends_with(expected), "{problem}");
        ends(
            with(&text, &identity.key),
            "text.pem has no certificate; expected PEM with BEGIN CERTIFICATE",
        );
        ends(
            with(&identity.certificate, &text),
            "text.pem can't be read as PEM: it has no such part",
        );
        ends(
            with(&identity.certificate, &other.key),
            "certificate.pem can't be used",
        );
        ends(
            with(&folder.path().join("absent.pem"), &identity.key),
            "absent.pem can't be read as PEM: No such file or directory (os error 2)",
        );
    }
}
