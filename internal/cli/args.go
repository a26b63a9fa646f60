package cli

import (
	"slices"
	"strings"
)

// normalise turns a command line in iproute2's form into one in cobra's: iproute2 allows
// options anywhere, long ones with one dash and abbreviated (-j, -json, -stat), abbreviated
// commands (`l sh`, `fdb app`), and an object alone, which means `show`.
func normalise(args []string) ([]string, error) {
	if len(args) > 0 && strings.HasPrefix(args[0], completeCommand) {
		return unfinished(args), nil // a shell asks what may come next
	}
	if len(args) > 0 && args[0] == "completion" {
		return args, nil // cobra's own
	}
	flags, words, err := splitOptions(args)
	if err != nil {
		return nil, err
	}
	words, err = expandCommand(words)
	if err != nil {
		return nil, err
	}
	// Behind the command, where cobra knows all of them.
	n := slices.Index(words, "--")
	if n < 0 {
		n = len(words)
	}
	return slices.Insert(words, n, flags...), nil
}

// splitOptions takes the options out of args and gives them their full names.
func splitOptions(args []string) (flags, words []string, err error) {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if len(arg) < 2 || arg[0] != '-' {
			words = append(words, arg)
			continue
		}
		name := strings.TrimPrefix(arg[1:], "-")
		if name == "" { // "--": words only from here on
			return flags, append(words, args[i+1:]...), nil
		}
		key, value, given := strings.Cut(name, "=")
		full, needs := captureOption(words, key)
		if full == "" && ignored(key) {
			continue
		}
		if full == "" {
			full, needs = valueOption(key)
		}
		if full != "" {
			if key = full; !given {
				if i++; i == len(args) {
					return nil, nil, usagef("--%s needs %s", key, needs)
				}
				value = args[i]
			}
			if key == "family" {
				if value, err = family(value); err != nil {
					return nil, nil, err
				}
				flags = append(flags, strings.Fields(value)...)
				continue
			}
			flags = append(flags, "--"+key+"="+value)
			continue
		}
		if name == "Version"[:min(len(name), len("Version"))] {
			return nil, []string{"version"}, nil
		}
		if key == "spin" && given {
			flags = append(flags, "--spin="+value)
			continue
		}
		long, ok := option(name)
		if !ok {
			return nil, nil, usagef("unknown option %q: see uvtep --help", arg)
		}
		flags = append(flags, long...)
	}
	return flags, words, nil
}

// captureOption is valueOption for the options of capture, which are tcpdump's: -c is
// iproute2's elsewhere.
func captureOption(words []string, name string) (full, needs string) {
	if len(words) == 0 || len(words[0]) < 2 || !strings.HasPrefix("capture", words[0]) && (name != "w" || !strings.HasPrefix("bugreport", words[0])) {
		return "", ""
	}
	switch name {
	case "c", "count":
		return "count", "a number of packets"
	case "w", "write":
		return "write", "the path of a file, or -"
	}
	return "", ""
}

// valueOption is the full name of an option that takes a value, and what it
// needs; "": it takes none. iproute2's own may be cut short.
func valueOption(name string) (full, needs string) {
	switch {
	case name == "control":
		return name, "the path of the daemon's socket"
	case name == "config":
		return name, "the path of a configuration file"
	case name == "socket":
		return name, "the path of the agent's socket"
	case name == "to":
		return name, "what to print: iproute2"
	case name == "frame":
		return name, "an Ethernet frame in hexadecimal"
	case name == "payload":
		return name, "the UDP payload of a packet in hexadecimal"
	case name == "port":
		return name, "a UDP port"
	case name == "overlay":
		return name, "the address of a host behind the remote"
	case name == "interval":
		return name, "a number of seconds"
	case name == "metrics":
		return name, "an address and a port, such as 127.0.0.1:9472"
	case name == "web":
		return name, "an address and a port, such as 127.0.0.1:9473, or control"
	case name == "log-format":
		return name, "auto, text, json or journal"
	case name == "log-level":
		return name, "debug, info, warn or error, or CLASS=LEVEL"
	case name == "state":
		return name, "the path of a directory"
	case name == "maxaddress":
		return name, "how many MAC addresses all links together may hold, or unlimited"
	case name == "no-offload":
		return name, "a list of tap, udp-gso, udp-gro and filter"
	case name == "tunnel-gso", name == "tx-ring":
		return name, "off, auto or on"
	case strings.HasPrefix("batch", name):
		return "batch", "the path of a file with a command a line, or -"
	case strings.HasPrefix("family", name):
		return "family", "inet, inet6 or link"
	case strings.HasPrefix("netns", name):
		return "netns", "the name of a network namespace"
	}
	return "", ""
}

// ignored reports whether an option of iproute2 has no effect: colours, which uvtep does not
// print, and the address family, since links have no addresses here.
func ignored(name string) bool {
	return name == "0" || strings.HasPrefix("color", name)
}

// family is the option for a name of -family (read_family in lib/utils.c).
func family(name string) (string, error) {
	switch name {
	case "inet":
		return "-4", nil
	case "inet6":
		return "-6", nil
	case "link", "bridge", "any_family":
		return "", nil
	}
	return "", usagef("-family %q is unknown: write inet, inet6 or link", name)
}

