package agent

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/uvtep/uvtep/bgp"
	"github.com/uvtep/uvtep/evpn"
	"github.com/uvtep/uvtep/internal/metrics"
)

// DefaultFile is the agent's configuration file.
const DefaultFile = "/etc/uvtep/evpn.yaml"

// defaultLinger is how long the data plane keeps what was withdrawn: longer than it takes until what an agent
// announces that was killed and started again is back through a reflector, and short for a VTEP that is gone.
const defaultLinger = 5 * time.Second

// maxFile is more than hundreds of neighbours and thousands of links take.
const maxFile = 4 << 20

// File is a configuration file that was checked.
type File struct {
	AS         uint32
	RouterID   netip.Addr
	Control    string // of the data plane; "": not said
	Socket     string // of the agent; "": not said
	Metrics    string // ADDR:PORT; "": none
	Listen     []netip.AddrPort
	IPv6       bool
	StaleTime  time.Duration
	Linger     time.Duration
	Duplicate  struct{ Moves, Seconds int }
	Neighbours []bgp.NeighbourConfig
	Links      evpn.LinkPolicy
}

// written is the file as it is written.
type written struct {
	AS        uint32           `yaml:"as"`
	RouterID  netip.Addr       `yaml:"router-id"`
	Control   string           `yaml:"control"`
	Socket    string           `yaml:"socket"`
	Metrics   string           `yaml:"metrics"`
	Listen    []netip.AddrPort `yaml:"listen"`
	IPv6      bool             `yaml:"ipv6"`
	StaleTime *int             `yaml:"stale-time"`
	Linger    *int             `yaml:"linger"`
	Duplicate *duplicate       `yaml:"dup-addr-detection"`
	Neighbors []neighbor       `yaml:"neighbors"`
	Links     links            `yaml:"links"`
}

type duplicate struct {
	MaxMoves int `yaml:"max-moves"`
	Time     int `yaml:"time"`
}

// neighbor has FRR's words.
type neighbor struct {
	Address      netip.Addr `yaml:"address"`
	Port         uint16     `yaml:"port"`
	RemoteAS     remoteAS   `yaml:"remote-as"`
	PasswordFile string     `yaml:"password-file"`
	Passive      bool       `yaml:"passive"`
	EBGPMultihop uint8      `yaml:"ebgp-multihop"`
	TTLSecurity  bool       `yaml:"ttl-security"`
	HoldTime     *int       `yaml:"hold-time"`
	ConnectRetry *int       `yaml:"connect-retry"`
	UpdateSource netip.Addr `yaml:"update-source"`
	Device       string     `yaml:"dev"`
	MaxRoutes    int        `yaml:"maximum-prefix"`
	MaxAction    string     `yaml:"maximum-prefix-action"`
	line         int
}

// remoteAS is a number or, as FRR has it, internal or external: the same AS as this host's, or any other.
type remoteAS struct {
	number             uint32
	internal, external bool
}

// UnmarshalYAML reads a number or a word.
func (r *remoteAS) UnmarshalYAML(y *yaml.Node) error {
	r.internal, r.external = y.Value == "internal", y.Value == "external"
	if r.internal || r.external {
		return nil
	}
	if err := y.Decode(&r.number); err != nil {
		return fmt.Errorf("line %d: remote-as is %q: write an AS number, internal or external", y.Line, y.Value)
	}
	return nil
}

type plainNeighbor neighbor

// UnmarshalYAML keeps the line, for what is wrong with the neighbour.
func (n *neighbor) UnmarshalYAML(y *yaml.Node) error {
	if err := knownKeys(y, "address", "port", "remote-as", "password-file", "passive", "ebgp-multihop", "ttl-security", "hold-time", "connect-retry", "update-source", "dev", "maximum-prefix", "maximum-prefix-action"); err != nil {
		return err
	}
	n.line = y.Line
	return y.Decode((*plainNeighbor)(n))
}

// links is `all`, or a list.
type links struct {
	all  bool
	list []link
}

type link struct {
	Name      string   `yaml:"name"`
	Import    []string `yaml:"import"`
	Export    []string `yaml:"export"`
	RD        string   `yaml:"rd"`
	Flood     *bool    `yaml:"flood"`
	Advertise []string `yaml:"advertise"`
	line      int
}

type plainLink link

// UnmarshalYAML reads a name alone, too.
func (l *link) UnmarshalYAML(y *yaml.Node) error {
	l.line = y.Line
	if y.Kind == yaml.ScalarNode {
		return y.Decode(&l.Name)
	}
	if err := knownKeys(y, "name", "import", "export", "rd", "flood", "advertise"); err != nil {
		return err
	}
	return y.Decode((*plainLink)(l))
}

