package cli

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBugreport: without a daemon the archive has what there is, says what there is not, is its
// owner's alone, takes no file's place, and has no secret of the configuration.
func TestBugreport(t *testing.T) {
	dir := t.TempDir()
	secret, config, file := filepath.Join(dir, "secret"), filepath.Join(dir, "evpn.yaml"), filepath.Join(dir, "r.tar.gz")
	for name, text := range map[string]string{secret: "hush-hush\n", config: "neighbors: [{address: 192.0.2.9, password-file: " + secret + "}]\nnote: hush-hush\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := uvtep(t, "/nowhere", "bugreport", "-w", file, "--config", config); got != (result{0, file + "\n", ""}) {
		t.Fatalf("%+v", got)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if got := uvtep(t, "/nowhere", "bugreport", "-w", file); got.status == 0 || !strings.Contains(got.stderr, "file exists") {
		t.Errorf("a file that is there: %+v", got)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zip, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for in := tar.NewReader(zip); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(h.Name + "\n")
		if _, err := io.Copy(&all, in); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"/version\n", "/kernel\n", "/routes\n", "### /proc/version\n", "links.json", "not here: ", "192.0.2.9", "note: REMOVED"} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("the archive lacks %q", want)
		}
	}
	if strings.Contains(all.String(), "hush") {
		t.Error("the archive has the secret")
	}
}
