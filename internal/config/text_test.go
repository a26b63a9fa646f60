//go:build unix

package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestLimits: what is just over a limit is refused with what is wrong, and what
// is at it is not, or not for that.
func TestLimits(t *testing.T) {
	nested := func(n int) string { // the file and its list of links are two levels
		return "links:\n  - " + strings.Repeat("[", n-2) + strings.Repeat("]", n-2) + "\n"
	}
	comment := func(n int) string { return "links: []\n#" + strings.Repeat("x", n-len("links: []\n#")) }
	names := func(n int) string { // of keys, beside their values
		return "links: []\n" + strings.Repeat("a:\n", n-2) + "b:"
	}
	for _, c := range []struct{ name, text, want string }{
		{"levels", nested(maxDepth), "a link has keys"},
		{"one level more", nested(maxDepth + 1), "2:35: values stand more than 32 levels deep"},
		{"blocks", "links:\n" + strings.Repeat("- ", maxDepth) + "a", "2:63: values stand more than 32 levels deep"},
		{"bytes", comment(MaxBytes), ""},
		{"one byte more", comment(MaxBytes + 1), "more than 8 MiB"},
		{"a value more", strings.Repeat("\n", maxValues), "keys and values"},
		{"mistakes", names(500), "and 399 more mistakes"},
		{"an alias", "links: *a\n", "anchor"},
		{"an anchor", "links: &a []\n", "anchors"},
		{"a control character", "links: []\n# \x01\n", "2:3: no YAML: the character U+0001"},
	} {
		f, err := readText(t, c.text)
		switch {
		case c.want == "" && (err != nil || f == nil):
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %.300v, want %q in it", c.name, err, c.want)
		}
	}
}

// TestMemory: a value takes no more memory than maxValues counts with, however
// a file is written.
func TestMemory(t *testing.T) {
	const n = maxValues / 16
	for _, unit := range []string{"a,", "a:\n", "-\n", "? a\n", "- [a]\n"} {
		text := strings.Repeat(unit, n)
		text = text[:strings.LastIndex(text[:len(text)-1], unit[len(unit)-1:])+1]
		if unit == "a," {
			text = "[" + text + "a]"
		}
		before, after := runtime.MemStats{}, runtime.MemStats{}
		runtime.ReadMemStats(&before)
		_, err := parseYAML("f", []byte(text))
		runtime.ReadMemStats(&after)
		each := (after.TotalAlloc - before.TotalAlloc) / uint64(mostValues([]byte(text)))
		t.Logf("%q: %d bytes allocated for each value of %d, %v", unit, each, mostValues([]byte(text)), err)
		if each > 1000 {
			t.Errorf("%q: %d bytes allocated for each value", unit, each)
		}
	}
}

// TestNeed: a file of 4,094 links with entries is within the limits.
func TestNeed(t *testing.T) {
	var b strings.Builder
	b.WriteString("links:\n")
	for i := range 4094 {
		fmt.Fprintf(&b, "  - name: vxlan%d\n    id: %d\n    local: 192.0.2.1\n    dstport: 4789\n    ttl: 64\n    ageing: 300\n    maxaddress: 1000\n    mtu: 1450\n    up: false\n    remotes: [", i, i)
		for r := range 16 {
			fmt.Fprintf(&b, "198.51.100.%d, ", r+1)
		}
		b.WriteString("]\n    fdb:\n")
		for e := range 16 {
			fmt.Fprintf(&b, "      - {mac: \"02:00:00:00:00:%02x\", dst: 198.51.100.%d, state: static}\n", e, e+1)
		}
	}
	if _, err := parseYAML("f", []byte(b.String())); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes, %d values", b.Len(), mostValues([]byte(b.String())))
}

// TestNoFile: what is no regular file is refused at once, and neither read nor
// waited for.
func TestNoFile(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "conf.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	main := filepath.Join(dir, mainName)
	if err := errors.Join(os.WriteFile(main, []byte("links: []\n"), 0o600), os.Symlink(fifo, filepath.Join(dir, "conf.d", "a.yaml"))); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		fifo: "a FIFO", "/dev/zero": "a device", dir: "a directory", main: "a.yaml: cannot be read: it is no regular file but a FIFO",
	} {
		done := make(chan error, 1)
		go func() {
			_, err := ReadFile(name)
			done <- err
		}()
		select {
		case err := <-done:
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q in it", name, err, want)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%s: still being read after 10 s", name)
		}
	}
}
