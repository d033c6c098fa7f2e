//! Stands in for the Claude Code program in tests: it takes the same flags, reads the prompt from standard
//! input, prints the same events and ends with the same codes as version 2.1.328, and what it does between is
//! scripted. It refuses to work unless it is locked down as Kavi promises to.

mod flags;
mod script;

use std::{
    env, fs,
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    net::TcpStream,
    path::Path,
    process::{Command, ExitCode, Stdio},
    thread,
    time::Duration,
};

use script::{MAKE, MARK, Script, Step};
use serde_json::{Value, json};

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

const LATER: &str = "--kavi-standin-later";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let ended = match args.first().map(String::as_str) {
        Some("--version") => {
            println!("2.1.328 (Claude Code)");
            Ok(0)
        }
        Some(MAKE) => make(&args[1..]).map(|()| 0),
        Some(LATER) => write_later(&args[1..]).map(|()| 0),
        _ => session(&args),
    };
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn session(args: &[String]) -> Fallible<u8> {
    let flags = flags::parse(args)?;
    flags::check_environment()?;
    let mut packet = String::new();
    io::stdin().read_to_string(&mut packet)?;
    if packet.trim().is_empty() {
        return Err(
            "Error: Input must be provided either through stdin or as a prompt argument when using --print".into()
        );
    }
    leave_traces()?;
    let mut session = Session { model: flags.model, packet, denials: Vec::new(), turns: 0 };
    for step in own_script()?.0 {
        if let Some(code) = session.step(step)? {
            return Ok(code);
        }
    }
    Ok(0)
}

/// Writes a copy of this program with a script at its end.
fn make(args: &[String]) -> Fallible<()> {
    let [path] = args else { return Err("one argument".into()) };
    let mut script = Vec::new();
    io::stdin().read_to_end(&mut script)?;
    fs::copy("/proc/self/exe", path)?;
    let mut copy = fs::OpenOptions::new().append(true).open(path)?;
    copy.write_all(&script)?;
    copy.write_all(&u64::try_from(script.len())?.to_le_bytes())?;
    Ok(copy.write_all(MARK)?)
}

/// The script at the end of this very file.
fn own_script() -> Fallible<Script> {
    let mut file = fs::File::open("/proc/self/exe").or_else(|_| fs::File::open(env::current_exe()?))?;
    let mut tail = [0; 24];
    file.seek(SeekFrom::End(-24))?;
    file.read_exact(&mut tail)?;
    let (length, mark) = tail.split_at(8);
    if mark != MARK {
        return Err("there is no script at the end of this program".into());
    }
    let length = u64::from_le_bytes(length.try_into()?);
    file.seek(SeekFrom::End(-24 - i64::try_from(length)?))?;
    let mut script = Vec::new();
    file.take(length).read_to_end(&mut script)?;
    Ok(serde_json::from_slice(&script)?)
}

/// The files that the real one leaves in its home and in its folder for temporary files.
fn leave_traces() -> Fallible<()> {
    let (home, tmp) = (env::var("HOME")?, env::var("TMPDIR")?);
    fs::create_dir_all(format!("{home}/.claude/backups"))?;
    fs::write(format!("{home}/.claude.json"), "{}")?;
    fs::create_dir_all(format!("{tmp}/claude-0"))?;
    Ok(())
}

struct Session {
    model: String,
    packet: String,
    denials: Vec<Value>,
    turns: u32,
}

