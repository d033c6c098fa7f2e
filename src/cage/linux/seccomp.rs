//! The system call filter: a list of what is allowed.
//!
//! Every other call fails with "no such system call" (`ENOSYS`). Programs take that for an old kernel and fall back. The same
//! holds for `clone3`, whose flags a filter cannot read. A list of *forbidden* calls would allow what the next kernel adds,
//! and the second set of numbers (x32) of x86-64.
//!
//! Left out on purpose: namespaces, mounts, tracing and memory of other processes, kernel keys, BPF, io_uring, perf
//! and userfaultfd. So are modules, kexec, file handles, clocks, quotas, swap, and System V memory, which no limit
//! counts.

use std::collections::BTreeMap;

use nix::libc::{self, c_long};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition as Condition,
    SeccompFilter, SeccompRule,
};

use super::at;
use crate::cage::error::{SetupStep, StageError};

/// Every flag of `clone` that makes a namespace. The flag for time namespaces shares a bit with the exit signal, so `clone`
/// cannot make one.
const NEW_NAMESPACES: u64 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u64;

/// Filters this process and its children, for good.
pub(super) fn filter() -> Result<(), StageError> {
    install(allowed()?)
}

/// The same for a service of Kavi's own: it starts no program and no process, listens nowhere, and changes no file.
pub(super) fn filter_service() -> Result<(), StageError> {
    let failed = |what: &'static str| at(SetupStep::Seccomp, what);
    let mut rules = allowed()?;
    for number in NOT_FOR_SERVICES {
        rules.remove(number);
    }
    #[cfg(target_arch = "x86_64")]
    for number in NOT_FOR_SERVICES_OLD {
        rules.remove(number);
    }
    rules.extend(conditional_for_services().map_err(failed("conditions of a service"))?);
    install(rules)
}

fn allowed() -> Result<BTreeMap<i64, Vec<SeccompRule>>, StageError> {
    let failed = |what: &'static str| at(SetupStep::Seccomp, what);
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = FREE.iter().map(|number| (*number, Vec::new())).collect();
    #[cfg(target_arch = "x86_64")]
    rules.extend(FREE_OLD.iter().map(|number| (*number, Vec::new())));
    rules.extend(conditional().map_err(failed("conditions"))?);
    Ok(rules)
}

fn install(rules: BTreeMap<i64, Vec<SeccompRule>>) -> Result<(), StageError> {
    let failed = |what: &'static str| at(SetupStep::Seccomp, what);
    let refuse = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let arch = std::env::consts::ARCH.try_into().map_err(failed("architecture"))?;
    // The program also checks the architecture: numbers of the 32-bit calls mean other calls here.
    let filter = SeccompFilter::new(rules, refuse, SeccompAction::Allow, arch).map_err(failed("filter"))?;
    let program: BpfProgram = filter.try_into().map_err(failed("program"))?;
    seccompiler::apply_filter(&program).map_err(at(SetupStep::Seccomp, "install"))
}

