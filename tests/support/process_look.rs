//! What can be seen of a process from outside: its memory, and the arguments and environments of it and of all that it started.

use std::os::unix::fs::FileExt as _;
use std::sync::{Mutex, OnceLock};
use std::{fs, io};

use aho_corasick::AhoCorasick;

use super::canary::Canary;

/// Looks at one process when it is told to.
pub struct ProcessLook {
    process: OnceLock<u32>,
    canaries: Vec<Canary>,
    /// A text that the memory has in any case, so that a search that finds nothing was one.
    marker: &'static str,
    seen: Mutex<Option<SeenProcess>>,
}

/// What was seen.
#[derive(Debug)]
pub struct SeenProcess {
    /// Forms of the canaries in the memory.
    pub memory: Vec<String>,
    /// How often the marker was there.
    pub markers: usize,
    /// Forms of the canaries in arguments and environments.
    pub surroundings: Vec<String>,
    /// Arguments and environments of the process and of all that it started.
    pub processes: Vec<u8>,
}

impl ProcessLook {
    pub fn for_canaries(canaries: Vec<Canary>, marker: &'static str) -> Self {
        Self { process: OnceLock::new(), canaries, marker, seen: Mutex::default() }
    }

    /// The process is this one.
    pub fn started(&self, process: u32) {
        self.process.set(process).expect("one process");
    }

    /// Looks at it. Waits until it is known.
    pub fn look(&self) {
        let process = *self.process.wait();
        let forms = self.canaries.iter().flat_map(Canary::forms);
        let forms: Vec<(String, Vec<u8>)> = forms.map(|(name, form)| (name.to_owned(), form.to_vec())).collect();
        let marker = [self.marker.as_bytes()];
        let patterns: Vec<&[u8]> = forms.iter().map(|(_, form)| form.as_slice()).chain(marker).collect();
        let searched = AhoCorasick::new(patterns).expect("an automaton");
        let hits = memory_has(process, &searched).expect("the memory of a child");
        let mut processes = Vec::new();
        for process in with_descendants(process) {
            for name in ["cmdline", "environ"] {
                // One that ends meanwhile cannot be read.
                processes.extend(fs::read(format!("/proc/{process}/{name}")).unwrap_or_default());
            }
        }
        let seen = SeenProcess {
            memory: hits.iter().filter_map(|hit| forms.get(*hit)).map(|(name, _)| name.clone()).collect(),
            markers: hits.iter().filter(|hit| **hit == forms.len()).count(),
            surroundings: self.canaries.iter().flat_map(|canary| canary.within(&processes)).collect(),
            processes,
        };
        *self.seen.lock().expect("no panic before") = Some(seen);
    }

    /// What was seen in the last look.
    pub fn take(&self) -> SeenProcess {
        self.seen.lock().expect("no panic before").take().expect("a look")
    }
}

impl SeenProcess {
    /// Nothing of the canaries was there, in a process that ran a skill with a broker.
    #[track_caller]
    pub fn assert_free(&self) {
        assert!(self.memory.is_empty() && self.surroundings.is_empty(), "{:?} {:?}", self.memory, self.surroundings);
        assert!(self.markers > 0, "the memory was not read");
        let saw = |text: &[u8]| self.processes.windows(text.len()).any(|window| window == text);
        assert!(saw(b"run-skill") && saw(b"__egress"), "the processes were not seen");
    }
}

/// What is in the memory that a process can read: all of it, so the linear memory of a guest too.
fn memory_has(process: u32, searched: &AhoCorasick) -> io::Result<Vec<usize>> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps"))?;
    let memory = fs::File::open(format!("/proc/{process}/mem"))?;
    let mut found = Vec::new();
    let mut chunk = vec![0; 4 << 20];
    for line in maps.lines().filter(|line| !line.contains("[v")) {
        let mut words = line.split_whitespace();
        let (range, rights) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let Some((from, to)) = range.split_once('-').filter(|_| rights.starts_with('r')) else { continue };
        let (mut at, to) = (u64::from_str_radix(from, 16).unwrap(), u64::from_str_radix(to, 16).unwrap());
        while at < to {
            let most = usize::try_from(to - at).unwrap_or(usize::MAX).min(chunk.len());
            // A page of a file that is shorter than its mapping cannot be read.
            let Ok(got) = memory.read_at(&mut chunk[..most], at) else { break };
            found.extend(searched.find_overlapping_iter(&chunk[..got]).map(|hit| hit.pattern().as_usize()));
            // Chunks overlap, so that a form on their border is found as well.
            at += if got == most && at + (got as u64) < to { got as u64 - 4096 } else { got.max(1) as u64 };
        }
    }
    Ok(found)
}

/// A process and all that it started.
pub fn with_descendants(process: u32) -> Vec<u32> {
    let numbers = fs::read_dir("/proc").unwrap().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let parents: Vec<(u32, u32)> = numbers
        .filter_map(|number: u32| {
            let stat = fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
            // The name of the program, in brackets, may contain anything.
            let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
            Some((number, parent))
        })
        .collect();
    let mut found = vec![process];
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(number, _)| *number));
        at += 1;
    }
    found
}
