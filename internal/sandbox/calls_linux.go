package sandbox

import (
	"os"

	"github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// policy lists the system calls. What is in no list fails with EPERM. All but what passes is
// in the kernel's log (SECCOMP_FILTER_FLAG_LOG).
func policy(a *arch.Info) seccomp.Policy {
	return seccomp.Policy{
		DefaultAction: seccomp.ActionErrno,
		Syscalls: []seccomp.SyscallGroup{
			{Action: seccomp.ActionAllow, Names: known(a, allowed()), NamesWithCondtions: knownArguments(a, allowedArguments())},
			{Action: seccomp.ActionErrno | seccomp.Action(unix.ENOSYS), Names: known(a, doneWithout())},
			{Action: seccomp.ActionKillProcess, Names: known(a, fatal())},
		},
	}
}

// allowed are the calls that pass whatever their arguments are, those of the data path first.
func allowed() []string {
	return []string{
		// frames and packets
		"read", "writev", "sendmmsg", "recvmmsg", "recvmmsg_time64", "epoll_pwait", "futex", "futex_time64", "sched_yield",
		"nanosleep", "clock_nanosleep", "clock_nanosleep_time64",
		// descriptors
		"write", "readv", "pread64", "pwrite64", "close", "fcntl", "fcntl64", "dup", "dup3", "lseek", "_llseek", "pipe2",
		"epoll_create1", "epoll_ctl", "epoll_wait", "eventfd2", "poll", "ppoll", "ppoll_time64",
		// sockets: the control API's, netlink, UDP, metrics, the resolver
		"bind", "connect", "listen", "accept4", "getsockname", "getpeername", "setsockopt", "getsockopt", "sendto", "recvfrom",
		"sendmsg", "recvmsg", "shutdown", "bpf",
		// files, of which Landlock says which
		"openat", "newfstatat", "fstat", "fstat64", "fstatat64", "stat", "lstat", "statx", "readlinkat", "getdents64", "getcwd",
		"statfs", "fstatfs", "statfs64", "fstatfs64", "faccessat", "faccessat2", "unlinkat", "mkdirat", "renameat", "renameat2",
		"fsync", "fdatasync", "ftruncate", "ftruncate64", "flock", "fchmod", "fchmodat", "memfd_create",
		// memory
		"mmap", "mmap2", "munmap", "mprotect", "madvise", "mremap", "mincore", "brk",
		// threads, signals and timers of the runtime
		"gettid", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigreturn", "sigaltstack", "sched_getaffinity", "set_robust_list",
		"rseq", "set_tid_address", "membarrier", "restart_syscall", "exit", "exit_group", "prctl", "getpriority", "setpriority",
		"timer_create", "timer_settime", "timer_settime64", "timer_delete", "setitimer",
		// what it is, and where it runs
		"clock_gettime", "clock_gettime64", "clock_getres", "clock_getres_time64", "gettimeofday", "getpid", "getppid", "getuid",
		"getuid32", "geteuid", "geteuid32", "getgid", "getgid32", "getegid", "getegid32", "capget", "uname", "getrandom", "prlimit64",
		"ugetrlimit", "getrusage", "sysinfo",
		// set by the runtime at a thread's start (set_tls in arch/arm/kernel/traps.c)
		"set_tls", "arch_prctl",
	}
}

// allowedArguments are the calls of which some arguments pass.
func allowedArguments() []seccomp.NameWithConditions {
	when := func(name string, conditions ...seccomp.Condition) seccomp.NameWithConditions {
		return seccomp.NameWithConditions{Name: name, Conditions: conditions}
	}
	calls := []seccomp.NameWithConditions{
		// A thread and no process: a child would have the flag's bit clear.
		when("clone", seccomp.Condition{Argument: 0, Operation: seccomp.BitsSet, Value: unix.CLONE_THREAD}),
		// No input put into a terminal that the daemon was started from (ioctl_tty(2)).
		when("ioctl", seccomp.Condition{Argument: 1, Operation: seccomp.NotEqual, Value: unix.TIOCSTI},
			seccomp.Condition{Argument: 1, Operation: seccomp.NotEqual, Value: unix.TIOCLINUX}),
		// A netdev that was moved to another network namespace is changed from within.
		when("setns", seccomp.Condition{Argument: 1, Operation: seccomp.Equal, Value: unix.CLONE_NEWNET}),
		when("tgkill", seccomp.Condition{Argument: 0, Operation: seccomp.Equal, Value: uint64(os.Getpid())}),
	}
	for _, family := range []uint64{unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK, unix.AF_UNIX} {
		calls = append(calls, when("socket", seccomp.Condition{Argument: 0, Operation: seccomp.Equal, Value: family},
			// whose ports Landlock does not ask about
			seccomp.Condition{Argument: 2, Operation: seccomp.NotEqual, Value: unix.IPPROTO_MPTCP}))
	}
	return calls
}

// doneWithout are the calls that the runtime and the C library try, and do without where the
// kernel has none: they must read that, and not that they may not. The arguments of clone3 are
// in memory, which a filter cannot see.
func doneWithout() []string {
	return []string{
		"clone3", "copy_file_range", "splice", "sendfile", "sendfile64", "openat2", "close_range", "fchmodat2", "epoll_pwait2", "io_uring_setup",
		"pidfd_open", "pidfd_send_signal", "perf_event_open", "userfaultfd",
	}
}

// fatal are the calls that end the process: no part of the daemon makes them, so that who does
// has taken it over.
func fatal() []string {
	return []string{
		"execve", "execveat", "fork", "vfork", "ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "init_module", "finit_module",
		"delete_module", "kexec_load", "kexec_file_load", "mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen",
		"setns", "unshare", "setuid", "setuid32", "setgid", "setgid32", "setreuid", "setreuid32", "setregid", "setregid32", "setresuid",
		"setresuid32", "setresgid", "setresgid32", "setgroups", "setgroups32", "capset", "reboot", "swapon", "swapoff", "add_key",
		"request_key", "keyctl", "acct", "settimeofday", "clock_settime", "clock_settime64", "open_by_handle_at",
	}
}

// known are those of the calls that the architecture has.
func known(a *arch.Info, calls []string) []string {
	var have []string
	for _, name := range calls {
		if _, ok := a.SyscallNames[name]; ok {
			have = append(have, name)
		}
	}
	return have
}

// knownArguments is known for calls with conditions.
func knownArguments(a *arch.Info, calls []seccomp.NameWithConditions) []seccomp.NameWithConditions {
	var have []seccomp.NameWithConditions
	for _, c := range calls {
		if _, ok := a.SyscallNames[c.Name]; ok {
			have = append(have, c)
		}
	}
	return have
}