/// Calls that are allowed with some arguments only.
fn conditional() -> Result<BTreeMap<i64, Vec<SeccompRule>>, seccompiler::BackendError> {
    // Four bytes are compared where the kernel takes an `int`. It ignores the upper half, so with
    // eight bytes a caller could set it and a forbidden value would look like another one.
    let when = |argument, length, operator, value| Condition::new(argument, length, operator, value);
    let family = |family: i32| when(0, Len::Dword, Op::Eq, u64::from(family.unsigned_abs()));
    let mut rules = BTreeMap::new();
    rules.insert(libc::SYS_clone, vec![SeccompRule::new(vec![when(0, Len::Qword, Op::MaskedEq(NEW_NAMESPACES), 0)?])?]);
    // No raw packets, no kernel ciphers (AF_ALG), no sockets to the host of a virtual machine (AF_VSOCK). Of netlink only
    // routes, which the standard library of some languages reads to list interfaces.
    let routes = vec![family(libc::AF_NETLINK)?, when(2, Len::Dword, Op::Eq, u64::from(libc::NETLINK_ROUTE as u32))?];
    rules.insert(
        libc::SYS_socket,
        vec![
            SeccompRule::new(vec![family(libc::AF_UNIX)?])?,
            SeccompRule::new(vec![family(libc::AF_INET)?])?,
            SeccompRule::new(vec![family(libc::AF_INET6)?])?,
            SeccompRule::new(routes)?,
        ],
    );
    // Pairs of other families would reach code of the kernel that no job needs.
    rules.insert(libc::SYS_socketpair, vec![SeccompRule::new(vec![family(libc::AF_UNIX)?])?]);
    // These two put text into a terminal as if a person had typed it.
    let not = |request: u64| when(1, Len::Dword, Op::Ne, request);
    rules.insert(libc::SYS_ioctl, vec![SeccompRule::new(vec![not(TIOCSTI)?, not(TIOCLINUX)?])?]);
    // The job must not change the limit on core dumps: see `launch::limit`. Reading it is allowed.
    let core = u64::from(libc::RLIMIT_CORE);
    rules.insert(libc::SYS_setrlimit, vec![SeccompRule::new(vec![when(0, Len::Dword, Op::Ne, core)?])?]);
    // A null pointer as the new limit means that the call only reads.
    let read_only = SeccompRule::new(vec![when(2, Len::Qword, Op::Eq, 0)?])?;
    let another = SeccompRule::new(vec![when(1, Len::Dword, Op::Ne, core)?])?;
    rules.insert(libc::SYS_prlimit64, vec![read_only, another]);
    // Reading the personality, or setting the default one. Others switch address randomisation off.
    let personality = |value| SeccompRule::new(vec![when(0, Len::Dword, Op::Eq, value)?]);
    rules.insert(libc::SYS_personality, vec![personality(0)?, personality(0xffff_ffff)?]);
    Ok(rules)
}

/// What replaces the conditions of a job for a service.
fn conditional_for_services() -> Result<BTreeMap<i64, Vec<SeccompRule>>, seccompiler::BackendError> {
    let when = |argument, length, operator, value| Condition::new(argument, length, operator, value);
    let family = |family: i32| when(0, Len::Dword, Op::Eq, u64::from(family.unsigned_abs()));
    let mut rules = BTreeMap::new();
    // Threads, and no processes.
    let thread = libc::CLONE_THREAD as u64;
    rules.insert(
        libc::SYS_clone,
        vec![SeccompRule::new(vec![
            when(0, Len::Qword, Op::MaskedEq(NEW_NAMESPACES), 0)?,
            when(0, Len::Qword, Op::MaskedEq(thread), thread)?,
        ])?],
    );
    // No Unix socket: behind one may be a service of the machine that does what this process may not.
    let routes = vec![family(libc::AF_NETLINK)?, when(2, Len::Dword, Op::Eq, u64::from(libc::NETLINK_ROUTE as u32))?];
    rules.insert(
        libc::SYS_socket,
        vec![
            SeccompRule::new(vec![family(libc::AF_INET)?])?,
            SeccompRule::new(vec![family(libc::AF_INET6)?])?,
            SeccompRule::new(routes)?,
        ],
    );
    // Files are opened to be read.
    let writes = (libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC | libc::O_APPEND).unsigned_abs();
    let reads = when(2, Len::Dword, Op::MaskedEq(u64::from(writes)), 0)?;
    rules.insert(libc::SYS_openat, vec![SeccompRule::new(vec![reads])?]);
    Ok(rules)
}

/// Calls of a job that no service makes.
#[rustfmt::skip]
const NOT_FOR_SERVICES: &[c_long] = &[
    libc::SYS_execve, libc::SYS_execveat, libc::SYS_listen, libc::SYS_accept, libc::SYS_accept4,
    libc::SYS_socketpair, libc::SYS_openat2, libc::SYS_mkdirat, libc::SYS_unlinkat, libc::SYS_renameat,
    libc::SYS_renameat2, libc::SYS_linkat, libc::SYS_symlinkat, libc::SYS_mknodat, libc::SYS_truncate,
    libc::SYS_fallocate, libc::SYS_fchmod, libc::SYS_fchmodat, libc::SYS_fchown, libc::SYS_fchownat,
    libc::SYS_utimensat, libc::SYS_setxattr, libc::SYS_lsetxattr, libc::SYS_fsetxattr, libc::SYS_removexattr,
    libc::SYS_lremovexattr, libc::SYS_fremovexattr, libc::SYS_setuid, libc::SYS_setgid, libc::SYS_setreuid,
    libc::SYS_setregid, libc::SYS_setresuid, libc::SYS_setresgid, libc::SYS_setgroups, libc::SYS_pidfd_open,
    libc::SYS_pidfd_send_signal, libc::SYS_inotify_init1, libc::SYS_inotify_add_watch,
];

