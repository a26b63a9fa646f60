// Package migrate turns what others say of kernel VXLAN links into a
// configuration file, and links into commands for the kernel.
package migrate

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/uvtep/uvtep/internal/config"
	"github.com/uvtep/uvtep/internal/words"
)

// link is an element of `ip -d -j link show`, the keys of print_linkinfo in
// ip/ipaddress.c.
type link struct {
	Name      string   `json:"ifname"`
	Flags     []string `json:"flags"`
	MTU       int      `json:"mtu"`
	Address   string   `json:"address"`
	Master    string   `json:"master"`
	Group     string   `json:"group"`
	Alias     string   `json:"ifalias"`
	AltNames  []string `json:"altnames"`
	GenMode   string   `json:"inet6_addr_gen_mode"`
	TxQLen    int      `json:"txqlen"`
	TxQueues  int      `json:"num_tx_queues"`
	RxQueues  int      `json:"num_rx_queues"` // which ip prints with -d alone
	Elsewhere *int     `json:"link_netnsid"`  // the namespace of the underlay
	Info      struct {
		Kind  string          `json:"info_kind"`
		Data  json.RawMessage `json:"info_data"`
		Slave string          `json:"info_slave_kind"`
	} `json:"linkinfo"`
}

// entry is an element of `bridge -j fdb show` (print_fdb in bridge/fdb.c).
type entry struct {
	MAC   string   `json:"mac"`
	Dev   string   `json:"ifname"` // none in the entries of one device
	Old   string   `json:"dev"`    // the same, of iproute2 up to 4.16
	Dst   string   `json:"dst"`
	Port  *uint16  `json:"port"`
	VNI   *uint32  `json:"vni"`
	Via   string   `json:"viaIf"`
	Flags []string `json:"flags"`
	State string   `json:"state"`
}

// zeroMAC is the address of a link's default entries.
const zeroMAC = "00:00:00:00:00:00"

// IPRoute2 reads the JSON of `ip -d -j link show` and of `bridge -j fdb show`
// and returns a configuration file, and a line for each thing that it cannot
// say. Where the kernel's default is another than uvtep's, the file says it.
// hidden is what that ip does not print; nil: nobody knows.
func IPRoute2(links, fdb []byte, hidden Hidden) (file []byte, warnings []string, err error) {
	all, warnings, err := linksOf(links)
	if err != nil {
		return nil, nil, err
	}
	mtus, vxlan := map[string]int{}, []*link{}
	for i := range all {
		mtus[all[i].Name] = all[i].MTU
		if all[i].Info.Kind == "vxlan" {
			vxlan = append(vxlan, &all[i])
		}
	}
	of, told, err := entriesOf(fdb, vxlan)
	if err != nil {
		return nil, nil, err
	}
	warnings = append(warnings, told...)
	out := []mapping{}
	for _, l := range vxlan {
		w := &writer{name: l.Name, mtus: mtus, hidden: hidden[l.Name]}
		err := w.link(l)
		if err == nil {
			w.device(l)
			w.entries(of[l.Name])
			err = readable(w.out)
		}
		if err != nil {
			warnings = append(warnings, printable(fmt.Sprintf("%s: left out: %v", l.Name, err)))
			continue
		}
		warnings = append(warnings, w.warnings...)
		out = append(out, w.out)
	}
	if len(out) == 0 {
		return nil, warnings, &NothingError{[]string{"what ip -d -j link show prints"}}
	}
	file, err = marshal(out)
	return file, append(warnings, together(file)...), err
}

// together are the reasons why the daemon would refuse a file of links that it
// takes one by one.
func together(file []byte) []string {
	_, err := config.Read("", file)
	refused, _ := errors.AsType[config.FileErrors](err)
	var told []string
	for _, r := range refused {
		told = append(told, printable(fmt.Sprintf("line %d of what is printed: %s", r.Place.Line, r.Message)))
	}
	return told
}

// readable reports why the daemon would refuse a file with a link: the kernel
// has names and combinations that uvtep has not.
func readable(link mapping) error {
	text, err := marshal([]mapping{link})
	if err == nil {
		_, err = config.Read("", text)
	}
	refused, ok := errors.AsType[config.FileErrors](err)
	if !ok {
		return err
	}
	reasons := make([]string, len(refused))
	for i, r := range refused {
		reasons[i] = r.Message
	}
	return errors.New(strings.Join(reasons, "; "))
}

