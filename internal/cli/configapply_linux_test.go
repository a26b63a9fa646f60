package cli

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/uvtep/uvtep/test/lab"
)

// followed is a host whose daemon has a file.
type followed struct {
	host
	file  string
	proc  *lab.Process
	times int
}

func newFollowed(t *testing.T, text string) *followed {
	t.Helper()
	a, _ := hosts(t)
	f := &followed{host: a, file: filepath.Join(t.TempDir(), "f.yaml")}
	writeFile(t, f.file, text)
	f.proc = a.daemon("--config " + f.file)
	return f
}

// hangup has the daemon read its file, and returns what it logged of that.
func (f *followed) hangup() string {
	f.t.Helper()
	f.times++
	mark := fmt.Sprintf("reload=%d ", f.times)
	if err := f.proc.Signal(syscall.SIGHUP); err != nil {
		f.t.Fatal(err)
	}
	if err := f.proc.WaitStderr(mark, timeout); err != nil {
		f.t.Fatal(err)
	}
	before, after, _ := strings.Cut(f.proc.Stderr(), mark)
	line, _, _ := strings.Cut(after, "\n")
	return before[strings.LastIndex(before, "\n")+1:] + mark + line
}

// apply runs config apply.
func (f *followed) apply(options string) result {
	f.t.Helper()
	f.times++
	return f.uvtep("config apply " + options)
}

func tenLinks() string {
	text := "links:\n"
	for i := range 10 {
		text += fmt.Sprintf("  - name: vx%d\n    id: %d\n    local: 192.0.2.1\n    remote: 192.0.2.12\n    persist: true\n", i, 100+i)
	}
	return text
}

// TestHalfWrittenFile: no file that is empty or cut off takes a link away, by
// SIGHUP or by config apply; what the file says whole does, and is told.
func TestHalfWrittenFile(t *testing.T) {
	whole := tenLinks()
	f := newFollowed(t, whole)
	links := func() int { return strings.Count(f.mustUvtep("-br link show"), "vx") }
	for i := range 24 {
		writeFile(t, f.file, whole[:i*len(whole)/24])
		if i%2 == 0 {
			f.hangup()
		} else if r := f.apply(""); r.status != exitRefused || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, f.file+":") {
			t.Errorf("config apply of a file cut off at byte %d: %+v", i*len(whole)/24, r)
		}
		if n := links(); n != 10 {
			t.Fatalf("cut off at byte %d of %d: %d links are left: %s", i*len(whole)/24, len(whole), n, f.proc.Stderr())
		}
	}
	nine := whole[:strings.Index(whole, "  - name: vx9")]
	writeFile(t, f.file, nine)
	if log := f.hangup(); !strings.Contains(log, "link vx9 would go: nothing is changed") || links() != 10 {
		t.Errorf("without the last link: %s", log)
	}
	failed := "the daemon did not apply " + f.file + " when it last read it, "
	if r := f.uvtep("check"); !strings.Contains(r.out, failed) || !strings.Contains(r.out, "link vx9 would go") {
		t.Errorf("check after that: %+v", r)
	}
	if r := f.apply("--force"); r != (result{exitDone, f.file + ": links: 9; removed: vx9\n", ""}) || links() != 9 {
		t.Errorf("config apply --force: %+v", r)
	}
	if r := f.uvtep("check"); strings.Contains(r.out, failed) {
		t.Errorf("check once it was applied: %+v", r)
	}
	writeFile(t, f.file, nine[:strings.Index(nine, "  - name: vx8")]+"...\n")
	f.hangup()
	if err := f.proc.WaitStderr(`msg="the configuration file is applied" class=config reload=27`, timeout); err != nil || links() != 8 {
		t.Errorf("with an end: %v", err)
	}
	if err := f.proc.WaitStderr(`level=WARN msg="what the configuration file has no more is deleted" class=config reload=27 links=vx8`, timeout); err != nil {
		t.Error(err)
	}
	writeFile(t, f.file, "links: []\n...\n")
	if r := f.apply("-j"); r.status != exitDone || r.out != fmt.Sprintf(`[{"file":%q,"links":0,"removed":["vx0","vx1","vx2","vx3","vx4","vx5","vx6","vx7"]}]`+"\n", f.file) || links() != 0 {
		t.Errorf("links: []: %+v", r)
	}
}

// TestEditorThatTruncates: who writes a file in pieces, from an empty one on, is
// waited for. A busy machine may leave the file alone for longer than is waited;
// then it is refused, and nothing is lost.
func TestEditorThatTruncates(t *testing.T) {
	whole := tenLinks()
	f := newFollowed(t, whole)
	for round := range 10 {
		meant := fmt.Sprintf("%s  - name: new%d\n    id: 7\n", whole, round)
		writeFile(t, f.file, "")
		if err := f.proc.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		for i := range 8 {
			time.Sleep(10 * time.Millisecond) // as an editor on a slow disk does
			writeFile(t, f.file, meant[:(i+1)*len(meant)/8])
		}
		if err := f.proc.WaitStderr(fmt.Sprintf("reload=%d ", round+1), timeout); err != nil {
			t.Fatal(err)
		}
		switch n := strings.Count(f.mustUvtep("-br link show"), "vx"); {
		case n < 10:
			t.Fatalf("%d links are left: %s", n, f.proc.Stderr())
		case strings.Contains(f.mustUvtep("-br link show"), "new"):
			return
		}
	}
	t.Errorf("the rest of the file was never waited for: %s", f.proc.Stderr())
}

// TestApplyRefused: what cannot be is told in one line, as is a daemon without a
// file.
func TestApplyRefused(t *testing.T) {
	f := newFollowed(t, "links:\n  - name: vx0\n    id: 1\n")
	writeFile(t, f.file, "links:\n  - name: vx0\n    id: x\n    ttl: 999\n")
	if r := f.apply("--force"); r.status != exitRefused || strings.Count(r.stderr, "\n") != 1 ||
		!strings.Contains(r.stderr, f.file+":3:9: ") || !strings.Contains(r.stderr, "; "+f.file+":4:10: ") {
		t.Errorf("a file with a mistake: %+v", r)
	}
	_, b := hosts(t)
	b.daemon("vx0 id 1")
	if r := b.uvtep("config apply"); r.status != exitRefused || !strings.Contains(r.stderr, "has no configuration file: start it with uvtep run --config FILE") {
		t.Errorf("a daemon without a file: %+v", r)
	}
	if r := b.uvtep("config apply x"); r.status != exitUsage {
		t.Errorf("config apply x: %+v", r)
	}
}

// TestFileThatBlocks: a FIFO in the file's place keeps neither SIGHUP nor SIGTERM.
func TestFileThatBlocks(t *testing.T) {
	f := newFollowed(t, "links:\n  - name: vx0\n    id: 1\n")
	if err := syscall.Unlink(f.file); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(f.file, 0o600); err != nil {
		t.Fatal(err)
	}
	if log := f.hangup(); !strings.Contains(log, "no regular file but a FIFO") {
		t.Errorf("SIGHUP: %s", log)
	}
	f.mustUvtep("link show vx0")
	if err := f.proc.Stop(timeout); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
	if r := f.uvtep("run --config " + f.file); r.status != exitUsage || !strings.Contains(r.stderr, "no regular file but a FIFO") {
		t.Errorf("at the start: %+v", r)
	}
}
