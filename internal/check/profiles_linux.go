package check

import (
	"os"
	"path/filepath"
	"strings"
)

// profiles reads the profiles that come up by themselves and name their device (nm-settings-keyfile(5)). Without the right to
// read them, which root has, there are none.
func profiles(dirs ...string) (all []Profile) {
	for _, dir := range dirs {
		paths, _ := filepath.Glob(filepath.Join(dir, "*"))
		for _, path := range paths {
			b, err := os.ReadFile(path)
			if err != nil {
				continue
			}
			if p := (Profile{Path: path}); p.read(string(b)) {
				all = append(all, p)
			}
		}
	}
	return all
}

// read takes a profile's type and device. It reports whether NetworkManager activates it by itself on a device with a name.
func (p *Profile) read(text string) bool {
	section, auto := "", true
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section = line
		}
		key, value, _ := strings.Cut(line, "=")
		if section != "[connection]" {
			continue
		}
		switch value = strings.TrimSpace(value); strings.TrimSpace(key) {
		case "type":
			p.Type = value
		case "interface-name":
			p.Device = value
		case "autoconnect":
			auto = value != "false" && value != "no" && value != "0"
		}
	}
	return auto && p.Device != "" && p.Type != ""
}
