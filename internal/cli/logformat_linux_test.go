package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLogFormats: without a word the log of a daemon whose stderr is a pipe is JSON; where it is the journal's stream, as
// $JOURNAL_STREAM has it, it has priorities; and --log-level is heeded.
func TestLogFormats(t *testing.T) {
	for name, test := range map[string]struct {
		args    string
		journal bool
		want    string // of the warning's line
	}{
		"a pipe":            {"", false, "json"},
		"the journal":       {"", true, `<4>msg="the link is not complete`},
		"a pipe that is to": {"--log-format text", false, `level=WARN msg="the link is not complete`},
		"errors alone":      {"--log-format text --log-level warn,links=error", false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a, _ := hosts(t)
			t.Setenv(formatEnv, "")
			p := a.startPipedWith(false, "vxlan0 id 42 local 192.0.2.1 remote 192.0.2.2 dev eth0 "+test.args, func(w *os.File) (env []string) {
				if test.journal {
					var st unix.Stat_t
					if err := unix.Fstat(int(w.Fd()), &st); err != nil {
						t.Fatal(err)
					}
					env = append(env, fmt.Sprintf("JOURNAL_STREAM=%d:%d", st.Dev, st.Ino))
				}
				return env
			})
			out := bufio.NewScanner(p.log)
			if !out.Scan() || out.Text() != "uvtep: ready" {
				t.Fatalf("the daemon printed %q, %v", out.Text(), out.Err())
			}
			a.complain()
			p.endsWith(exitDone)
			var line string
			for out.Scan() {
				if strings.Contains(out.Text(), "the link is not complete") {
					line = out.Text()
				}
			}
			if test.want != "json" {
				if !strings.HasPrefix(line[max(0, strings.Index(line, "level=")):], test.want) || test.want == "" && line != "" {
					t.Errorf("the warning is %q", line)
				}
				return
			}
			var got struct {
				Level, Class, Link string
				VNI                uint32
			}
			if err := json.Unmarshal([]byte(line), &got); err != nil || got.Level != "WARN" || got.Class != "links" || got.Link != "vxlan0" || got.VNI != 42 {
				t.Errorf("the warning is %q, %+v, %v", line, got, err)
			}
		})
	}
	for _, bad := range []string{"--log-format xml", "--log-level loud", "--log-level tap=debug"} {
		if r := uvtep(t, "/nonexistent", append([]string{"run"}, strings.Fields(bad)...)...); r.status != exitUsage || !strings.Contains(r.stderr, "write ") {
			t.Errorf("%s: %+v", bad, r)
		}
	}
}
