//! Asks a person for signatures, through `ssh-keygen -Y sign`. It uses the key file, or the agent that has the key.
//!
//! Guarantees: a signature that is handed out is by a signer of the request, over its bytes, and shows what the request asks for.
//! Deliberately never: reads a private key. `ssh-keygen` does, and asks for the passphrase or a touch.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::artifacts;
use crate::cage::{PersonTool, PersonToolEnd};
use crate::history::approval::{DecisionSigner, NoSignature, SignatureRequest};
use crate::history::signers::Signer;
use crate::history::ssh_key::SshPublicKey;
use crate::history::sshsig::SshSignature;
use crate::history::trust_policy::SignatureLevel;
use crate::model::text;
use crate::model::time::{Clock as _, SystemClock};

/// `ssh-keygen` and its environment.
#[derive(Debug, Clone, Default)]
pub struct SshTools {
    /// The program; none when it is not installed.
    pub keygen: Option<PathBuf>,
    /// All of its environment.
    pub vars: Vec<(String, OsString)>,
    /// Where the person's keys usually are.
    pub folder: Option<PathBuf>,
}

/// Asks the person at this machine.
#[derive(Debug, Clone)]
pub struct PersonSigner {
    tools: SshTools,
    /// A file that names the public key files to try first.
    known: Option<PathBuf>,
}

fn none(why: impl Into<String>) -> NoSignature {
    NoSignature(why.into())
}

impl SshTools {
    fn run(&self, args: Vec<OsString>, input: &[u8]) -> Result<PersonToolEnd, NoSignature> {
        let program = self.keygen.as_ref().ok_or_else(|| none("`ssh-keygen` is not installed"))?;
        let tool = PersonTool { program, args, vars: &self.vars, input };
        tool.run().map_err(|error| none(format!("{}: {error}", program.display())))
    }

    /// Has `ssh-keygen` make an Ed25519 key. With no passphrase, any program of the user can use it.
    ///
    /// # Errors
    /// [`NoSignature`] when it exists or cannot be made.
    pub fn make_key(&self, path: &Path, passphrase: Option<&str>) -> Result<(), NoSignature> {
        // `ssh-keygen` would ask whether to write over it, and nobody is there to answer.
        if path.symlink_metadata().is_ok() {
            return Err(none(format!("{} exists already", path.display())));
        }
        let mut args: Vec<OsString> = ["-q", "-t", "ed25519", "-C", "kavi", "-f"].map(OsString::from).into();
        args.push(path.into());
        args.extend(passphrase.into_iter().flat_map(|text| ["-N".into(), OsString::from(text)]));
        let end = self.run(args, b"")?;
        if end.success { Ok(()) } else { Err(none(said(&end))) }
    }
}

/// The last line that the tool wrote, as a text that cannot confuse a terminal.
fn said(end: &PersonToolEnd) -> String {
    let last = end.stderr.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it failed");
    format!("ssh-keygen: {}", text::line(last, 300))
}

impl PersonSigner {
    /// Asks with these tools. `folder` is where the workspace's key and head are.
    pub fn new(tools: SshTools, folder: Option<&Path>) -> Self {
        Self { tools, known: folder.map(|folder| folder.join("signing-keys")) }
    }

    /// Remembers where the file of a public key is.
    ///
    /// # Errors
    /// [`NoSignature`] when it cannot be written.
    pub fn remember(&self, public: &Path) -> Result<(), NoSignature> {
        let Some(known) = &self.known else { return Ok(()) };
        let mut lines = self.remembered();
        if !lines.iter().any(|line| line == public) {
            lines.push(public.to_owned());
        }
        let text: String = lines.iter().map(|line| format!("{}\n", line.display())).collect();
        let folder = known.parent().unwrap_or(Path::new("."));
        artifacts::write_durably(folder, known, text.as_bytes()).map_err(|error| none(error.to_string()))
    }

    fn remembered(&self) -> Vec<PathBuf> {
        let bytes = self.known.as_ref().and_then(|known| artifacts::read_once(known).ok()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).lines().map(PathBuf::from).collect()
    }

