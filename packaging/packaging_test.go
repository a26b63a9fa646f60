package packaging

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// need ends a test that needs a program which is not there; where nothing may skip, it fails.
func need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	if os.Getenv("UVTEP_REQUIRE_LAB") == "1" {
		t.Fatalf("%s is not installed", program)
	}
	t.Skipf("%s is not installed", program)
}

// TestPackageVersion: what git tells, as dpkg orders it.
func TestPackageVersion(t *testing.T) {
	need(t, "dpkg")
	ordered := []string{ // each before the next
		"(devel)", "v0.0.0-20261128202336-2902314aabbc", "v0.0.0-20261128202337-1902314aabbc", "v0.0.0-20261128202337-1902314aabbc+dirty", "v0.0.1-rc.1", "v0.0.1-rc.2",
		"v0.0.1", "v0.0.2-0.20261129202336-2902314aabbc", "v0.0.2", "v1.0.0",
	}
	for i, v := range ordered {
		is := PackageVersion(v)
		if strings.ContainsAny(is, "-()") {
			t.Errorf("%s is %s", v, is)
		}
		if i == 0 {
			continue
		}
		before := PackageVersion(ordered[i-1])
		if err := exec.Command("dpkg", "--compare-versions", before, "lt", is).Run(); err != nil {
			t.Errorf("%s is not before %s: %v", before, is, err)
		}
	}
}

// TestManPages: there is a page for each command, and mandoc finds no fault.
func TestManPages(t *testing.T) {
	dir := t.TempDir()
	if err := ManPages(dir, Release{"1.2.3", time.Unix(1700000000, 0)}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"uvtep.1": "VXLAN tunnel endpoint", "uvtep-link-add.1": "maxaddress", "uvtep-evpn-run.1": "ready", "uvtep-run.1": "sandbox",
	} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Contains(text, []byte(want)) {
			t.Errorf("%s does not say %q: %v", name, want, err)
		}
	}
	need(t, "mandoc")
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil || len(pages) < 30 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	out, err := exec.Command("mandoc", append([]string{"-T", "lint", "-W", "warning"}, pages...)...).CombinedOutput()
	if err != nil {
		t.Errorf("mandoc: %v\n%s", err, out)
	}
}

// TestScripts: what runs on hosts is what a POSIX shell reads.
func TestScripts(t *testing.T) {
	need(t, "dash")
	need(t, "shellcheck")
	for _, pattern := range []string{"deb/p*", "rpm/p*", "openwrt/*.init"} {
		scripts, err := filepath.Glob(pattern)
		if err != nil || len(scripts) == 0 {
			t.Fatalf("%s: %v, %v", pattern, scripts, err)
		}
		for _, script := range scripts {
			if out, err := exec.Command("dash", "-n", script).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", script, err, out)
			}
			if out, err := exec.Command("shellcheck", "--shell=dash", "--exclude=SC3043", script).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", script, err, out)
			}
		}
	}
}

// TestSamePackage: a package depends on what is in it, and on nothing else: not on when it is made, nor where.
func TestSamePackage(t *testing.T) {
	program := filepath.Join(t.TempDir(), "uvtep")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"deb", "rpm"} {
		var made [2][]byte
		for i := range made {
			t.Setenv("TMPDIR", t.TempDir())
			p := Package{Root: "..", Binary: program, Arch: "arm7", Format: format, Release: Release{"0.0.1~rc.1", time.Unix(1700000000, 0)}, Out: filepath.Join(t.TempDir(), "package."+format)}
			if err := p.Make(t.Context()); err != nil {
				t.Fatal(err)
			}
			var err error
			if made[i], err = os.ReadFile(p.Out); err != nil {
				t.Fatal(err)
			}
			later := time.Now().Add(time.Hour)
			if err := os.Chtimes(program, later, later); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(made[0], made[1]) {
			t.Errorf("two %s packages differ", format)
		}
	}
}
