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
	Elsewhere *int     `json:"link_netnsid"` // the namespace of the underlay
	Info      struct {
		Kind  string          `json:"info_kind"`
		Data  json.RawMessage `json:"info_data"`
		Slave string          `json:"info_slave_kind"`
	} `json:"linkinfo"`
}

// entry is an element of `bridge -j fdb show` (print_fdb in bridge/fdb.c).
type entry struct {
	MAC   string   `json:"mac"`
	Dev   string   `json:"ifname"`
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
	var all []link
	if err := json.Unmarshal(links, &all); err != nil {
		return nil, nil, fmt.Errorf("the links are not what ip prints: %w; write the output of ip -d -j link show", err)
	}
	var entries []entry
	if err := json.Unmarshal(fdb, &entries); err != nil {
		return nil, nil, fmt.Errorf("the entries are not what bridge prints: %w; write the output of bridge -j fdb show", err)
	}
	mtus, of := map[string]int{}, map[string][]entry{}
	for i := range all {
		mtus[all[i].Name] = all[i].MTU
	}
	for _, e := range entries {
		of[e.Dev] = append(of[e.Dev], e)
	}
	out := []mapping{}
	for i := range all {
		l := &all[i]
		if l.Info.Kind != "vxlan" {
			continue
		}
		w := &writer{name: l.Name, mtus: mtus, hidden: hidden[l.Name]}
		err := w.link(l)
		if err == nil {
			w.device(l)
			w.entries(of[l.Name])
			err = readable(w.out)
		}
		if err != nil {
			warnings = append(warnings, fmt.Sprintf("%s: left out: %v", l.Name, err))
			continue
		}
		warnings = append(warnings, w.warnings...)
		out = append(out, w.out)
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
	if on, _ := w.data["external"].(bool); on {
		return errors.New("external: uvtep has a VNI for each link")
	}
	w.say("name", l.Name)
	w.say("id", w.take("id"))
	for _, key := range []string{"remote", "group", "local"} {
		for _, family := range []string{"", "6"} {
			if v, ok := w.take(key + family).(string); ok {
				w.say(key, v)
				w.family = len(family)*2 + 4
				if key != "local" {
					w.peer = v
				}
			}
		}
	}
	w.underlay(l)
	w.say("dstport", w.take("port"))
	if r, ok := w.take("port_range").(map[string]any); ok && r["high"] != 0.0 {
		w.say("srcport", []any{whole(r["low"]), whole(r["high"])})
	}
	usual := w.usualReserved()
	w.headers()
	w.flags()
	w.say("accept", "any")
	w.say("moveguard", "off")
	w.say("loopguard", "off")
	w.reserved(usual)
	w.mtu(l)
	w.say("address", l.Address)
	if l.TxQueues > 1 {
		w.say("queues", min(l.TxQueues, maxQueues))
	}
	w.say("up", slices.Contains(l.Flags, "UP"))
	for _, key := range slices.Sorted(maps.Keys(w.data)) {
		if v := w.data[key]; v != false {
			w.warnf("%s %v cannot be kept: uvtep has no such setting", key, v)
		}
	}
	return nil
}

// headers writes what goes to the outer headers, and the table's bounds. A TOS
// of 1 is inherit, a TTL of 0 auto (vxlan_get_route and vxlan_xmit_one in
// drivers/net/vxlan/vxlan_core.c).
func (w *writer) headers() {
	switch v := w.take("ttl"); v {
	case nil: // ip leaves inherit out of its JSON, and has auto as 0
		w.say("ttl", "inherit")
	case int64(0):
		w.say("ttl", "auto")
	default:
		w.say("ttl", v)
	}
	switch v := w.take("tos"); v {
	case nil:
	case "0x1":
		w.say("tos", "inherit")
	default:
		w.say("tos", v)
	}
	df := w.take("df")
	if df == nil {
		df = "unset"
	}
	w.say("df", df)
	for _, key := range []string{"label", "flowlabel"} { // the latter for inherit
		if v := w.take(key); v != nil && v != "0x0" {
			w.say("flowlabel", v)
		}
	}
	if v := w.take("ageing"); v == nil {
		w.say("ageing", 0)
	} else {
		w.say("ageing", v)
	}
	if v := w.take("limit"); v == nil || v == int64(0) {
		w.say("maxaddress", "unlimited")
	} else {
		w.say("maxaddress", v)
	}
}

// flags writes what is on or off. localbypass is on where ip does not print it.
func (w *writer) flags() {
	for _, f := range []struct{ theirs, ours string }{
		{"learning", "learning"}, {"proxy", "proxy"}, {"l2miss", "l2miss"}, {"l3miss", "l3miss"}, {"udp_csum", "udpcsum"},
		{"udp_zero_csum6_tx", "udp6zerocsumtx"}, {"udp_zero_csum6_rx", "udp6zerocsumrx"}, {"gbp", "gbp"}, {"localbypass", "localbypass"},
	} {
		v, ok := w.take(f.theirs).(bool)
		switch {
		case !ok:
		case f.ours == "udpcsum" && !v && w.family == 6: // which udp6zerocsumtx decides
			w.warnf("noudpcsum is left out: it says nothing of an IPv6 underlay")
		default:
			w.say(f.ours, v)
		}
	}
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