/// Older names of such calls.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const NOT_FOR_SERVICES_OLD: &[c_long] = &[
    libc::SYS_open, libc::SYS_creat, libc::SYS_mkdir, libc::SYS_rmdir, libc::SYS_unlink, libc::SYS_rename,
    libc::SYS_link, libc::SYS_symlink, libc::SYS_chmod, libc::SYS_chown, libc::SYS_lchown, libc::SYS_utime,
    libc::SYS_utimes, libc::SYS_futimesat, libc::SYS_mknod, libc::SYS_fork, libc::SYS_vfork, libc::SYS_inotify_init,
];

const TIOCSTI: u64 = 0x5412;
const TIOCLINUX: u64 = 0x541c;

/// Allowed with any arguments, on every architecture.
#[rustfmt::skip]
const FREE: &[c_long] = &[
    // files
    libc::SYS_openat, libc::SYS_openat2, libc::SYS_close, libc::SYS_close_range, libc::SYS_read, libc::SYS_write,
    libc::SYS_readv, libc::SYS_writev, libc::SYS_pread64, libc::SYS_pwrite64, libc::SYS_preadv, libc::SYS_pwritev,
    libc::SYS_preadv2, libc::SYS_pwritev2, libc::SYS_lseek, libc::SYS_fstat, libc::SYS_newfstatat, libc::SYS_statx,
    libc::SYS_statfs, libc::SYS_fstatfs, libc::SYS_getdents64, libc::SYS_readlinkat, libc::SYS_faccessat,
    libc::SYS_faccessat2, libc::SYS_getcwd, libc::SYS_chdir, libc::SYS_fchdir, libc::SYS_mkdirat, libc::SYS_unlinkat,
    libc::SYS_renameat, libc::SYS_renameat2, libc::SYS_linkat, libc::SYS_symlinkat, libc::SYS_truncate,
    libc::SYS_ftruncate, libc::SYS_fallocate, libc::SYS_fsync, libc::SYS_fdatasync, libc::SYS_sync_file_range,
    libc::SYS_fchmod, libc::SYS_fchmodat, libc::SYS_fchown, libc::SYS_fchownat, libc::SYS_utimensat,
    libc::SYS_umask, libc::SYS_flock, libc::SYS_fcntl, libc::SYS_dup, libc::SYS_dup3, libc::SYS_pipe2,
    libc::SYS_sendfile, libc::SYS_splice, libc::SYS_tee, libc::SYS_vmsplice, libc::SYS_copy_file_range,
    libc::SYS_fadvise64, libc::SYS_readahead, libc::SYS_mknodat, libc::SYS_getxattr, libc::SYS_lgetxattr,
    libc::SYS_fgetxattr, libc::SYS_listxattr, libc::SYS_llistxattr, libc::SYS_flistxattr, libc::SYS_setxattr,
    libc::SYS_lsetxattr, libc::SYS_fsetxattr, libc::SYS_removexattr, libc::SYS_lremovexattr, libc::SYS_fremovexattr,
    libc::SYS_inotify_init1, libc::SYS_inotify_add_watch, libc::SYS_inotify_rm_watch, libc::SYS_memfd_create,
    libc::SYS_landlock_create_ruleset, libc::SYS_landlock_add_rule, libc::SYS_landlock_restrict_self,
    // memory
    libc::SYS_brk, libc::SYS_mmap, libc::SYS_munmap, libc::SYS_mremap, libc::SYS_mprotect, libc::SYS_madvise,
    libc::SYS_msync, libc::SYS_mincore, libc::SYS_mlock, libc::SYS_mlock2, libc::SYS_munlock, libc::SYS_mlockall,
    libc::SYS_munlockall, libc::SYS_membarrier, libc::SYS_pkey_alloc, libc::SYS_pkey_free, libc::SYS_pkey_mprotect,
    libc::SYS_get_mempolicy,
    // processes and threads
    libc::SYS_execve, libc::SYS_execveat, libc::SYS_exit, libc::SYS_exit_group, libc::SYS_wait4, libc::SYS_waitid,
    libc::SYS_getpid, libc::SYS_getppid, libc::SYS_gettid, libc::SYS_getpgid, libc::SYS_setpgid, libc::SYS_getsid,
    libc::SYS_setsid, libc::SYS_getuid, libc::SYS_geteuid, libc::SYS_getgid, libc::SYS_getegid, libc::SYS_getresuid,
    libc::SYS_getresgid, libc::SYS_getgroups, libc::SYS_setuid, libc::SYS_setgid, libc::SYS_setreuid,
    libc::SYS_setregid, libc::SYS_setresuid, libc::SYS_setresgid, libc::SYS_setfsuid, libc::SYS_setfsgid,
    libc::SYS_setgroups, libc::SYS_capget, libc::SYS_capset, libc::SYS_prctl, libc::SYS_getrlimit,
    libc::SYS_getrusage, libc::SYS_times, libc::SYS_set_tid_address,
    libc::SYS_set_robust_list, libc::SYS_get_robust_list, libc::SYS_rseq, libc::SYS_futex, libc::SYS_futex_waitv,
    libc::SYS_getpriority, libc::SYS_setpriority, libc::SYS_ioprio_get, libc::SYS_ioprio_set, libc::SYS_getcpu,
    libc::SYS_sched_yield, libc::SYS_sched_getaffinity, libc::SYS_sched_setaffinity, libc::SYS_sched_getparam,
    libc::SYS_sched_setparam, libc::SYS_sched_getscheduler, libc::SYS_sched_setscheduler, libc::SYS_sched_getattr,
    libc::SYS_sched_setattr, libc::SYS_sched_get_priority_max, libc::SYS_sched_get_priority_min,
    libc::SYS_sched_rr_get_interval, libc::SYS_pidfd_open, libc::SYS_pidfd_send_signal,
    // signals
    libc::SYS_kill, libc::SYS_tkill, libc::SYS_tgkill, libc::SYS_rt_sigaction, libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigpending, libc::SYS_rt_sigtimedwait, libc::SYS_rt_sigqueueinfo, libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_rt_sigsuspend, libc::SYS_rt_sigreturn, libc::SYS_sigaltstack, libc::SYS_restart_syscall,
    libc::SYS_signalfd4,
    // waiting and time
    libc::SYS_ppoll, libc::SYS_pselect6, libc::SYS_epoll_create1, libc::SYS_epoll_ctl, libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2, libc::SYS_eventfd2, libc::SYS_timerfd_create, libc::SYS_timerfd_settime,
    libc::SYS_timerfd_gettime, libc::SYS_nanosleep, libc::SYS_clock_nanosleep, libc::SYS_clock_gettime,
    libc::SYS_clock_getres, libc::SYS_gettimeofday, libc::SYS_getitimer, libc::SYS_setitimer,
    libc::SYS_timer_create, libc::SYS_timer_settime, libc::SYS_timer_gettime, libc::SYS_timer_getoverrun,
    libc::SYS_timer_delete,
    // sockets, of the families that may be made
    libc::SYS_bind, libc::SYS_listen, libc::SYS_accept, libc::SYS_accept4, libc::SYS_connect, libc::SYS_getsockname,
    libc::SYS_getpeername, libc::SYS_getsockopt, libc::SYS_setsockopt, libc::SYS_sendto, libc::SYS_recvfrom,
    libc::SYS_sendmsg, libc::SYS_recvmsg, libc::SYS_sendmmsg, libc::SYS_recvmmsg, libc::SYS_shutdown,
    // the rest
    libc::SYS_uname, libc::SYS_sysinfo, libc::SYS_getrandom,
];

/// Older names that only x86-64 has.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const FREE_OLD: &[c_long] = &[
    libc::SYS_open, libc::SYS_creat, libc::SYS_stat, libc::SYS_lstat, libc::SYS_access, libc::SYS_readlink,
    libc::SYS_mkdir, libc::SYS_rmdir, libc::SYS_unlink, libc::SYS_rename, libc::SYS_link, libc::SYS_symlink,
    libc::SYS_chmod, libc::SYS_chown, libc::SYS_lchown, libc::SYS_utime, libc::SYS_utimes, libc::SYS_futimesat,
    libc::SYS_mknod, libc::SYS_getdents, libc::SYS_dup2, libc::SYS_pipe, libc::SYS_fork, libc::SYS_vfork,
    libc::SYS_getpgrp, libc::SYS_poll, libc::SYS_select, libc::SYS_epoll_create, libc::SYS_epoll_wait,
    libc::SYS_eventfd, libc::SYS_signalfd, libc::SYS_inotify_init, libc::SYS_pause, libc::SYS_alarm,
    libc::SYS_time, libc::SYS_arch_prctl,
];
