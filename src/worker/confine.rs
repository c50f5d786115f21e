//! Turns this very process into one that can read, write and compute, and nothing else. Every layer that the kernel lacks is named and
//! the others hold all the same; none of them needs a privilege.

use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope};
use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};
use std::collections::BTreeMap;
use std::os::fd::RawFd;

/// What a confined process may use up in its whole life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Portion {
    /// Octets of address space.
    pub memory: u64,
    /// Seconds of processor time.
    pub seconds: u64,
}

/// Confines the reader of foreign files: no file, no network, no other process; of descriptors only `channel`. Gives what is missing.
pub fn reader(channel: RawFd, portion: Portion) -> Vec<String> {
    let mut lacks = Vec::new();
    // Nothing is opened any more, so no descriptor is needed beyond those that are open; Landlock itself needs one for a moment.
    processes(&mut lacks);
    limits(portion, &mut lacks);
    landlock(&[], &mut lacks);
    limit(Resource::Nofile, 0, &mut lacks);
    // Filters add up, and the strictest verdict counts: what is plainly an attack ends the process, so that it is seen; what some
    // library might try in passing fails.
    for filter in [filter(forbidden(&[libc::SYS_execve]), Verdict::Kill), filter(needed(channel), Verdict::AllowOnly)] {
        install(filter, &mut lacks);
    }
    lacks
}

/// Confines a program that is about to be executed in our place: it may read and execute system files, and write to nothing but
/// its standard output.
pub fn program(portion: Portion) -> Vec<String> {
    const SYSTEM: &[&str] = &[
        "/usr",
        "/lib",
        "/lib64",
        "/nix/store",
        "/etc/ld.so.cache",
        "/etc/ld.so.conf",
        "/etc/ld.so.conf.d",
        "/etc/alternatives",
        "/sys/devices/system/cpu",
        "/dev/null",
        "/dev/urandom",
    ];
    let mut lacks = Vec::new();
    processes(&mut lacks);
    limits(portion, &mut lacks);
    limit(Resource::Nofile, 64, &mut lacks);
    landlock(SYSTEM, &mut lacks);
    install(filter(forbidden(&[]), Verdict::Refuse), &mut lacks);
    lacks
}

/// Dies with the gate, gains no privilege, and cannot be looked into.
fn processes(lacks: &mut Vec<String>) {
    for (what, done) in [
        ("an end with the gate's", rustix::process::set_parent_process_death_signal(Some(Signal::KILL))),
        ("no new privileges", rustix::thread::set_no_new_privs(true)),
        ("no core dump", rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)),
    ] {
        if let Err(why) = done {
            lacks.push(format!("{what} ({why})"));
        }
    }
}

fn limits(portion: Portion, lacks: &mut Vec<String>) {
    limit(Resource::As, portion.memory, lacks);
    limit(Resource::Cpu, portion.seconds, lacks);
    limit(Resource::Fsize, 0, lacks);
    limit(Resource::Core, 0, lacks);
    limit(Resource::Memlock, 0, lacks);
    limit(Resource::Msgqueue, 0, lacks);
}

fn limit(resource: Resource, most: u64, lacks: &mut Vec<String>) {
    // Never above what the operator allows.
    let most = rustix::process::getrlimit(resource).maximum.map_or(most, |allowed| allowed.min(most));
    if let Err(why) = rustix::process::setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) }) {
        lacks.push(format!("the limit on {resource:?} ({why})"));
    }
}

/// All that Landlock of this version can deny is denied, but for reading and executing below `readable`.
fn landlock(readable: &[&str], lacks: &mut Vec<String>) {
    // Version 6 (Linux 6.12) brings the last of what is asked here; older kernels do what they can.
    const NEWEST: ABI = ABI::V6;
    let read = AccessFs::from_read(NEWEST);
    let restrict = || {
        Ruleset::default()
            .handle_access(AccessFs::from_all(NEWEST))?
            .handle_access(AccessNet::from_all(NEWEST))?
            .scope(Scope::from_all(NEWEST))?
            .create()?
            .add_rules(landlock::path_beneath_rules(readable, read))?
            .restrict_self()
    };
    match restrict() {
        Ok(status) if status.ruleset == RulesetStatus::FullyEnforced => {}
        Ok(status) if status.ruleset == RulesetStatus::PartiallyEnforced => {
            lacks.push("a part of Landlock (Linux 6.12 has all of it)".into());
        }
        Ok(_) => lacks.push("Landlock (Linux 5.13 and later have it, unless it is switched off)".into()),
        Err(why) => lacks.push(format!("Landlock ({why})")),
    }
}

