package sandbox

import (
	"os"

	"github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// policies are the filters, each for all calls; of what they say of a call the strictest counts
// (seccomp(2)). All but what passes is in the kernel's log (SECCOMP_FILTER_FLAG_LOG).
//
// Each call that depends on its arguments has a filter of its own, so that no filter depends on how
// the library orders conditions beside other calls. The list of all calls comes last, since it does not have the call that installs filters.
func policies(a *arch.Info) []seccomp.Policy {
	var all []seccomp.Policy
	for _, r := range refusedArguments() {
		if _, ok := a.SyscallNames[r.call]; !ok {
			continue
		}
		group := seccomp.SyscallGroup{Action: r.action}
		for _, conditions := range r.where {
			group.NamesWithCondtions = append(group.NamesWithCondtions, seccomp.NameWithConditions{Name: r.call, Conditions: conditions})
		}
		all = append(all, seccomp.Policy{DefaultAction: seccomp.ActionAllow, Syscalls: []seccomp.SyscallGroup{group}})
	}
	return append(all, seccomp.Policy{
		DefaultAction: seccomp.ActionErrno, // EPERM
		Syscalls: []seccomp.SyscallGroup{
			{Action: seccomp.ActionAllow, Names: known(a, allowed())},
			{Action: seccomp.ActionErrno | seccomp.Action(unix.ENOSYS), Names: known(a, doneWithout())},
			{Action: seccomp.ActionKillProcess, Names: known(a, fatal())},
		},
	})
}

// allowed are the calls that pass, those of the data path first; of some, refusedArguments takes arguments out.
func allowed() []string {
	return []string{
		// frames and packets
		"read", "writev", "sendmmsg", "recvmmsg", "recvmmsg_time64", "epoll_pwait", "futex", "futex_time64", "sched_yield",
		"nanosleep", "clock_nanosleep", "clock_nanosleep_time64",
		// descriptors
		"write", "ioctl", "readv", "pread64", "pwrite64", "close", "fcntl", "fcntl64", "dup", "dup3", "lseek", "_llseek", "pipe2",
		"epoll_create1", "epoll_ctl", "epoll_wait", "eventfd2", "poll", "ppoll", "ppoll_time64",
		// sockets: the control API's, netlink, UDP, metrics, the resolver
		"socket", "bind", "connect", "listen", "accept4", "getsockname", "getpeername", "setsockopt", "getsockopt", "sendto", "recvfrom",
		"sendmsg", "recvmsg", "shutdown", "bpf",
		// files, of which Landlock says which
		"openat", "newfstatat", "fstat", "fstat64", "fstatat64", "stat", "lstat", "statx", "readlinkat", "getdents64", "getcwd",
		"statfs", "fstatfs", "statfs64", "fstatfs64", "faccessat", "faccessat2", "unlinkat", "mkdirat", "renameat", "renameat2",
		"fsync", "fdatasync", "ftruncate", "ftruncate64", "flock", "fchmod", "fchmodat", "memfd_create",
		// memory
		"mmap", "mmap2", "munmap", "mprotect", "madvise", "mremap", "mincore", "brk",
		// threads, signals and timers of the runtime
		"clone", "gettid", "tgkill", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigreturn", "sigaltstack", "sched_getaffinity", "set_robust_list",
		"rseq", "set_tid_address", "membarrier", "restart_syscall", "exit", "exit_group", "prctl",
		"timer_create", "timer_settime", "timer_settime64", "timer_delete", "setitimer",
		// what it is, and where it runs
		"clock_gettime", "clock_gettime64", "clock_getres", "clock_getres_time64", "gettimeofday", "getpid", "getppid", "getuid",
		"getuid32", "geteuid", "geteuid32", "getgid", "getgid32", "getegid", "getegid32", "capget", "uname", "getrandom", "prlimit64",
		"ugetrlimit", "getrusage", "sysinfo", "setns",
		// set by the runtime at a thread's start (set_tls in arch/arm/kernel/traps.c)
		"set_tls", "arch_prctl",
	}
}

// refused are the arguments of a call with which it fails, or ends the process: where one of the
// lists of conditions holds, all of it.
type refused struct {
	call   string
	action seccomp.Action
	where  []seccomp.ArgumentConditions
}

func refusedArguments() []refused {
	is := func(argument uint32, value uint64) seccomp.Condition {
		return seccomp.Condition{Argument: argument, Operation: seccomp.Equal, Value: value}
	}
	isNot := func(argument uint32, value uint64) seccomp.Condition {
		return seccomp.Condition{Argument: argument, Operation: seccomp.NotEqual, Value: value}
	}
	return []refused{
		// A process, and no thread.
		{"clone", seccomp.ActionErrno, []seccomp.ArgumentConditions{{{Argument: 0, Operation: seccomp.BitsNotSet, Value: unix.CLONE_THREAD}}}},
		// Input put into the terminal that the daemon was started from (ioctl_tty(2)).
		{"ioctl", seccomp.ActionErrno, []seccomp.ArgumentConditions{{is(1, unix.TIOCSTI)}, {is(1, unix.TIOCLINUX)}}},
		// Any namespace but that of the network, in which a netdev that was moved there is changed.
		{"setns", seccomp.ActionKillProcess, []seccomp.ArgumentConditions{{isNot(1, unix.CLONE_NEWNET)}}},
		// A signal to another process.
		{"tgkill", seccomp.ActionErrno, []seccomp.ArgumentConditions{{isNot(0, uint64(os.Getpid()))}}},
		// Packet sockets and all else; multipath TCP, about whose ports Landlock does not ask.
		{"socket", seccomp.ActionErrno, []seccomp.ArgumentConditions{
			{isNot(0, unix.AF_INET), isNot(0, unix.AF_INET6), isNot(0, unix.AF_NETLINK), isNot(0, unix.AF_UNIX)},
			{is(2, unix.IPPROTO_MPTCP)},
		}},
	}
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
		"unshare", "setuid", "setuid32", "setgid", "setgid32", "setreuid", "setreuid32", "setregid", "setregid32", "setresuid",
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
