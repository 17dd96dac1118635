//! Flags about the scheduler: where it is, whom it is trusted to be, and what proves who asks. Files are read here.

use std::fmt::Display;

use baton_proto::client::Connect;
use baton_runtime::config::ConfigErrors;
use clap::Args;
use secrecy::SecretString;

use super::http_url;

/// Where the token is unless `--token-env` names another variable.
pub const TOKEN_VARIABLE: &str = "BATON_TOKEN";

/// How to reach the scheduler.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Scheduler")]
pub struct SchedulerArgs {
    /// The scheduler's gRPC address, https:// for TLS.
    #[arg(
        long,
        env = "BATON_PLANNER_SCHEDULER",
        default_value = "http://127.0.0.1:50051",
        value_name = "URL"
    )]
    pub scheduler: String,

    /// Environment variable that holds the API token of a planner. A token is no flag: command lines can be seen.
    #[arg(long, default_value = TOKEN_VARIABLE, value_name = "VARIABLE")]
    pub token_env: String,

    /// File that holds the API token, in place of the variable.
    #[arg(long, env = "BATON_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<String>,

    /// Certificates, in PEM, of those who sign the scheduler's. Without it: those that the system trusts.
    #[arg(long, env = "BATON_CA", value_name = "FILE")]
    pub ca: Option<String>,

    /// Client certificate in PEM, for schedulers that want one.
    #[arg(long, env = "BATON_CLIENT_CERT", value_name = "FILE")]
    pub client_cert: Option<String>,

    /// The key of that certificate in PEM.
    #[arg(long, env = "BATON_CLIENT_KEY", value_name = "FILE")]
    pub client_key: Option<String>,
}

impl SchedulerArgs {
    /// The scheduler to connect to; `None` with every mistake noted. `variable` reads the environment.
    pub(crate) fn judge(
        &self,
        variable: impl Fn(&str) -> Option<String>,
        errors: &mut ConfigErrors,
    ) -> Option<Connect> {
        judge(self, variable, errors)
    }
}

fn judge(
    args: &SchedulerArgs,
    variable: impl Fn(&str) -> Option<String>,
    errors: &mut ConfigErrors,
) -> Option<Connect> {
    let url = errors.check("--scheduler", http_url(&args.scheduler));
    let token = match &args.token_file {
        Some(path) => errors.check("--token-file", token_file(path)),
        None => errors.check("--token-env", token(variable(&args.token_env))),
    };
    let read = |flag, path: &Option<String>, errors: &mut ConfigErrors| match path {
        None => Some(None),
        Some(path) => errors.check(flag, read(path)).map(Some),
    };
    let ca = read("--ca", &args.ca, errors);
    let certificate = read("--client-cert", &args.client_cert, errors);
    let key = read("--client-key", &args.client_key, errors);
    let (url, ca, certificate, key) = (url?, ca?, certificate?, key?);
    if url.scheme() == "http" && (ca.is_some() || certificate.is_some()) {
        return mistake("--scheduler", "must begin with https:// for TLS", errors);
    }
    let mut connect = Connect::to(args.scheduler.as_str());
    if let Some(ca) = ca {
        connect = connect.ca(ca);
    }
    connect = match (certificate, key) {
        (Some(certificate), Some(key)) => connect.client_certificate(certificate, key),
        (None, None) => connect,
        (Some(_), None) => return mistake("--client-key", "is missing beside --client-cert", errors),
        (None, Some(_)) => return mistake("--client-cert", "is missing beside --client-key", errors),
    };
    if let Some(token) = token? {
        connect = connect.token(token);
    }
    errors.check("--scheduler", connect.check())?;
    Some(connect)
}

fn mistake<T>(flag: &str, message: impl Display, errors: &mut ConfigErrors) -> Option<T> {
    errors.push(flag, message);
    None
}

fn read(path: &str) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{path} cannot be read: {error}"))
}

fn token_file(path: &str) -> Result<Option<SecretString>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path} cannot be read: {error}"))?;
    match token(Some(text))? {
        Some(token) => Ok(Some(token)),
        None => Err(format!("{path} is empty")),
    }
}

/// None without an error: a scheduler on loopback may want none. It must not be quoted in a message.
fn token(text: Option<String>) -> Result<Option<SecretString>, String> {
    let text = text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    match text {
        Some(text) if text.chars().all(|c| c.is_ascii_graphic()) => Ok(Some(SecretString::from(text))),
        Some(_) => Err("the token has characters that no header can carry".to_owned()),
        None => Ok(None),
    }
}