// UnmarshalYAML reads `all` or a list, in which `all` may stand beside links with settings.
func (l *links) UnmarshalYAML(y *yaml.Node) error {
	if y.Kind == yaml.ScalarNode && y.Value == "all" {
		l.all = true
		return nil
	}
	if y.Kind != yaml.SequenceNode {
		return fmt.Errorf("line %d: links is %q: write all, or a list of links", y.Line, y.Value)
	}
	if err := y.Decode(&l.list); err != nil {
		return err
	}
	for i := range l.list {
		l.all = l.all || l.list[i].Name == "all"
	}
	return nil
}

// knownKeys refuses keys that have no meaning: a decoder's own check ends at UnmarshalYAML.
func knownKeys(y *yaml.Node, known ...string) error {
	if y.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: write %s: VALUE, and so on", y.Line, known[0])
	}
	for i := 0; i < len(y.Content); i += 2 {
		k := y.Content[i]
		if !strings.Contains(" "+strings.Join(known, " ")+" ", " "+k.Value+" ") {
			return fmt.Errorf("line %d: unknown key %q: write one of %s", k.Line, k.Value, strings.Join(known, ", "))
		}
	}
	return nil
}

// ReadFile reads and checks a file. Its error has a line for each mistake, file:line first.
func ReadFile(name string) (*File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("the agent's file: %w", err)
	}
	defer func() { _ = f.Close() }() // read only
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("the agent's file: %w", err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s has more than %d bytes: it is no agent's file", name, maxFile)
	}
	return parse(name, data)
}

func parse(name string, data []byte) (*File, error) {
	var w written
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(&w); errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s is empty: it needs as, router-id, neighbors and links", name)
	} else if err != nil {
		return nil, fmt.Errorf("%s: %s", name, strings.ReplaceAll(strings.TrimPrefix(err.Error(), "yaml: "), "\n", " "))
	}
	c := checker{name: name}
	f := c.file(&w)
	return f, errors.Join(c.wrong...)
}

// checker collects what is wrong with a file.
type checker struct {
	name  string
	wrong []error
}

func (c *checker) addf(line int, format string, a ...any) {
	at := c.name
	if line > 0 {
		at = fmt.Sprintf("%s:%d", c.name, line)
	}
	c.wrong = append(c.wrong, fmt.Errorf("%s: %s", at, fmt.Sprintf(format, a...)))
}

func (c *checker) file(w *written) *File {
	f := &File{Linger: defaultLinger, AS: w.AS, RouterID: w.RouterID, Control: w.Control, Socket: w.Socket, Metrics: w.Metrics, Listen: w.Listen, IPv6: w.IPv6}
	if f.AS == 0 || f.AS == 23456 || f.AS == 0xffffffff {
		c.addf(0, "as is %d: write this host's AS number, such as 65001", f.AS)
	}
	if !f.RouterID.Is4() || f.RouterID.IsUnspecified() {
		c.addf(0, "router-id is missing or no IPv4 address: write router-id: ADDRESS, which no other speaker has")
	}
	if w.Metrics != "" {
		if err := metrics.CheckAddr(w.Metrics); err != nil {
			c.addf(0, "%v", err)
		}
	}
	if w.Linger != nil {
		f.Linger = time.Duration(*w.Linger) * time.Second
		if *w.Linger < 0 || *w.Linger > 300 {
			c.addf(0, "linger %d is out of range: 0 to 300 seconds", *w.Linger)
		}
	}
	if w.StaleTime != nil {
		f.StaleTime = time.Duration(*w.StaleTime) * time.Second
		if *w.StaleTime < 1 || *w.StaleTime > 4095 {
			c.addf(0, "stale-time %d is out of range: 1 to 4095 seconds", *w.StaleTime)
		}
	}
	if d := w.Duplicate; d != nil {
		f.Duplicate.Moves, f.Duplicate.Seconds = d.MaxMoves, d.Time
		if d.MaxMoves < 2 || d.MaxMoves > 1000 || d.Time < 2 || d.Time > 1800 {
			c.addf(0, "dup-addr-detection is out of range: max-moves 2 to 1000, time 2 to 1800 seconds")
		}
	}
	if len(w.Neighbors) == 0 {
		c.addf(0, "neighbors is missing: write the route reflectors, or the other VTEPs, each with address and remote-as")
	}
	seen := map[netip.Addr]bool{}
	for i := range w.Neighbors {
		n := &w.Neighbors[i]
		if seen[n.Address] {
			c.addf(n.line, "neighbor %v is there twice: write it once", n.Address)
		}
		seen[n.Address] = true
		f.Neighbours = append(f.Neighbours, c.neighbour(n, f.AS))
	}
	f.Links = c.links(&w.Links)
	return f
}

