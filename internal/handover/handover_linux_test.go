package handover

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// pair is a connection, as the old daemon's and the new one's.
func pair(t testing.TB) (older, newer *Conn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]*Conn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "pair")
		c, err := net.FileConn(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		ends[i] = &Conn{c.(*net.UnixConn)}
		t.Cleanup(func() { _ = c.Close() })
	}
	return ends[0], ends[1]
}

// written is a file that holds text.
func written(t *testing.T, text string) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	return f
}

// open is how many descriptors this process has.
func open(t testing.TB) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// TestGiveReceive: payload and files arrive whole and under their names, more files than a message takes, and each side
// waits for the word of the other.
func TestGiveReceive(t *testing.T) {
	older, newer := pair(t)
	payload := bytes.Repeat([]byte("state"), 1<<18)
	shared := written(t, "many")
	files := map[string][]*os.File{"tap.a b": {written(t, "first"), written(t, "second")}, "none": {}}
	for range 2*partLen + 3 {
		files["many"] = append(files["many"], shared)
	}
	before := open(t)
	said := make(chan error, 1)
	go func() {
		err := older.Begun()
		if err == nil {
			err = older.Give(payload, files)
		}
		if err == nil {
			err = older.Go()
		}
		said <- err
	}()
	got, have, err := newer.Receive()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, payload) || len(have) != len(files) {
		t.Errorf("%d bytes and %d names came, of %d and %d", len(got), len(have), len(payload), len(files))
	}
	for name, some := range files {
		if len(have[name]) != len(some) {
			t.Errorf("%d files %s came, of %d", len(have[name]), name, len(some))
		}
		for i, f := range have[name] {
			if is, want := contents(t, f), contents(t, some[i]); is != want {
				t.Errorf("file %d of %s holds %q, want %q", i, name, is, want)
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	select {
	case err := <-said:
		t.Fatalf("the old daemon did not wait until the new one is ready: %v", err)
	default:
	}
	if err := newer.Ready(); err != nil {
		t.Error(err)
	}
	if err := <-said; err != nil {
		t.Error(err)
	}
	if after := open(t); after != before {
		t.Errorf("%d descriptors are open, %d were before", after, before)
	}
}

func contents(t *testing.T, f *os.File) string {
	t.Helper()
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 100))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestNewDaemonDies: where the new daemon goes away, whenever that is before it said that it is ready, the old one hears an
// error, so that it goes on.
func TestNewDaemonDies(t *testing.T) {
	older, newer := pair(t)
	if err := newer.Close(); err != nil {
		t.Fatal(err)
	}
	if err := older.Begun(); err == nil {
		t.Error("a new daemon that is gone has begun")
	}
	older, newer = pair(t)
	go func(newer *Conn) {
		_, files, _ := newer.Receive()
		for _, f := range files["a"] {
			_ = f.Close()
		}
		_ = newer.Close()
	}(newer)
	if err := older.Begun(); err != nil {
		t.Fatal(err)
	}
	if err := older.Give([]byte("x"), map[string][]*os.File{"a": {written(t, "x")}}); err == nil {
		t.Error("a new daemon that is gone is ready")
	}
	older, newer = pair(t)
	if err := older.Close(); err != nil {
		t.Fatal(err)
	}
	if err := newer.Ready(); err == nil {
		t.Error("without the old one's word the new one may start")
	}
}

// message is what an old daemon sends, of parts that may be anything.
func message(headLen int, text string, rest ...byte) []byte {
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(headLen)), text...), rest...)
}

func told(t testing.TB, h head) []byte {
	t.Helper()
	text, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	return message(len(text), string(text))
}

// TestHostileBytes: whatever an old daemon sends ends with an error, and leaves nothing open.
func TestHostileBytes(t *testing.T) {
	for name, b := range map[string][]byte{
		"nothing":                 {},
		"a head that is cut":      message(100, "{"),
		"a head too long":         message(maxHead+1, ""),
		"a head that is no JSON":  message(3, "xyz"),
		"a payload too long":      told(t, head{Payload: maxPayload + 1}),
		"a payload of less":       told(t, head{Payload: -1}),
		"a payload that is cut":   told(t, head{Payload: 10}),
		"fewer files than none":   told(t, head{Names: []name{{"a", -1}}}),
		"too many files":          told(t, head{Names: []name{{"a", Most}, {"b", 1}}}),
		"files beyond an int":     told(t, head{Names: []name{{"a", math.MaxInt/2 + 1}, {"b", math.MaxInt/2 + 1}, {"c", math.MaxInt/2 + 1}, {"d", math.MaxInt/2 + 1}}}),
		"files that do not come":  append(told(t, head{Names: []name{{"a", 1}}}), part),
		"another byte than files": append(told(t, head{Names: []name{{"a", 1}}}), 'X'),
	} {
		before := open(t)
		if _, files, err := received(t, b, nil); err == nil {
			t.Errorf("%s is taken: %v", name, files)
		}
		if after := open(t); after != before {
			t.Errorf("%s: %d descriptors are open, %d were before", name, after, before)
		}
	}
	// Files beside a byte that promises none, and more of them than were told of.
	f := written(t, "x")
	for name, told := range map[string][]byte{"a wrong byte": append(told(t, head{Names: []name{{"a", 1}}}), 'X'), "too many": append(told(t, head{Names: []name{{"a", 1}}}), part)} {
		before := open(t)
		if _, files, err := received(t, told, []*os.File{f, f}); err == nil {
			t.Errorf("%s is taken: %v", name, files)
		}
		if after := open(t); after != before {
			t.Errorf("%s: %d descriptors are open, %d were before", name, after, before)
		}
	}
}

