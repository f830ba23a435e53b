//! TLS of every listener and every connection: certificates and keys from PEM files, one provider of cryptography.
//!
//! [`server`] makes what a listener needs and [`client`] what a connection needs; both are read once, when the part that
//! uses them is made. Files are named in errors, their content never is. Deliberately absent: sockets, whom the subject of
//! a certificate stands for (`ingest::endpoint`), and switching verification off, which nothing here can do.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// A certificate and the key that proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// PEM: the certificate, then those that lead to a root, if any.
    pub certificate: PathBuf,
    /// PEM: the private key (PKCS #8, PKCS #1 or SEC 1), not encrypted.
    pub key: PathBuf,
}

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

/// What a listener needs. With `client_roots`, clients may show a certificate that leads to one of these roots; those who
/// show none are still let in by TLS, and who may do what is for the listener to decide.
///
/// # Errors
/// When a file can't be used.
pub fn server(
    identity: &Identity,
    client_roots: Option<&Path>,
) -> Result<Arc<ServerConfig>, TlsError> {
    install_provider();
    let builder = ServerConfig::builder();
    let builder = match client_roots {
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
    let (chain, key) = identity.read()?;
    let config = builder.with_single_cert(chain, key);
    Ok(Arc::new(
        config.map_err(|source| identity.unusable(source))?,
    ))
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
    let problem = match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => "it has no such part".to_owned(),
        _ => "it is malformed".to_owned(),
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

    #[test]
    fn files_that_fit_together_are_taken() {
        let (_folder, identity) = folder();
        server(&identity, None).unwrap();
        server(&identity, Some(&identity.certificate)).unwrap();
        client(Some(&identity.certificate), Some(&identity)).unwrap();
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
            server(&identity, None).unwrap_err().to_string()
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
