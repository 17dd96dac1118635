//! An authority and what it has signed, as PEM files: `ca`, `server`, and clients `ada`, `planner` and `unmapped`;
//! `self-signed` is nobody's.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};

/// A folder with them.
pub struct Certificates(PathBuf);

impl Certificates {
    pub fn write(folder: &Path) -> Self {
        let files = Self(folder.to_owned());
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, key()).expect("signed");
        files.write_file("ca.pem", &authority.pem());
        let clients = [
            ("server", named("127.0.0.1")),
            ("ada", named("ada.internal")),
            ("planner", identified("spiffe://internal/planner")),
            ("unmapped", named("somebody.internal")),
        ];
        for (name, params) in clients {
            let key = key();
            let signed = params.signed_by(&key, &authority).expect("signed");
            files.write_pair(name, &signed.pem(), &key);
        }
        let key = key();
        let own = named("ada.internal").self_signed(&key).expect("signed");
        files.write_pair("self-signed", &own.pem(), &key);
        files
    }

    fn write_pair(&self, name: &str, pem: &str, key: &KeyPair) {
        self.write_file(&format!("{name}.pem"), pem);
        self.write_file(&format!("{name}.key"), &key.serialize_pem());
    }

    pub fn write_file(&self, name: &str, content: &str) {
        std::fs::write(self.0.join(name), content).expect("a file is written");
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.0.join(name)).expect("a file of these")
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

/// An address stands as such, anything else as a DNS name.
fn named(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).expect("a name")
}

fn identified(uri: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.subject_alt_names = vec![SanType::URI(uri.try_into().expect("a URI"))];
    params
}