// received is what a new daemon makes of an old one's bytes, of which the last goes with files.
func received(t testing.TB, b []byte, files []*os.File) (payload []byte, have map[string][]*os.File, err error) {
	t.Helper()
	older, newer := pair(t)
	defer newer.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer older.Close()
		if files != nil {
			_, _ = older.Write(b[:len(b)-1])
			var fds []int
			for _, f := range files {
				fd, _ := number(f)
				fds = append(fds, fd)
			}
			_, _, _ = older.WriteMsgUnix(b[len(b)-1:], unix.UnixRights(fds...), nil)
			return
		}
		_, _ = older.Write(b)
	}()
	payload, have, err = newer.Receive()
	_ = newer.Close()
	<-done
	return payload, have, err
}

// FuzzReceive: nothing that an old daemon sends panics.
func FuzzReceive(f *testing.F) {
	f.Add(told(f, head{Payload: 3}), []byte("abc"))
	f.Add(told(f, head{Names: []name{{"a", 0}, {"b", 1}}}), []byte{part})
	f.Add(message(2, "{}"), []byte{})
	f.Fuzz(func(t *testing.T, b, more []byte) {
		if len(b) >= 4 && binary.BigEndian.Uint32(b) > 1<<16 {
			return // memory that a head may take
		}
		payload, _, err := received(t, append(b, more...), nil)
		if err == nil && len(payload) > len(more)+len(b) {
			t.Fatalf("%d bytes became a payload of %d", len(b)+len(more), len(payload))
		}
	})
}

// answering is a control socket that answers each connection with text, once it was asked.
func answering(t *testing.T, text string) (path string, asked func() http.Header) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "control.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	headers := make(chan http.Header, 1)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b := make([]byte, 4096)
			n, _ := c.Read(b)
			h := http.Header{}
			for line := range strings.Lines(string(b[:n])) {
				if key, v, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
					h.Set(key, v)
				}
			}
			_, _ = io.WriteString(c, text)
			_ = c.Close()
			headers <- h
		}
	}()
	return path, func() http.Header { return <-headers }
}

// TestAsk: a daemon of another protocol refuses, and its reason is told; so is that nobody is there.
func TestAsk(t *testing.T) {
	path, asked := answering(t, "HTTP/1.1 501 Not Implemented\r\nContent-Length: 4\r\n\r\nwhy!")
	if _, err := Ask(path, "uvtep-handover/9.9"); err == nil || !strings.Contains(err.Error(), "why!") {
		t.Errorf("a refusal: %v", err)
	}
	if h := asked(); h.Get("Upgrade") != "uvtep-handover/9.9" {
		t.Errorf("asked with %v", h)
	}
	path, asked = answering(t, "garbage\r\n\r\n")
	if _, err := Ask(path, "x"); err == nil {
		t.Error("garbage is an answer")
	}
	asked()
	if _, err := Ask(filepath.Join(t.TempDir(), "none"), "x"); err == nil || !strings.Contains(err.Error(), "start without --take-over") {
		t.Errorf("nobody: %v", err)
	}
}

// TestAskWhom: what another user's process would give is not taken. Who listens is told by the kernel.
func TestAskWhom(t *testing.T) {
	for _, tt := range []struct {
		who, self uint32
		taken     bool
	}{{0, 0, true}, {0, 1000, true}, {1000, 1000, true}, {1000, 0, false}, {1001, 1000, false}} {
		if err := trustsUser(tt.who, tt.self); (err == nil) != tt.taken {
			t.Errorf("user %d, of a daemon of user %d: %v", tt.self, tt.who, err)
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("another user's socket takes root")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "control.sock")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := asUser(65534, func() error { return unix.Listen(fd, 1) }); err != nil {
		t.Fatal(err)
	}
	if _, err := Ask(path, "x"); err == nil || !strings.Contains(err.Error(), "65534") {
		t.Errorf("the daemon of another user: %v", err)
	}
}

// asUser calls fn as another user, of this thread alone.
func asUser(uid int, fn func() error) error {
	done := make(chan error, 1)
	go func() { // the thread ends with it
		done <- func() error {
			runtime.LockOSThread() // and is never unlocked
			if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), uintptr(uid), ^uintptr(0)); errno != 0 {
				return fmt.Errorf("setresuid: %w", errno)
			}
			return fn()
		}()
	}()
	return <-done
}