// option is the full form of an option, or of several letters at once.
func option(name string) ([]string, bool) {
	// In the order in which iproute2 compares (main in ip/ip.c).
	for _, o := range []struct{ name, flag string }{
		{"4", "-4"}, {"6", "-6"}, {"statistics", "--statistics"}, {"stats", "--statistics"},
		{"details", "--details"}, {"oneline", "--oneline"}, {"timestamp", "--timestamp"}, {"tshort", "--tshort"}, {"brief", "--brief"}, {"json", "--json"}, {"pretty", "--pretty"},
		{"help", "--help"}, {"force", "--force"}, {"tune", "--tune"}, {"spin", "--spin"}, {"watch", "--watch"}, {"mtu-probe", "--mtu-probe"}, {"take-over", "--take-over"}, {"no-sandbox", "--no-sandbox"},
		{"inner", "--inner"}, {"outer", "--outer"}, {"drops", "--drops"}, {"raw", "--raw"}, {"verbose", "--verbose"},
	} {
		if strings.HasPrefix(o.name, name) {
			return []string{o.flag}, true
		}
	}
	if strings.Trim(name, "46sdtjpo") != "" {
		return nil, false
	}
	var flags []string
	for _, letter := range name {
		flags = append(flags, "-"+string(letter))
	}
	return flags, true
}

// verb is a command of an object as iproute2 calls it and as it is called here.
type verb struct{ name, command string }

// objects are the commands in the order in which an abbreviation is looked up,
// which is iproute2's: `link s` is set, `fdb a` is add.
func objects() []struct {
	name  string
	verbs []verb
} {
	return []struct {
		name  string
		verbs []verb
	}{
		{"link", []verb{{"add", "add"}, {"set", "set"}, {"change", "set"}, {"delete", "del"}, {"show", "show"}, {"list", "show"}, {"lst", "show"}}},
		{"fdb", []verb{{"add", "add"}, {"append", "append"}, {"replace", "replace"}, {"delete", "del"}, {"get", "get"}, {"show", "show"}, {"lst", "show"}, {"list", "show"}, {"flush", "flush"}}},
		{"port", []verb{{"add", "add"}, {"set", "set"}, {"change", "set"}, {"delete", "del"}, {"show", "show"}, {"list", "show"}, {"lst", "show"}}},
		{"neigh", []verb{{"add", "add"}, {"replace", "replace"}, {"delete", "del"}, {"show", "show"}, {"list", "show"}, {"lst", "show"}}},
		{"config", []verb{{"check", "check"}, {"apply", "apply"}}},
		{"import", []verb{{"iproute2", "iproute2"}, {"netdev", "netdev"}, {"ifupdown2", "ifupdown2"}, {"netplan", "netplan"}, {"nm", "nm"}, {"auto", "auto"}}},
		{"export", nil},
		{"evpn", []verb{{"run", "run"}, {"show", "show"}, {"list", "show"}, {"lst", "show"}, {"check", "check"}, {"clear", "clear"}, {"monitor", "monitor"}}},
		{"monitor", nil}, {"run", nil}, {"version", nil}, {"demo", nil}, {"help", nil}, {"status", nil}, {"ping", nil}, {"check", nil}, {"explain", nil}, {"capture", nil}, {"decode", nil}, {"bugreport", nil}, {"top", nil},
	}
}

// expandCommand completes the first one or two words.
func expandCommand(words []string) ([]string, error) {
	if len(words) == 0 {
		return nil, nil
	}
	for _, o := range objects() {
		if words[0] == "" || !strings.HasPrefix(o.name, words[0]) {
			continue
		}
		out, rest := []string{o.name}, words[1:]
		switch {
		case o.name == "help":
			return expandHelp(rest)
		case o.verbs == nil:
		case len(rest) == 0 && (o.name == "config" || o.name == "import"):
		case len(rest) == 0:
			out = append(out, "show")
		case rest[0] == "help":
			return append(out, "--help"), nil
		default:
			command, err := expandVerb(o.name, o.verbs, rest[0])
			if err != nil {
				return nil, err
			}
			out, rest = append(out, command), rest[1:]
		}
		if len(rest) > 0 && rest[0] == "help" {
			return append(out, "--help"), nil
		}
		return append(append(out, "--"), rest...), nil
	}
	return nil, usagef("unknown command %q: write link, fdb, port, config, import, export, evpn, monitor, status, top, ping, check, run, version, demo or help", words[0])
}

func expandVerb(object string, verbs []verb, word string) (string, error) {
	names := make([]string, 0, len(verbs))
	for _, v := range verbs {
		if word != "" && strings.HasPrefix(v.name, word) {
			return v.command, nil
		}
		names = append(names, v.name)
	}
	return "", usagef("unknown command %q: uvtep %s has %s", word, object, strings.Join(names, ", "))
}

// expandHelp makes `help link add` of what follows help.
func expandHelp(words []string) ([]string, error) {
	if len(words) == 0 {
		return []string{"--help"}, nil
	}
	words, err := expandCommand(words)
	if err != nil {
		return nil, err
	}
	if n := slices.Index(words, "--"); n >= 0 {
		words = words[:n]
	}
	return append(words, "--help"), nil
}
