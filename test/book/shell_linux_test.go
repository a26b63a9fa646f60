package book_test

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/uvtep/uvtep/test/lab"
)

// host is one of the reader's hosts, with a shell at which he sits. It has /etc and /run of its own.
type host struct {
	*lab.Host
	t     *testing.T
	shell *lab.Process
	in    io.WriteCloser
	ended int    // how many lines its shell has ended
	seen  int    // how much of what the shell printed was looked at
	out   string // of the latest lines
}

// reader is who has the hosts a, b, c on a segment.
type reader map[string]*host

// boot makes /etc and /run the shell's own, and waits for no daemon: what it makes goes with it.
const boot = `set -e
mount -t tmpfs tmpfs /run
mkdir /run/upper /run/work /run/uvtep /run/netns /run/home
mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/upper,workdir=/run/work /etc
mkdir -p /etc/uvtep
cd /run/home
`

// sit gives the test three hosts.
func sit(t *testing.T) reader {
	t.Helper()
	installed(t, "unshare", "ip", "nft", "curl")
	dir := filepath.Dir(exe)
	if _, err := os.Stat(filepath.Join(dir, "ping")); err != nil {
		_ = os.Symlink(exe, filepath.Join(dir, "ping")) // another test may have made it
	}
	l := lab.ForTest(t)
	r := make(reader)
	var hosts []*lab.Host
	for _, name := range []string{"a", "b", "c"} {
		hosts = append(hosts, must(l.Host(name))(t))
	}
	devs := must(l.Switch(lab.WireOptions{}, hosts...))(t).Devs
	for i, h := range hosts {
		check(t, h.AddAddr(devs[i], netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), 24)),
			h.AddAddr(devs[i], netip.MustParsePrefix(fmt.Sprintf("2001:db8:1::%d/64", i+1))))
		pr, pw, err := os.Pipe()
		check(t, err)
		p := must(h.Start(lab.Command{
			Path: "unshare", Args: []string{"--mount", "--mount-proc", "--pid", "--fork", "--kill-child", "sh"}, Stdin: pr,
			Env: []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "UVTEP_CONTROL=", "LC_ALL=C.UTF-8"},
		}))(t)
		check(t, pr.Close())
		at := &host{Host: h, t: t, shell: p, in: pw}
		t.Cleanup(at.leave)
		at.run(boot)
		r[h.Name()] = at
	}
	return r
}

// leave ends the shell, and with it, as the first process of its namespace, the daemons.
func (h *host) leave() {
	_ = h.in.Close()
	if h.t.Failed() {
		h.t.Logf("%s: %s%s", h, h.shell.Stdout(), h.shell.Stderr())
		_ = h.shell.Close()
		return
	}
	if err := h.shell.Wait(soon); err != nil {
		h.t.Errorf("%s: the shell's end: %v\n%s", h, err, h.shell.Stderr())
	}
}

// daemon is a line that starts one.
var daemon = regexp.MustCompile(`(?m)^(uvtep (?:.* )?run\b.*?&)( *#.*)?$`)

// ready waits, as a reader would, until the daemon answers.
const ready = "for i in $(seq 300); do uvtep link show >/dev/null 2>&1 && break; sleep 0.1; done"

// try types lines, and returns what they print and whether the shell is still there.
func (h *host) try(lines string) (out string, ok bool) {
	h.t.Helper()
	h.ended++
	mark := fmt.Sprintf("@@ %d ended", h.ended)
	lines = daemon.ReplaceAllString(lines, "$1\n"+ready)
	_, err := fmt.Fprintf(h.in, "{\n%s\n} </dev/null 2>&1\necho '%s'\n", lines, mark)
	if err == nil {
		err = h.shell.WaitStdout(mark+"\n", soon)
	}
	all := h.shell.Stdout()[h.seen:]
	h.out, _, _ = strings.Cut(all, mark+"\n")
	h.seen += len(all)
	if err != nil {
		h.out += h.shell.Stderr()
	}
	return h.out, err == nil
}

// run types lines that have to succeed.
func (h *host) run(lines string) string {
	h.t.Helper()
	out, ok := h.try(lines)
	if !ok {
		h.t.Fatalf("%s: this failed:\n%s\nafter it had printed\n%s", h, lines, out)
	}
	return out
}

// asks types a line whatever its exit status is, and returns it with what it printed, and how long it took.
func (h *host) asks(line string) (out string, status int, took time.Duration) {
	h.t.Helper()
	began := time.Now()
	out = h.run("status=0; " + line + " || status=$?; echo \"@@ $status\"")
	took = time.Since(began)
	text, end, _ := strings.Cut(out, "@@ ")
	if _, err := fmt.Sscan(end, &status); err != nil {
		h.t.Fatalf("%s: %s: %v: %s", h, line, err, out)
	}
	return text, status, took
}

// write makes a file.
func (h *host) write(name, text string) {
	h.t.Helper()
	h.run("mkdir -p " + filepath.Dir(name) + "\ncat >" + name + " <<'@@'\n" + text + "@@")
}