func (c *checker) neighbour(n *neighbor, as uint32) bgp.NeighbourConfig {
	out := bgp.NeighbourConfig{Address: n.Address, Port: n.Port, RemoteAS: n.RemoteAS.number, External: n.RemoteAS.external, Passive: n.Passive, TTLSecurity: n.TTLSecurity,
		Hops: n.EBGPMultihop, Source: n.UpdateSource, Device: n.Device, Limit: n.MaxRoutes, LimitAction: bgp.LimitAction(n.MaxAction)}
	if !n.Address.IsValid() || n.Address.IsUnspecified() || n.Address.IsMulticast() {
		c.addf(n.line, "a neighbor's address is missing or no host's: write address: ADDRESS")
	}
	if n.RemoteAS.internal {
		out.RemoteAS = as
	} else if n.RemoteAS == (remoteAS{}) {
		c.addf(n.line, "neighbor %v has no remote-as: write its AS number, internal (which is %d) or external", n.Address, as)
	}
	if n.UpdateSource.IsValid() && n.UpdateSource.Is4() != n.Address.Is4() {
		c.addf(n.line, "update-source %v is of another family than neighbor %v", n.UpdateSource, n.Address)
	}
	if n.HoldTime != nil {
		out.HoldTime = time.Duration(*n.HoldTime) * time.Second
		if *n.HoldTime < 3 || *n.HoldTime > 65535 {
			c.addf(n.line, "hold-time %d is out of range: 3 to 65535 seconds", *n.HoldTime)
		}
	}
	if n.ConnectRetry != nil {
		out.ConnectRetry = time.Duration(*n.ConnectRetry) * time.Second
		if *n.ConnectRetry < 1 || *n.ConnectRetry > 65535 {
			c.addf(n.line, "connect-retry %d is out of range: 1 to 65535 seconds", *n.ConnectRetry)
		}
	}
	switch out.LimitAction {
	case "", bgp.LimitDiscard, bgp.LimitReset, bgp.LimitWarn:
	default:
		c.addf(n.line, "maximum-prefix-action %q is unknown: write discard, reset or warn", n.MaxAction)
	}
	if n.MaxRoutes < 0 {
		c.addf(n.line, "maximum-prefix %d is out of range: 1 and more", n.MaxRoutes)
	}
	if n.PasswordFile != "" {
		b, err := os.ReadFile(n.PasswordFile)
		out.Password = strings.TrimRight(string(b), "\r\n")
		if err != nil {
			c.addf(n.line, "password-file: %v", err)
		} else if len(out.Password) == 0 || len(out.Password) > 80 {
			c.addf(n.line, "password-file %s has %d bytes: TCP's MD5 signatures take 1 to 80", n.PasswordFile, len(out.Password))
		}
	}
	return out
}

func (c *checker) links(w *links) evpn.LinkPolicy {
	p := evpn.LinkPolicy{All: w.all, ByName: map[string]evpn.LinkConfig{}}
	if !w.all && len(w.list) == 0 {
		c.addf(0, "links is missing: write links: all, or a list of them")
	}
	for i := range w.list {
		l := &w.list[i]
		if l.Name == "all" {
			continue
		}
		if _, ok := p.ByName[l.Name]; ok || l.Name == "" {
			c.addf(l.line, "a link has no name, or that of another: write - {name: NAME, ...}")
		}
		p.ByName[l.Name] = c.link(l)
	}
	return p
}

func (c *checker) link(l *link) evpn.LinkConfig {
	conf := evpn.LinkConfig{Import: c.targets(l, l.Import), Export: c.targets(l, l.Export), NoFlood: l.Flood != nil && !*l.Flood}
	if l.RD != "" {
		rd, err := bgp.ParseRD(l.RD)
		if conf.RD = rd; err != nil {
			c.addf(l.line, "%v", err)
		}
	}
	if l.Advertise != nil {
		conf.NoMAC, conf.NoNeighbours = true, true
		for _, word := range l.Advertise {
			switch word {
			case "mac":
				conf.NoMAC = false
			case "neigh":
				conf.NoNeighbours = false
			default:
				c.addf(l.line, "advertise %q is unknown: write [mac, neigh], [mac] or []", word)
			}
		}
	}
	return conf
}

func (c *checker) targets(l *link, words []string) []bgp.ExtCommunity {
	var all []bgp.ExtCommunity
	for _, word := range words {
		rt, err := bgp.ParseRouteTarget(word)
		if err != nil {
			c.addf(l.line, "%v", err)
		}
		all = append(all, rt)
	}
	return all
}
