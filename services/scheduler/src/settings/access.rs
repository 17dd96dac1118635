//! Flags about who may call and over what: authentication, TLS, client certificates. Files named here are read here.

use std::{collections::BTreeSet, net::SocketAddr};

use baton_api::{Authentication, CertificateNames, ClientCa, Options, Tls};
use baton_domain::{
    credential::{Grant, Reach, Scope},
    error::Error,
    ids::UserId,
};
use baton_runtime::config::ConfigErrors;
use clap::Args;
use serde::Deserialize;

/// Who may call, and over what.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Access")]
pub struct AccessArgs {
    /// none: everybody is the user `local`, on loopback addresses only. tokens: callers prove who they are by an API
    /// token (`baton-scheduler token create`) or a mapped client certificate.
    #[arg(long, env = "BATON_AUTH", default_value = "none", value_name = "HOW")]
    auth: String,

    /// The server's certificate in PEM, followed by those that lead to its root. Turns TLS on.
    #[arg(long, env = "BATON_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<String>,

    /// The key of that certificate in PEM.
    #[arg(long, env = "BATON_TLS_KEY", value_name = "FILE")]
    tls_key: Option<String>,

    /// Certificates, in PEM, of those who sign client certificates. Turns mutual TLS on.
    #[arg(long, env = "BATON_TLS_CLIENT_CA", value_name = "FILE")]
    tls_client_ca: Option<String>,

    /// required: connections without a client certificate are refused. optional: they are taken, and want a token.
    #[arg(long, env = "BATON_TLS_CLIENT_AUTH", default_value = "required", value_name = "HOW")]
    tls_client_auth: String,

    /// Whom client certificates stand for: a JSON object from a DNS name or URI of the certificate to
    /// {"users": [USER, …] or "all", "scopes": [SCOPE, …]}.
    #[arg(long, env = "BATON_TLS_CLIENT_NAMES", value_name = "FILE")]
    tls_client_names: Option<String>,

    /// Serve other than loopback addresses without TLS, because something in front of this server does it.
    #[arg(long, env = "BATON_ALLOW_PLAINTEXT")]
    allow_plaintext: bool,
}

/// Who may call, and over what, as the API takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessSettings {
    pub authentication: Authentication,
    pub tls: Option<Tls>,
    pub allow_plaintext: bool,
}

impl AccessSettings {
    /// `None` with every mistake noted.
    pub fn judge(args: &AccessArgs, listen: Option<SocketAddr>, errors: &mut ConfigErrors) -> Option<Self> {
        let names = match &args.tls_client_names {
            None => Some(CertificateNames::default()),
            Some(path) => errors.check("--tls-client-names", read_names(path)),
        };
        let strict = errors.check("--auth", choice(&args.auth, "none", "tokens"));
        let tls = judge_tls(args, errors);
        check_together(args, strict, errors);
        let access = Self {
            authentication: if strict? {
                Authentication::Required { certificates: names? }
            } else {
                Authentication::None
            },
            tls: tls?,
            allow_plaintext: args.allow_plaintext,
        };
        if let Some(listen) = listen {
            errors.check("--listen", access.to_options().check_exposure(listen));
        }
        Some(access)
    }

    pub fn to_options(&self) -> Options {
        Options {
            authentication: self.authentication.clone(),
            tls: self.tls.clone(),
            allow_plaintext: self.allow_plaintext,
            ..Options::default()
        }
    }
}

fn judge_tls(args: &AccessArgs, errors: &mut ConfigErrors) -> Option<Option<Tls>> {
    let required = errors.check(
        "--tls-client-auth",
        choice(&args.tls_client_auth, "optional", "required"),
    );
    let read = |flag, path: &Option<String>, errors: &mut ConfigErrors| match path {
        None => Some(None),
        Some(path) => errors.check(flag, read(path)).map(Some),
    };
    let certificates = read("--tls-cert", &args.tls_cert, errors);
    let key = read("--tls-key", &args.tls_key, errors);
    let clients = read("--tls-client-ca", &args.tls_client_ca, errors);
    let (certificates, key) = match (certificates?, key?) {
        (Some(certificates), Some(key)) => (certificates, key),
        (None, None) => return clients.map(|_| None),
        (Some(_), None) => return missing("--tls-key", "is missing beside --tls-cert", errors),
        (None, Some(_)) => return missing("--tls-cert", "is missing beside --tls-key", errors),
    };
    let required = required?;
    let clients = clients?.map(|certificates| ClientCa { certificates, required });
    Some(Some(Tls {
        certificates,
        key,
        clients,
    }))
}

fn missing<T>(flag: &str, message: &str, errors: &mut ConfigErrors) -> Option<T> {
    errors.push(flag, message);
    None
}

/// What makes no sense without something else.
fn check_together(args: &AccessArgs, strict: Option<bool>, errors: &mut ConfigErrors) {
    let has_tls = args.tls_cert.is_some() || args.tls_key.is_some();
    if args.tls_client_ca.is_some() && !has_tls {
        errors.push("--tls-client-ca", "needs --tls-cert and --tls-key");
    }
    if args.tls_client_names.is_some() && args.tls_client_ca.is_none() {
        errors.push("--tls-client-names", "needs --tls-client-ca");
    }
    if args.tls_client_names.is_some() && strict == Some(false) {
        errors.push("--tls-client-names", "needs --auth tokens");
    }
}

/// True for the second of two words.
fn choice(text: &str, no: &str, yes: &str) -> Result<bool, String> {
    if text == yes {
        Ok(true)
    } else if text == no {
        Ok(false)
    } else {
        Err(format!("`{text}` is neither {no} nor {yes}"))
    }
}

fn read(path: &str) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{path} cannot be read: {error}"))
}

/// One entry of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mapped {
    users: Users,
    scopes: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Users {
    Word(String),
    Named(BTreeSet<UserId>),
}

fn read_names(path: &str) -> Result<CertificateNames, String> {
    let file = read(path)?;
    let entries: std::collections::BTreeMap<String, Mapped> =
        serde_json::from_slice(&file).map_err(|error| format!("{path}: {error}"))?;
    let names = entries
        .into_iter()
        .map(|(name, mapped)| match grant(mapped) {
            Ok(grant) => Ok((name, grant)),
            Err(mistake) => Err(format!("{path}: {name}: {mistake}")),
        })
        .collect::<Result<Vec<_>, String>>()?;
    Ok(CertificateNames::new(names))
}

fn grant(mapped: Mapped) -> Result<Grant, String> {
    let reach = match mapped.users {
        Users::Named(users) => Reach::Users(users),
        Users::Word(word) if word == "all" => Reach::All,
        Users::Word(word) => return Err(format!("users: `{word}` is neither a list nor \"all\"")),
    };
    let scopes: Option<BTreeSet<Scope>> = mapped.scopes.iter().map(|scope| Scope::parse(scope)).collect();
    let scopes = scopes.ok_or("scopes: each must be jobs, runs, planner or admin")?;
    Grant::new(scopes, reach).map_err(|error| match error {
        Error::Invalid(violations) => {
            let lines = violations
                .iter()
                .map(|violation| format!("{}: {}", violation.field, violation.description));
            lines.collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    })
}

#[cfg(test)]
mod tests;