    /// The public key files that are there, those that were enrolled here first.
    fn candidates(&self) -> Vec<PathBuf> {
        let mut files = self.remembered();
        let usual = self.tools.folder.as_ref().and_then(|folder| std::fs::read_dir(folder).ok());
        let mut usual: Vec<PathBuf> = usual.into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        usual.retain(|path| path.extension().is_some_and(|extension| extension == "pub"));
        usual.sort();
        files.extend(usual);
        files
    }

    fn sign_with(&self, public: &Path, request: &SignatureRequest) -> Result<String, NoSignature> {
        let mut args: Vec<OsString> = ["-Y", "sign", "-n", request.namespace, "-f"].map(OsString::from).into();
        args.push(public.into());
        let end = self.tools.run(args, request.statement.as_bytes())?;
        if !end.success {
            return Err(none(said(&end)));
        }
        let armored = String::from_utf8(end.stdout).map_err(|_| none("ssh-keygen wrote no signature"))?;
        check(&armored, request)?;
        Ok(armored)
    }
}

/// Checks a signature before anything rests on it, so that the message names what is wrong with it.
fn check(armored: &str, request: &SignatureRequest) -> Result<(), NoSignature> {
    let signature = SshSignature::parse(armored).map_err(|error| none(error.to_string()))?;
    let presence =
        signature.verify(request.namespace, request.statement.as_bytes()).map_err(|error| none(error.to_string()))?;
    let signer = signer_of(request, &signature.key).ok_or_else(|| none("the signature is by another key"))?;
    let level = SignatureLevel::of(signer, presence);
    match level.satisfies(request.required) {
        true => Ok(()),
        false => Err(none(format!(
            "the key of {} gives a signature of the level `{}`, and `{}` is required",
            signer.principal,
            level.as_str(),
            request.required.as_str()
        ))),
    }
}

fn signer_of<'r>(request: &'r SignatureRequest, key: &SshPublicKey) -> Option<&'r Signer> {
    request.signers.iter().find(|signer| signer.public_key().is_ok_and(|public| public == *key))
}

impl DecisionSigner for PersonSigner {
    fn sign(&self, request: &SignatureRequest) -> Result<String, NoSignature> {
        let mut tried = Vec::new();
        for file in self.candidates() {
            let text = artifacts::read_once(&file).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let key = text.and_then(|text| SshPublicKey::parse(&text).ok());
            // A key of nobody who may sign is not tried: `ssh-keygen` would ask for its passphrase
            // for nothing.
            let Some(signer) = key.as_ref().and_then(|key| signer_of(request, key)) else { continue };
            if key.as_ref().is_some_and(SshPublicKey::is_hardware) {
                tracing::warn!("touch the key of {} when it blinks", signer.principal);
            }
            match self.sign_with(&file, request) {
                Ok(signature) => return Ok(signature),
                Err(error) => tried.push(error.0),
            }
        }
        // The agent may have the key, though its file is not here.
        // Not after a key that was refused, though: the person would be asked once more.
        let ask_agent = tried.is_empty() && self.has_agent();
        for signer in request.signers.iter().filter(|_| ask_agent) {
            let file = tempfile::Builder::new().suffix(".pub").tempfile();
            let written = file.and_then(|file| std::fs::write(file.path(), &signer.key).map(|()| file));
            let file = written.map_err(|error| none(error.to_string()))?;
            match self.sign_with(file.path(), request) {
                Ok(signature) => return Ok(signature),
                Err(error) => tried.push(error.0),
            }
        }
        let names: Vec<&str> = request.signers.iter().map(|signer| signer.principal.as_str()).collect();
        let why = tried.into_iter().next_back().unwrap_or_else(|| "none of their keys is here".to_owned());
        Err(none(format!("it must be signed by {}: {why}", names.join(" or "))))
    }

    fn now(&self) -> String {
        SystemClock.now().to_string()
    }
}

impl PersonSigner {
    fn has_agent(&self) -> bool {
        self.tools.vars.iter().any(|(name, _)| name == "SSH_AUTH_SOCK")
    }
}
