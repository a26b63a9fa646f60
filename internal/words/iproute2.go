package words

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// ipForm is the form of a word in ip's JSON (vxlan_print_opt in ip/iplink_vxlan.c). The zero
// value stands for the word's own name and value.
type ipForm struct {
	key   string // where it is another than the word
	isOn  bool   // a flag that is not there where it is off
	print func(text string) (key string, v any)
	take  func(get func(key string) any) any // what the configuration file has for it; nil: nothing
}

func ipTTL() ipForm {
	return ipForm{
		print: func(text string) (string, any) {
			if text == "inherit" { // ip's JSON says nothing of it
				return "", nil
			}
			n, _ := strconv.Atoi(text) // 0 for auto
			return "ttl", n
		},
		take: func(get func(string) any) any {
			switch v := get("ttl"); v {
			case nil:
				return "inherit"
			case int64(0): // vxlan_get_route in drivers/net/vxlan/vxlan_core.c
				return "auto"
			default:
				return v
			}
		},
	}
}

// ipTOS is the form of the TOS: the kernel has the number 1 for inherit (vxlan_xmit_one in
// drivers/net/vxlan/vxlan_core.c).
func ipTOS() ipForm {
	return ipForm{
		print: func(text string) (string, any) {
			if text == "inherit" {
				text = "0x1"
			}
			return "tos", text
		},
		take: func(get func(string) any) any {
			if v := get("tos"); v != "0x1" {
				return v
			}
			return "inherit"
		},
	}
}

func ipFlowLabel() ipForm {
	return ipForm{
		print: func(text string) (string, any) {
			if text == "inherit" {
				return "flowlabel", text
			}
			return "label", text
		},
		take: func(get func(string) any) any {
			label, inherit := get("label"), get("flowlabel")
			if inherit != nil {
				return inherit
			}
			if label == "0x0" {
				return nil
			}
			return label
		},
	}
}

// ipLimit is the form of the FDB's limit: 0, or no key, stands for unlimited.
func ipLimit() ipForm {
	return ipForm{
		print: func(text string) (string, any) {
			if n, err := strconv.Atoi(text); err == nil && n != 0 {
				return "limit", n
			}
			return "", nil
		},
		take: func(get func(string) any) any {
			if v := get("limit"); v != nil && v != int64(0) {
				return v
			}
			return "unlimited"
		},
	}
}

func ipPortRange() ipForm {
	return ipForm{key: "port_range", take: func(get func(string) any) any {
		r, _ := get("port_range").(map[string]any)
		low, _ := r["low"].(float64)
		high, _ := r["high"].(float64)
		if high == 0 {
			return nil
		}
		return []any{int64(low), int64(high)}
	}}
}

// or is the form with the value v where ip prints nothing.
func (f ipForm) or(word string, v any) ipForm {
	f.take = func(get func(string) any) any {
		if said := get(word); said != nil {
			return said
		}
		return v
	}
	return f
}

// ipAddress is the form of an address: an IPv6 address has a 6 at the end of its key, and an
// unspecified one no key.
func ipAddress(key string) ipForm {
	return ipForm{
		print: func(text string) (string, any) {
			a, err := netip.ParseAddr(text)
			switch {
			case err != nil || a.IsUnspecified():
				return "", nil
			case a.Is6():
				return key + "6", text
			}
			return key, text
		},
		take: func(get func(string) any) any {
			v4, v6 := get(key), get(key+"6")
			if v4 != nil {
				return v4
			}
			return v6
		},
	}
}

// FromIP is the word's value in the configuration file, from ip's JSON; nil: the file leaves
// the word out. get returns the value of a key of info_data.
func (w *Word) FromIP(get func(key string) any) any {
	if w.IP.take != nil {
		return w.IP.take(get)
	}
	return get(w.key())
}

func (w *Word) key() string {
	if w.IP.key != "" {
		return w.IP.key
	}
	return w.Name
}

// Shown are the words that `link show -d` prints: those of ip's line, in ip's order, and those
// of uvtep's own line, where words that are not named here follow in the order of the table.
func Shown() (ip, own []Word) {
	order := []string{
		"id", "group", "remote", "local", "dev", "srcport", "dstport", "learning", "proxy", "l2miss", "l3miss", "tos", "ttl", "df", "flowlabel",
		"ageing", "maxaddress", "udpcsum", "udp6zerocsumtx", "udp6zerocsumrx", "localbypass", "gbp",
		"accept", "reserved", "innervlan", "queues", "trunk", "vlan", "gbpid", "proxylearn", "learnlocal", "evpn", "mss", "bumlimit", "peerbumlimit", "moveguard", "samehost", "loopguard", "min_ttl",
	}
	for _, w := range Table() {
		switch w.Owner {
		case VXLAN:
			ip = append(ip, w)
		case Own:
			own = append(own, w)
		case Device:
		}
	}
	place := func(w Word) int {
		if i := slices.Index(order, w.Name); i >= 0 {
			return i
		}
		return len(order)
	}
	for _, line := range [][]Word{ip, own} {
		slices.SortStableFunc(line, func(a, b Word) int { return place(a) - place(b) })
	}
	return ip, own
}

// Show is the word with its value as `link show -d` prints it; "": it is left out, as ip leaves out the kernel's defaults,
// and uvtep those of its own words.
func (w *Word) Show(l *link) string {
	text, usual := w.text(l), w.Kernel
	if w.Owner == Own {
		usual = w.Default
	}
	a, isAddress := w.get(l).(netip.Addr)
	switch said := w.Say(l); {
	case text == "" && w.Unsaid != "":
		return w.Name + " " + w.Unsaid
	case text == "", text == usual && !w.Always, isAddress && a.IsUnspecified():
		return ""
	case w.Name == "maxaddress":
		return "maxaddr " + text // as ip prints it
	default:
		return strings.Join(said, " ")
	}
}

// JSON is the word's key and value in the JSON of `link show -d`; nil: it is left out.
func (w *Word) JSON(l *link) (key string, v any) {
	text, v := w.text(l), w.get(l)
	switch {
	case v == nil && w.Unsaid != "":
		return w.Name, json.Number(w.Unsaid)
	case v == nil:
		return "", nil
	case w.IP.print != nil:
		return w.IP.print(text)
	case w.flag && v == false && (w.IP.isOn || w.Owner == Own):
		return "", nil
	}
	if _, isText := v.(string); w.Owner == Own && !isText && !w.Always && text == w.Default {
		return "", nil
	}
	return w.key(), v
}
