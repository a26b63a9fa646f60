package bugreport

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// parts reads an archive.
func parts(t *testing.T, b []byte) map[string]string {
	t.Helper()
	zip, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for in := tar.NewReader(zip); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		if h.Mode != 0o600 || !strings.HasPrefix(h.Name, "report/") {
			t.Errorf("%s has mode %o", h.Name, h.Mode)
		}
		all[strings.TrimPrefix(h.Name, "report/")] = string(text)
	}
}

// TestNoSecret: no secret of a configuration is in the archive, wherever it stands: under a key
// that tells, in a list or a map under one, in a comment, in a URL, in a file that a key names,
// or in a part that is added later. What is no secret is there.
func TestNoSecret(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	password := write("bgp.secret", "s3cret-of-a-file\n")
	config := write("evpn.yaml", `# the old password was s3cret-in-a-comment
router-id: 192.0.2.1 # s3cret-at-a-line
metrics-token: s3cret-token
auth: {user: operator, key: s3cret-in-a-map}
snmp-community:
  - s3cret-in-a-list
webhook: https://hook:s3cret-in-a-url@203.0.113.1/hook
monkey: banana
keyboard: qwerty
neighbors:
  - address: 192.0.2.9
    password: "s3cret-quoted"
    password-file: `+password+`
---
second: document
passphrase: |
  s3cret-in-a-block
`)
	broken := write("broken.yaml", "password: [s3cret-broken\n")
	var b bytes.Buffer
	a := New(&b, "report", time.Unix(1700000000, 0))
	a.Configuration("config-1.yaml", config)
	a.Configuration("config-2.yaml", broken)
	a.Configuration("config-3.yaml", filepath.Join(dir, "none.yaml"))
	a.Add("log", "the log", []byte("the neighbour refused s3cret-of-a-file, s3cret-quoted and s3cret-in-a-url\n"))
	a.Missing("other", "another part", errors.New("it said s3cret-token"))
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	got := parts(t, b.Bytes())
	for name, text := range got {
		if strings.Contains(text, "s3cret") {
			t.Errorf("%s has a secret:\n%s", name, text)
		}
	}
	for _, want := range []string{"192.0.2.1", "192.0.2.9", "monkey: banana", "keyboard: qwerty", "password: REMOVED", "password-file: " + password, "hook:REMOVED@203.0.113.1", "second: document", "passphrase: REMOVED"} {
		if !strings.Contains(got["config-1.yaml"], want) {
			t.Errorf("the configuration lacks %q:\n%s", want, got["config-1.yaml"])
		}
	}
	if got["log"] != "the neighbour refused REMOVED, REMOVED and REMOVED\n" {
		t.Errorf("%q", got["log"])
	}
	for _, want := range []string{"config-2.yaml", "it is no YAML", "config-3.yaml", "no such file", "the log ("} {
		if !strings.Contains(got["README"], want) {
			t.Errorf("README lacks %q:\n%s", want, got["README"])
		}
	}
	if _, there := got["config-2.yaml"]; there {
		t.Error("a file that is no YAML is there")
	}
}

// TestLongPart: a part has its bound.
func TestLongPart(t *testing.T) {
	var b bytes.Buffer
	a := New(&b, "report", time.Now())
	a.Add("log", "the log", make([]byte, maxPart+1))
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if got := parts(t, b.Bytes()); len(got["log"]) != maxPart || !strings.Contains(got["README"], ", cut)") {
		t.Errorf("%d bytes, %q", len(got["log"]), got["README"])
	}
}
