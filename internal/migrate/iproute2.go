// Package migrate turns what ip and bridge print of kernel VXLAN links into a
// configuration file.
package migrate

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/goccy/go-yaml"
)

// link is an element of `ip -d -j link show`, the keys of print_linkinfo in
// ip/ipaddress.c.
type link struct {
	Name    string   `json:"ifname"`
	Flags   []string `json:"flags"`
	MTU     int      `json:"mtu"`
	Address string   `json:"address"`
	Info    struct {
		Kind string          `json:"info_kind"`
		Data json.RawMessage `json:"info_data"`
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
func IPRoute2(links, fdb []byte) (file []byte, warnings []string, err error) {
	var all []link
	if err := json.Unmarshal(links, &all); err != nil {
		return nil, nil, fmt.Errorf("the links are not what ip prints: %w; write the output of ip -d -j link show", err)
	}
	var entries []entry
	if err := json.Unmarshal(fdb, &entries); err != nil {
		return nil, nil, fmt.Errorf("the entries are not what bridge prints: %w; write the output of bridge -j fdb show", err)
	}
	out := []yaml.MapSlice{}
	for _, l := range all {
		if l.Info.Kind != "vxlan" {
			continue
		}
		w := &writer{name: l.Name}
		err := w.link(&l)
		if err == nil {
			w.entries(entries)
			out = append(out, w.out)
		}
		warnings = append(warnings, w.warnings...)
		if err != nil {
			warnings = append(warnings, fmt.Sprintf("%s: left out: %v", l.Name, err))
		}
	}
	file, err = yaml.Marshal(yaml.MapSlice{{Key: "links", Value: out}})
	return file, warnings, err
}

// writer makes one link of the file.
type writer struct {
	name, peer string // peer: the link's remote or group
	data       map[string]any
	out        yaml.MapSlice
	warnings   []string
}

func (w *writer) warnf(format string, a ...any) {
	w.warnings = append(w.warnings, w.name+": "+fmt.Sprintf(format, a...))
}

func (w *writer) say(key string, value any) {
	w.out = append(w.out, yaml.MapItem{Key: key, Value: value})
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
	if on, _ := w.data["external"].(bool); on {
		return errors.New("external: uvtep has a VNI for each link")
	}
	w.say("name", l.Name)
	w.say("id", w.take("id"))
	for _, key := range []string{"remote", "group", "local"} {
		for _, family := range []string{"", "6"} {
			if v, ok := w.take(key + family).(string); ok {
				w.say(key, v)
				if key != "local" {
					w.peer = v
				}
			}
		}
	}
	if dev, ok := w.take("link").(string); ok {
		w.say("dev", dev)
	}
	w.say("dstport", w.take("port"))
	if r, ok := w.take("port_range").(map[string]any); ok && r["high"] != 0.0 {
		w.say("srcport", []any{whole(r["low"]), whole(r["high"])})
	}
	w.headers()
	w.flags()
	w.say("accept", "any")
	w.say("reserved", "drop")
	w.say("mtu", l.MTU)
	w.say("address", l.Address)
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
	if v := w.take("label"); v != nil && v != "0x0" {
		w.say("flowlabel", v)
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
		if v, ok := w.take(f.theirs).(bool); ok {
			w.say(f.ours, v)
		}
	}
}

// entries writes the entries that were given to the link. What it learned it
// learns again. The entry that the link's own remote or group makes is not
// written twice.
func (w *writer) entries(all []entry) {
	var list []yaml.MapSlice
	learned := 0
	for i := range all {
		e := &all[i]
		given := e.State == "permanent" || e.State == "static" || slices.Contains(e.Flags, "extern_learn")
		switch {
		case e.Dev != w.name || !slices.Contains(e.Flags, "self"):
		case !given:
			learned++
		case e.Dst == "":
			w.warnf("the entry of %s cannot be kept: it has no dst (a nexthop, or none)", e.MAC)
		case e.MAC == zeroMAC && e.Dst == w.peer && e.Port == nil && e.VNI == nil:
		default:
			list = append(list, e.say())
		}
	}
	if learned > 0 {
		w.warnf("learned entries left out: %d; the link learns them again", learned)
	}
	if list != nil {
		w.say("fdb", list)
	}
}

// say is the entry in the file's words.
func (e *entry) say() yaml.MapSlice {
	out := yaml.MapSlice{{Key: "mac", Value: e.MAC}, {Key: "dst", Value: e.Dst}}
	if e.Port != nil {
		out = append(out, yaml.MapItem{Key: "port", Value: *e.Port})
	}
	if e.VNI != nil {
		out = append(out, yaml.MapItem{Key: "vni", Value: *e.VNI})
	}
	if e.Via != "" {
		out = append(out, yaml.MapItem{Key: "via", Value: e.Via})
	}
	state := e.State
	if state != "permanent" && state != "static" {
		state = "dynamic"
	}
	out = append(out, yaml.MapItem{Key: "state", Value: state})
	for _, flag := range []string{"extern_learn", "router"} {
		if slices.Contains(e.Flags, flag) {
			out = append(out, yaml.MapItem{Key: flag, Value: true})
		}
	}
	return out
}
