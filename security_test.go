package uvtep_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestInferencesAreTested: each test that SECURITY.md names is there, and each row of
// its table names one.
func TestInferencesAreTested(t *testing.T) {
	doc, err := os.ReadFile("SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("grep", "-rhoE", "--include=*_test.go", "^func (Test|Fuzz)[A-Za-z0-9]+", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		have[strings.TrimSpace(strings.TrimPrefix(line, "func "))] = true
	}
	name := regexp.MustCompile(`\b(Test|Fuzz)[A-Z0-9][A-Za-z0-9]*`)
	rows := 0
	section := ""
	for line := range strings.Lines(string(doc)) {
		if s, ok := strings.CutPrefix(line, "## "); ok {
			section = strings.TrimSpace(s)
		}
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") || strings.HasPrefix(line, "| what is inferred") {
			continue
		}
		if rows++; section != "Inferences" {
			t.Errorf("a row of the table stands under %s: %.80s", section, line)
		}
		named := name.FindAllString(line, -1)
		if len(named) == 0 {
			t.Errorf("no test is named in: %.80s", line)
		}
		for _, n := range named {
			if !have[n] {
				t.Errorf("there is no %s, which SECURITY.md names", n)
			}
		}
	}
	if rows < 10 {
		t.Errorf("the table has %d rows", rows)
	}
}
