package sandbox

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// restrictFiles leaves this process the files that Landlock's rules name, as far as the kernel's
// version of it goes.
func restrictFiles(c Config) error {
	if abi, err := ll.LandlockGetABIVersion(); err != nil || abi < 1 {
		return fmt.Errorf("%w: Landlock: the kernel has none, or was not started with it (lsm= in its command line)", ErrMissing)
	}
	// Not the scope of signals: before 6.15 a thread of a process confined thread by thread could
	// not signal the next, as Go's runtime does. The filter of calls has tgkill for this process alone.
	cfg := landlock.V5
	cfg.Scoped = landlock.ScopedSet(ll.ScopeAbstractUnixSocket)
	if strings.HasPrefix(c.Notify, "@") {
		cfg.Scoped = 0
	}
	rules := []landlock.Rule{
		landlock.PathAccess(readAccess, dirs(c)...).IgnoreIfMissing(),
		landlock.PathAccess(tunAccess, "/dev/net/tun").IgnoreIfMissing(),
		landlock.PathAccess(nullAccess, "/dev/null").IgnoreIfMissing(),
		// DNS by TCP, where an answer is too long for UDP.
		landlock.ConnectTCP(53),
	}
	for _, port := range c.Listen {
		rules = append(rules, landlock.BindTCP(port))
	}
	if len(c.Own) > 0 {
		rules = append(rules, landlock.PathAccess(ownAccess, c.Own...).IgnoreIfMissing())
	}
	if err := cfg.BestEffort().Restrict(rules...); err != nil {
		return fmt.Errorf("sandbox: %w: start the daemon with --no-sandbox to do without, and report this", err)
	}
	return nil
}

const (
	readAccess landlock.AccessFSSet = ll.AccessFSReadFile | ll.AccessFSReadDir
	ownAccess                       = readAccess | ll.AccessFSWriteFile | ll.AccessFSTruncate | ll.AccessFSMakeReg | ll.AccessFSMakeDir | ll.AccessFSMakeSock |
		ll.AccessFSRemoveFile | ll.AccessFSRemoveDir
	nullAccess landlock.AccessFSSet = ll.AccessFSReadFile | ll.AccessFSWriteFile
	// Links made later make a TAP (TUNSETIFF).
	tunAccess = nullAccess | ll.AccessFSIoctlDev
)

// dirs are the directories that are read. /etc as a whole: resolv.conf, hosts and nsswitch.conf are
// replaced by others, and a rule is a file's, not a name's. /proc and /sys: the namespace, limits
// and counters of this process, the kernel's settings of the underlay's devices; what other
// processes keep to themselves there Landlock keeps from this one.
func dirs(c Config) []string {
	all := []string{"/etc", "/proc", "/sys", "/usr/share/zoneinfo", "/run/systemd/resolve", "/run/NetworkManager", "/run/resolvconf", "/run/connman"}
	for _, name := range append([]string{"/etc/resolv.conf", "/etc/localtime"}, c.Files...) {
		all = append(all, dirOf(name)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// dirOf are the directories that a file is in, by its name and by where links lead.
func dirOf(name string) []string {
	if name == "" {
		return nil
	}
	at := []string{filepath.Dir(name)}
	if target, err := filepath.EvalSymlinks(name); err == nil {
		var st unix.Stat_t
		if unix.Stat(target, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
			return append(at, target)
		}
		at = append(at, filepath.Dir(target))
	}
	return at
}
