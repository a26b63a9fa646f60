package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestImportInterruptedDump: ip and bridge are asked again where their dump was interrupted, and
// where that does not end it is an error, not half a file.
func TestImportInterruptedDump(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no shell scripts")
	}
	for _, c := range []struct {
		interrupted int
		status      int
	}{{0, exitDone}, {1, exitDone}, {importDumps, exitRefused}} {
		dir := t.TempDir()
		script := fmt.Sprintf("#!/bin/sh\ncd %s\necho >>asked\nn=$(wc -l <asked)\nif [ $n -le %d ]; then echo '[]'; echo 'Dump was interrupted and may be inconsistent.' >&2; exit 0; fi\n", dir, c.interrupted)
		for name, answer := range map[string]string{
			"ip":     `[{"ifname":"vx1","mtu":1450,"address":"02:00:00:00:00:01","num_rx_queues":1,"linkinfo":{"info_kind":"vxlan","info_data":{"id":1,"port":4789,"ttl":0}}}]`,
			"bridge": `[]`,
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(script+"echo '"+answer+"'\n"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
		var out, noted bytes.Buffer
		status := execute(t.Context(), []string{"import", "iproute2"}, &out, &noted)
		if status != c.status || strings.Contains(out.String(), "name: vx1") != (status == exitDone) {
			t.Errorf("interrupted %d times: status %d, want %d: printed %q, said %q", c.interrupted, status, c.status, out.String(), noted.String())
		}
	}
}
