//! What a server takes of the machine, as the system tells it from outside: CPU, memory, disk, page cache.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::fs::{Advice, fadvise};

use crate::fault::{Result, While, fail};

/// Between two looks at the memory.
const SAMPLE_EVERY: Duration = Duration::from_millis(100);

/// A server that takes no more CPU than this of a second, for so long, has nothing left to do.
const STILL_CPU_OF_SECOND: f64 = 0.2;
const STILL: Duration = Duration::from_secs(2);

/// How long work in the background may go on after the last event.
const SETTLED_MAX: Duration = Duration::from_secs(1_800);

/// User and system time so far of a process, of its live children and of those it waited for.
///
/// Source: proc(5), `/proc/PID/stat`, fields 14 to 17, in ticks of 1/100 s.
pub(super) fn cpu_seconds(pid: u32) -> Result<f64> {
    let mut ticks = 0.0;
    for process in family(pid) {
        if let Some(stat) = Stat::of(process) {
            ticks += stat.ticks;
        } else if process == pid {
            fail!("process {pid} is gone");
        }
    }
    Ok(ticks / 100.0)
}

/// User and system time of this process so far, without its children.
pub(super) fn own_cpu_seconds() -> Result<f64> {
    let stat = Stat::of(std::process::id()).ok_or("/proc tells nothing of this process")?;
    Ok(stat.own_ticks / 100.0)
}

/// What `/proc/PID/stat` tells.
struct Stat {
    parent: u32,
    own_ticks: f64,
    /// With those of children that ended.
    ticks: f64,
}

impl Stat {
    /// None when the process is gone.
    fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name before may hold anything, brackets and spaces too.
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let sum = |fields: &[&str]| fields.iter().filter_map(|field| field.parse::<f64>().ok()).sum();
        let (own_ticks, ticks) = (sum(fields.get(11..13)?), sum(fields.get(11..15)?));
        Some(Self { parent: fields.get(1)?.parse().ok()?, own_ticks, ticks })
    }
}

/// A process and all below it.
fn family(pid: u32) -> BTreeSet<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().filter_map(|entry| {
        let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
        Some((pid, Stat::of(pid)?.parent))
    });
    let mut processes: Vec<(u32, u32)> = processes.collect();
    // Parents first, mostly; a second walk finds the rest.
    processes.sort_unstable();
    let mut family = BTreeSet::from([pid]);
    for _ in 0..2 {
        for (process, parent) in &processes {
            if family.contains(parent) {
                family.insert(*process);
            }
        }
    }
    family
}

/// Anonymous and shared memory of a process and its children, in KiB, what several share counted once.
///
/// Of a single process it is `RssAnon`; of PostgreSQL its `shared_buffers` come to it.
pub(super) fn memory_kib(pid: u32) -> u64 {
    let of_one = |pid: u32| {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let of = |name| {
            let line = rollup.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().trim_end_matches(" kB").parse::<u64>().ok()
        };
        of("Pss_Anon:").unwrap_or(0) + of("Pss_Shmem:").unwrap_or(0)
    };
    family(pid).into_iter().map(of_one).sum()
}

/// Looks at a server while it works.
pub(super) struct Meter {
    pid: u32,
    cpu: f64,
    began: Instant,
    peak_kib: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    watcher: Option<JoinHandle<()>>,
}

/// What it took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Taken {
    pub(super) seconds: f64,
    pub(super) cpu_seconds: f64,
    pub(super) peak_kib: u64,
}

impl Meter {
    pub(super) fn start(pid: u32) -> Result<Self> {
        let (peak_kib, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let watcher = {
            let (peak, stop) = (Arc::clone(&peak_kib), Arc::clone(&stop));
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    peak.fetch_max(memory_kib(pid), Ordering::Relaxed);
                    std::thread::sleep(SAMPLE_EVERY);
                }
            })
        };
        let cpu = cpu_seconds(pid)?;
        Ok(Self { pid, cpu, began: Instant::now(), peak_kib, stop, watcher: Some(watcher) })
    }

    /// What was taken until now.
    pub(super) fn taken(&self) -> Result<Taken> {
        self.peak_kib.fetch_max(memory_kib(self.pid), Ordering::Relaxed);
        Ok(Taken {
            seconds: self.began.elapsed().as_secs_f64(),
            cpu_seconds: cpu_seconds(self.pid)? - self.cpu,
            peak_kib: self.peak_kib.load(Ordering::Relaxed),
        })
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(watcher) = self.watcher.take() {
            drop(watcher.join());
        }
    }
}

/// Waits until a server's work in the background is done, as far as its CPU time tells.
pub(super) fn still(pid: u32) -> Result<()> {
    let deadline = Instant::now() + SETTLED_MAX;
    loop {
        let before = cpu_seconds(pid)?;
        std::thread::sleep(STILL);
        if cpu_seconds(pid)? - before <= STILL_CPU_OF_SECOND * STILL.as_secs_f64() {
            return Ok(());
        }
        if Instant::now() > deadline {
            fail!("process {pid} is still busy after {} s", SETTLED_MAX.as_secs());
        }
    }
}

/// All files below a folder.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).while_doing(folder.display())? {
            let entry = entry.while_doing(folder.display())?;
            // A file may go while we look: merged segments, old parts.
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Bytes that the files below a folder take on disk.
pub(super) fn disk_bytes(folder: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt as _;
    let blocks =
        files(folder)?.iter().filter_map(|file| Some(fs::metadata(file).ok()?.blocks())).sum::<u64>();
    Ok(blocks * 512)
}

/// Writes the files below a folder out and has the system forget them, as after a start of the machine.
///
/// Nobody may have them open with a mapping.
pub(super) fn forget(folder: &Path) -> Result<()> {
    for path in files(folder)? {
        if let Ok(file) = File::open(&path) {
            file.sync_data().while_doing(path.display())?;
            fadvise(&file, 0, None, Advice::DontNeed).while_doing(path.display())?;
        }
    }
    Ok(())
}
