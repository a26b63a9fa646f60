package uvtep_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// mostExposed is the exposure that systemd-analyze may find in a unit, in tenths: 2.0.
const mostExposed = "20"

// TestUnitsAreConfined: systemd finds little in the units that a daemon which somebody took over
// could do.
func TestUnitsAreConfined(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		if os.Getenv("UVTEP_REQUIRE_LAB") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	units, err := filepath.Glob("packaging/systemd/*.service")
	if err != nil || len(units) < 3 {
		t.Fatalf("units: %v, %v", units, err)
	}
	for _, unit := range units {
		cmd := exec.Command("systemd-analyze", "security", "--offline=true", "--threshold="+mostExposed, "--no-pager", unit)
		cmd.Env = append(os.Environ(), "SYSTEMD_LOG_LEVEL=err")
		out, err := cmd.CombinedOutput()
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		t.Log(lines[len(lines)-1])
		if err != nil {
			t.Errorf("%s: %v\n%s", unit, err, out)
		}
	}
}

// TestUnitsStartTheDaemon: the commands of the units are ones that the program has.
func TestUnitsStartTheDaemon(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, unit := range []string{"packaging/systemd/uvtep.service", "packaging/systemd/uvtep@.service", "packaging/systemd/uvtep-evpn.service"} {
		commands := 0
		for line := range strings.Lines(read(t, unit)) {
			key, command, _ := strings.Cut(strings.TrimSpace(line), "=")
			if key != "ExecStart" && key != "ExecReload" || strings.HasPrefix(command, "/bin/sh ") {
				continue
			}
			commands++
			words := strings.Fields(command)
			cmd := exec.Command(exe, append(words[1:], "--help")...)
			cmd.Args[0] = "uvtep"
			if out, err := cmd.CombinedOutput(); err != nil || words[0] != "/usr/bin/uvtep" {
				t.Errorf("%s: %s: %v\n%s", unit, line, err, out)
			}
		}
		if commands != 2 {
			t.Errorf("%s has %d commands, want 2", unit, commands)
		}
	}
}