impl Session {
    /// Does one step; `Some` ends the session with that code.
    fn step(&mut self, step: Step) -> Fallible<Option<u8>> {
        match step {
            Step::Init { tools, mcp_servers } => self.init(&tools, mcp_servers)?,
            Step::Say(text) => self.assistant(json!([{"type": "text", "text": text}]))?,
            Step::Write { path, content } => self.write(&path, &content)?,
            Step::WriteSilently { path, content } => write_file(&path, &content)?,
            Step::WritePacket { path } => fs::write(path, &self.packet)?,
            Step::WriteEnvironment { path } => {
                let env: Vec<String> = env::vars().map(|(name, value)| format!("{name}={value}")).collect();
                fs::write(path, env.join("\n"))?;
            }
            Step::CopySilently { from, to } => {
                fs::write(to, fs::read(from).unwrap_or_else(|error| error.to_string().into_bytes()))?;
            }
            Step::Post { target, headers, body, save } => {
                fs::write(save, post(&target, &headers, &body).unwrap_or_else(|error| error.to_string().into_bytes()))?;
            }
            Step::Symlink { path, target } => std::os::unix::fs::symlink(target, path)?,
            Step::HardLink { path, target } => fs::hard_link(target, path)?,
            Step::WriteLater { path, content, go } => leave_behind(&path, &content, &go)?,
            Step::UnknownTool(name) => {
                self.tool(&name, json!({"command": "id"}))?;
                self.tool_result(
                    true,
                    &format!("<tool_use_error>Error: No such tool available: {name}.</tool_use_error>"),
                )?;
            }
            Step::Denied { tool, path } => self.denied(&tool, &path)?,
            Step::Retry { attempt, status, error } => print(&json!({
                "type": "system", "subtype": "api_retry", "attempt": attempt, "max_retries": 2,
                "retry_delay_ms": 1, "error_status": status, "error": error,
            }))?,
            Step::ApiError { status, error, text } => print(&json!({
                "type": "assistant", "is_api_error_message": true, "api_error_status": status, "error": error,
                "message": {"model": "<synthetic>", "role": "assistant", "content": [{"type": "text", "text": text}]},
            }))?,
            Step::Raw(text) => raw(text.as_bytes())?,
            Step::Flood { lines, bytes } => {
                (0..lines).try_for_each(|_| raw(&[vec![b'x'; bytes], b"\n".to_vec()].concat()))?
            }
            Step::Complain(text) => eprintln!("{text}"),
            Step::Babble { every_ms } => loop {
                print(&json!({"type": "system", "subtype": "informational"}))?;
                // The pause is what is asked for: an agent that is slow and never silent for long.
                thread::park_timeout(Duration::from_millis(every_ms));
            },
            Step::Hang => hang(),
            Step::Signal(signal) => {
                let signal = rustix::process::Signal::from_named_raw(signal).ok_or("no such signal")?;
                rustix::process::kill_process(rustix::process::getpid(), signal)?;
                hang();
            }
            Step::Result { subtype, is_error, status, terminal_reason, stop_reason } => print(&json!({
                "type": "result", "subtype": subtype, "is_error": is_error, "api_error_status": status,
                "terminal_reason": terminal_reason, "stop_reason": stop_reason, "num_turns": self.turns,
                "total_cost_usd": 0.0021, "usage": {"input_tokens": 200, "output_tokens": 100, "service_tier": "standard"},
                "permission_denials": self.denials, "result": "Done.", "session_id": "stand-in",
            }))?,
            Step::IfPacketSays { text, then, otherwise } => {
                let steps = if self.packet.contains(&text) { then } else { otherwise };
                for step in steps {
                    if let Some(code) = self.step(step)? {
                        return Ok(Some(code));
                    }
                }
            }
            Step::Exit(code) => return Ok(Some(u8::try_from(code)?)),
        }
        Ok(None)
    }

    fn init(&self, tools: &[String], mcp_servers: usize) -> Fallible<()> {
        let servers: Vec<Value> =
            (0..mcp_servers).map(|n| json!({"name": n.to_string(), "status": "connected"})).collect();
        print(&json!({"type": "system", "subtype": "ui_invalidate", "event": "ui.render"}))?;
        print(&json!({
            "type": "system", "subtype": "init", "cwd": env::current_dir()?, "session_id": "stand-in", "tools": tools,
            "mcp_servers": servers, "model": self.model, "permissionMode": "acceptEdits", "claude_code_version": "2.1.328",
        }))
    }