#[derive(Clone, Copy)]
enum Verdict {
    /// The listed calls are allowed, all others fail with EPERM.
    AllowOnly,
    /// The listed calls end the process.
    Kill,
    /// The listed calls fail with EPERM.
    Refuse,
}

type Calls = BTreeMap<i64, Vec<SeccompRule>>;

/// What a parser needs: memory, time, random numbers, and its one channel.
fn needed(channel: RawFd) -> Result<Calls, seccompiler::BackendError> {
    let argument = |number, operation, value| SeccompCondition::new(number, SeccompCmpArgLen::Dword, operation, value);
    let on_channel = || SeccompRule::new(vec![argument(0, SeccompCmpOp::Eq, channel as u64)?]);
    let executable = libc::PROT_EXEC as u64;
    // Memory of its own, not of files, and never to be executed.
    let no_descriptor = u64::from(u32::MAX);
    let memory = SeccompRule::new(vec![
        argument(2, SeccompCmpOp::MaskedEq(executable), 0)?,
        argument(4, SeccompCmpOp::Eq, no_descriptor)?,
    ])?;
    let protection = SeccompRule::new(vec![argument(2, SeccompCmpOp::MaskedEq(executable), 0)?])?;
    // It must be able to end itself: what Rust and the C library do after a fault or a failed reservation is `abort`, and a process that
    // may not would run into the same fault for ever.
    let own = SeccompRule::new(vec![argument(0, SeccompCmpOp::Eq, u64::from(std::process::id()))?])?;
    let mut calls = Calls::from([
        (libc::SYS_read, vec![on_channel()?]),
        (libc::SYS_write, vec![on_channel()?]),
        (libc::SYS_mmap, vec![memory]),
        (libc::SYS_mprotect, vec![protection]),
        (libc::SYS_tgkill, vec![own]),
    ]);
    for call in [
        libc::SYS_brk,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_madvise,
        libc::SYS_futex,
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_rt_sigreturn,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigaction,
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_sigaltstack,
        libc::SYS_restart_syscall,
        libc::SYS_clock_gettime,
        libc::SYS_gettimeofday,
        libc::SYS_getrandom,
        libc::SYS_sched_yield,
    ] {
        calls.insert(call, Vec::new());
    }
    Ok(calls)
}

/// What nobody who reads a document has any business with.
fn forbidden(more: &[i64]) -> Result<Calls, seccompiler::BackendError> {
    let calls = [
        libc::SYS_socket,
        libc::SYS_socketpair,
        libc::SYS_connect,
        libc::SYS_bind,
        libc::SYS_listen,
        libc::SYS_accept,
        libc::SYS_accept4,
        libc::SYS_sendto,
        libc::SYS_sendmsg,
        libc::SYS_sendmmsg,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_pidfd_getfd,
        libc::SYS_kill,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_io_uring_setup,
        libc::SYS_userfaultfd,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_mount,
        libc::SYS_chroot,
        libc::SYS_pivot_root,
        libc::SYS_add_key,
        libc::SYS_keyctl,
        libc::SYS_request_key,
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_kexec_load,
        libc::SYS_memfd_create,
        libc::SYS_execveat,
        libc::SYS_mkdirat,
        libc::SYS_unlinkat,
        libc::SYS_linkat,
        libc::SYS_symlinkat,
        libc::SYS_renameat2,
        libc::SYS_fchmodat,
        libc::SYS_fchownat,
        libc::SYS_setuid,
        libc::SYS_setgid,
        libc::SYS_setresuid,
        libc::SYS_capset,
        libc::SYS_personality,
    ];
    Ok(calls.into_iter().chain(more.iter().copied()).map(|call| (call, Vec::new())).collect())
}

fn filter(calls: Result<Calls, seccompiler::BackendError>, verdict: Verdict) -> Result<BpfProgram, seccompiler::BackendError> {
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    let (others, these) = match verdict {
        Verdict::AllowOnly => (refuse, SeccompAction::Allow),
        Verdict::Kill => (SeccompAction::Allow, SeccompAction::KillProcess),
        Verdict::Refuse => (SeccompAction::Allow, refuse),
    };
    SeccompFilter::new(calls?, others, these, TargetArch::try_from(std::env::consts::ARCH)?)?.try_into()
}

fn install(filter: Result<BpfProgram, seccompiler::BackendError>, lacks: &mut Vec<String>) {
    let done = filter.map_err(seccompiler::Error::from).and_then(|filter| seccompiler::apply_filter(&filter));
    if let Err(why) = done {
        lacks.push(format!("seccomp ({why})"));
    }
}
