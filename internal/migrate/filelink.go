package migrate

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/internal/words"
)

// place is where something stands in a file that is imported.
type place struct {
	file string
	line int
}

func (p place) String() string { return p.file + ":" + strconv.Itoa(p.line) }

// notes are what cannot be kept, each with its place.
type notes []string

func (n *notes) addf(at place, format string, a ...any) {
	*n = append(*n, printable(at.String()+": "+fmt.Sprintf(format, a...)))
}

// printable makes one line of text, without what a terminal would obey.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, text)
}

// fileLink is a link of the kernel as a file describes it.
type fileLink struct {
	name string
	at   place
	set  map[string]any // by the words of the link sentence
	fdb  []yamlEntry
}

// usual is what the file has for a word that was not said: what the kernel takes, or
// always does, where that is not uvtep's default; nil: nothing.
func usual(w *words.Word) any {
	if w.Kernel == w.Default || w.Default == "" || w.Kernel == "" {
		return nil
	}
	if n, err := strconv.Atoi(w.Kernel); err == nil {
		return n
	}
	return w.Kernel
}

// yaml is the link in the configuration file.
func (l *fileLink) yaml() mapping {
	out := mapping{{"name", l.name}}
	for _, w := range words.Table() {
		v, said := l.set[w.Name]
		if !said {
			v = usual(&w)
		}
		if said || v != nil {
			out = append(out, keyValue{w.Name, v})
		}
	}
	if l.fdb != nil {
		out = append(out, keyValue{"fdb", l.fdb})
	}
	return out
}

// ipv6 is the family of the link's underlay.
func (l *fileLink) ipv6() bool {
	for _, word := range []string{"remote", "group", "local"} {
		if a, ok := l.set[word].(string); ok {
			return strings.Contains(a, ":")
		}
	}
	return false
}

// entry adds an entry to the link, unless it is its own.
func (l *fileLink) entry(e entry) {
	dev, _ := l.set["dev"].(string)
	if e.MAC == zeroMAC && e.Dst == l.set["remote"] && e.Port == nil && e.VNI == nil && e.Via == dev {
		return
	}
	l.fdb = append(l.fdb, e.say())
}

// fileOf is the configuration file of links, without those that the daemon
// would refuse.
func fileOf(links []*fileLink, n *notes) ([]byte, error) {
	out := []mapping{}
	for _, l := range links {
		y := l.yaml()
		if err := readable(y); err != nil {
			n.addf(l.at, "%s is left out: %v", l.name, err)
			continue
		}
		out = append(out, y)
	}
	file, err := marshal(out)
	*n = append(*n, together(file)...)
	return file, err
}

// boolean reads what systemd and ifupdown2 take for yes and no.
func boolean(v string) (bool, error) {
	switch strings.ToLower(v) {
	case "1", "yes", "y", "true", "t", "on":
		return true, nil
	case "0", "no", "n", "false", "f", "off":
		return false, nil
	}
	return false, errors.New("it is neither yes nor no")
}

// number reads a whole number up to most.
func number(v string, most uint64) (uint64, error) {
	n, err := strconv.ParseUint(v, 0, 64)
	if err != nil || n > most {
		return 0, fmt.Errorf("it is no number from 0 to %d", most)
	}
	return n, nil
}

// address reads an IP address, a group's or a host's.
func address(v string, group bool) (string, error) {
	a, err := netip.ParseAddr(v)
	switch {
	case err != nil || a.Zone() != "":
		return "", errors.New("it is no IP address")
	case a.IsMulticast() != group && group:
		return "", errors.New("it is no multicast address")
	case a.IsMulticast() != group:
		return "", errors.New("it is a multicast address")
	}
	return a.Unmap().String(), nil
}

// macOf reads a MAC address, with colons or dashes.
func macOf(v string) (string, error) {
	mac, err := encap.ParseMAC(strings.ReplaceAll(v, "-", ":"))
	if err != nil {
		return "", errors.New("it is no MAC address")
	}
	return mac.String(), nil
}

// tos is a TOS in the file's words. 1 stands for inherit (vxlan_xmit_one in
// drivers/net/vxlan/vxlan_core.c), 0 for nothing said.
func tos(n uint64) any {
	if n == 1 {
		return "inherit"
	}
	return fmt.Sprintf("%#x", n)
}

// ttl is a TTL in the file's words.
func ttl(n uint64) any {
	if n == 0 {
		return "auto"
	}
	return n
}

// duplicate is the link that has the name; nil: none has.
func duplicate(links []*fileLink, name string) *fileLink {
	if i := slices.IndexFunc(links, func(l *fileLink) bool { return l.name == name }); i >= 0 {
		return links[i]
	}
	return nil
}