    fn assistant(&mut self, content: Value) -> Fallible<()> {
        self.turns += 1;
        print(&json!({"type": "assistant", "message": {"model": self.model, "role": "assistant", "content": content}}))
    }

    fn tool(&mut self, name: &str, input: Value) -> Fallible<()> {
        self.assistant(json!([{"type": "tool_use", "id": "toolu_1", "name": name, "input": input}]))
    }

    fn tool_result(&self, is_error: bool, text: &str) -> Fallible<()> {
        let result = json!({"type": "tool_result", "tool_use_id": "toolu_1", "is_error": is_error, "content": text});
        print(&json!({"type": "user", "message": {"role": "user", "content": [result]}}))
    }

    fn write(&mut self, path: &str, content: &str) -> Fallible<()> {
        let path = env::current_dir()?.join(path);
        let path = path.to_str().ok_or("the path is no UTF-8")?;
        self.tool("Write", json!({"file_path": path, "content": content}))?;
        match write_file(path, content) {
            Ok(()) => self.tool_result(false, &format!("File created successfully at: {path}")),
            Err(error) => self.tool_result(true, &error.to_string()),
        }
    }

    fn denied(&mut self, tool: &str, path: &str) -> Fallible<()> {
        let input = json!({"file_path": path});
        self.tool(tool, input.clone())?;
        let message = format!("{path} is outside the working directory");
        print(&json!({"type": "system", "subtype": "permission_denied", "tool_name": tool, "message": message}))?;
        self.tool_result(true, &message)?;
        self.denials.push(json!({"tool_name": tool, "tool_use_id": "toolu_1", "tool_input": input}));
        Ok(())
    }
}

/// Sends one request to the provider and reads until it closes.
fn post(target: &str, headers: &[(String, String)], body: &str) -> Fallible<Vec<u8>> {
    let url = env::var("ANTHROPIC_BASE_URL")?;
    let address = url.strip_prefix("http://").ok_or("the base url is not http")?;
    let mut request = format!("POST {target} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\n", body.len());
    request.push_str(&format!("content-type: application/json\r\nx-api-key: {}\r\n", env::var("ANTHROPIC_API_KEY")?));
    headers.iter().for_each(|(name, value)| request.push_str(&format!("{name}: {value}\r\n")));
    request.push_str("\r\n");
    request.push_str(body);
    let mut connection = TcpStream::connect(address)?;
    connection.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer)?;
    Ok(answer)
}

fn write_file(path: &str, content: &str) -> Fallible<()> {
    if let Some(parent) = Path::new(path).parent() {
        fs::create_dir_all(parent)?;
    }
    Ok(fs::write(path, content)?)
}

/// Starts a process that outlives this one, out of reach of a signal to its group.
fn leave_behind(path: &str, content: &str, go: &str) -> Fallible<()> {
    let here = env::current_dir()?;
    let child = Command::new(env::current_exe()?)
        .arg(LATER)
        .args([here.join(path).as_os_str(), content.as_ref(), here.join(go).as_os_str()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // Standard error stays shared: whoever waits for its end waits for the late writer.
        .spawn()?;
    // It says one byte once it has its own session and waits: from there on no signal to this group reaches it.
    let mut ready = [0];
    child.stdout.ok_or("no pipe")?.read_exact(&mut ready)?;
    Ok(())
}

fn write_later(args: &[String]) -> Fallible<()> {
    let [path, content, go] = args else { return Err("three arguments".into()) };
    rustix::process::setsid()?;
    // Open for writing as well, so that neither this nor the wait ends because nobody writes.
    let mut go = fs::OpenOptions::new().read(true).write(true).open(go)?;
    io::stdout().write_all(b".")?;
    io::stdout().flush()?;
    go.read_exact(&mut [0])?;
    write_file(path, content)
}

/// Does nothing, for ever.
fn hang() -> ! {
    loop {
        thread::park();
    }
}

fn print(event: &Value) -> Fallible<()> {
    raw(format!("{event}\n").as_bytes())
}

fn raw(bytes: &[u8]) -> Fallible<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    Ok(out.flush()?)
}