// writer makes one link of the file.
type writer struct {
	name, peer string // peer: the link's remote or group
	dev        string
	elsewhere  bool           // the underlay is in another network namespace
	deaf       bool           // it does not learn
	family     int            // 4 or 6; 0: no address tells
	mtus       map[string]int // of devices, by name
	data       map[string]any
	hidden     map[string]any
	out        mapping
	warnings   []string
}

func (w *writer) warnf(format string, a ...any) {
	w.warnings = append(w.warnings, printable(w.name+": "+fmt.Sprintf(format, a...)))
}

func (w *writer) say(key string, value any) {
	w.out = append(w.out, keyValue{key, value})
}

// take removes a key of info_data, so that what is left is what is not known.
func (w *writer) take(key string) any {
	v := w.data[key]
	delete(w.data, key)
	return whole(v)
}

// whole makes an integer of a JSON number: all numbers of a link are.
func whole(v any) any {
	if f, ok := v.(float64); ok {
		return int64(f)
	}
	return v
}

// link writes the settings (vxlan_print_opt in ip/iplink_vxlan.c).
func (w *writer) link(l *link) error {
	if err := json.Unmarshal(l.Info.Data, &w.data); err != nil {
		return fmt.Errorf("no settings: %w; write the output of ip with -d", err)
	}
	for key, v := range w.hidden {
		if _, printed := w.data[key]; !printed {
			w.data[key] = v
		}
	}
	for key, v := range w.data {
		if v == nil { // iproute2 from 6.4 on prints so what is on and can only be on: gbp, gpe
			w.data[key] = true
		}
	}
	for _, key := range metadata() {
		if w.data[key] == true {
			return fmt.Errorf("%s: its VNIs and remotes come with each frame; uvtep has a link for each VNI", key)
		}
	}
	w.elsewhere = l.Elsewhere != nil
	w.say("name", l.Name)
	reserved := w.usualReserved()
	for _, word := range words.Table() {
		switch word.Name {
		case "dev":
			w.underlay(l)
		case "reserved":
			w.reserved(reserved)
		case "mtu":
			w.mtu(l)
		case "address":
			w.say("address", l.Address)
		case "queues":
			if l.TxQueues > 1 {
				w.say("queues", min(l.TxQueues, maxQueues))
			}
		case "up":
			w.say("up", slices.Contains(l.Flags, "UP"))
		default:
			w.word(&word)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(w.data)) {
		if v := w.data[key]; v != false {
			w.warnf("%s %v cannot be kept: uvtep has no such setting", key, v)
		}
	}
	return nil
}

// metadata are the words of a device that has its tunnels of routes, tc or a
// bridge, as the versions of ip print them: until 4.15, since, and since 5.18.
func metadata() []string { return []string{"collect_metadata", "external", "vnifilter"} }

// word writes what ip says of a word, or what the kernel does always.
func (w *writer) word(word *words.Word) {
	if word.Owner != words.VXLAN {
		if v := usual(word); v != nil {
			w.say(word.Name, v)
		}
		return
	}
	v := word.FromIP(w.take)
	switch text, _ := v.(string); {
	case v == nil:
		return
	case word.Name == "udpcsum" && v == false && w.family == 6: // which udp6zerocsumtx decides
		w.warnf("noudpcsum is left out: it has no meaning over an IPv6 underlay")
		return
	case word.Name == "learning":
		w.deaf = v == false
	case word.Name == "local" || word.Name == "remote" || word.Name == "group":
		w.family = map[bool]int{true: 6, false: 4}[strings.Contains(text, ":")]
		if word.Name != "local" {
			w.peer = text
		}
	}
	w.say(word.Name, v)
}

// yamlEntry is an entry of the file.
type yamlEntry = mapping

// say is the entry in the file's words.
func (e *entry) say() yamlEntry {
	out := yamlEntry{{"mac", e.MAC}, {"dst", e.Dst}}
	if e.Port != nil {
		out = append(out, keyValue{"port", *e.Port})
	}
	if e.VNI != nil {
		out = append(out, keyValue{"vni", *e.VNI})
	}
	if e.Via != "" {
		out = append(out, keyValue{"via", e.Via})
	}
	state := e.State
	if state != "permanent" && state != "static" {
		state = "dynamic"
	}
	out = append(out, keyValue{"state", state})
	for _, flag := range []string{"extern_learn", "router"} {
		if slices.Contains(e.Flags, flag) {
			out = append(out, keyValue{flag, true})
		}
	}
	return out
}
